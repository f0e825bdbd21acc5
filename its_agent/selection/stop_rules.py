"""Rules that say when enough has been sampled: fixed numbers, and votes.

`pandora` and `optscale` stop by scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from its_agent.errors import InvalidOption
from its_agent.receipt import StopReason
from its_agent.selection.stopping import beta_lead


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is known while samples of one problem are taken."""

    samples: int = 0
    """Those that have ended, with an answer or without."""
    votes: tuple[float, ...] = ()
    """Votes for each answer, by the reliability of the arm that gave it: the chosen answer's first,
    then the others', most first."""
    agreeing: int = 0
    """Samples of the last wave, if all of them gave the same answer; else 0."""
    scores: tuple[float, ...] = ()
    """Scores so far, higher for better; a sample that was not scored has none."""
    sample_price: float = 0.0
    """Compute units that another sample typically costs."""
    left: int = 0
    """Samples that what is left pays for."""


class StopRule(Protocol):
    """Decides when to stop sampling. Pure: the same progress gives the same decision."""

    @property
    def reason(self) -> StopReason:
        """What the receipt calls it when this rule stops."""
        ...

    def __call__(self, progress: Progress) -> str | None:
        """Why to stop now; None to go on."""
        ...

    def ahead(self, progress: Progress) -> int | None:
        """Samples to take, at least 1, before the rule can say more; None leaves the width of a
        wave to the policy. Asked only where the rule does not stop."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """So many samples."""

    samples: int

    def __post_init__(self) -> None:
        at_least(1, samples=self.samples)

    @property
    def reason(self) -> StopReason:
        """The number was asked for."""
        return "complete"

    def __call__(self, progress: Progress) -> str | None:
        """Stop at the number."""
        enough = progress.samples >= self.samples
        return f"{progress.samples} samples are taken" if enough else None

    def ahead(self, progress: Progress) -> int | None:
        """What is missing."""
        return self.samples - progress.samples


@dataclass(frozen=True, slots=True, kw_only=True)
class UnanimousWave:
    """ESC (arXiv 2401.10480): windows of samples until all of one window agree."""

    window: int = 5

    def __post_init__(self) -> None:
        at_least(2, window=self.window)

    @property
    def reason(self) -> StopReason:
        """A whole window agrees."""
        return "confident"

    def __call__(self, progress: Progress) -> str | None:
        """Stop at a unanimous window."""
        agree = progress.agreeing >= self.window
        return f"the last {progress.agreeing} samples agree" if agree else None

    def ahead(self, progress: Progress) -> int | None:
        """The next window."""
        return self.window


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaLead:
    """Adaptive-Consistency (arXiv 2305.11860): until the chosen answer leads the vote by a Beta
    lead of `confidence`. What still runs may be aborted once it cannot change that."""

    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 0.5 <= self.confidence < 1:
            raise InvalidOption(
                f"confidence {self.confidence!r}; allowed: at least 0.5 and below 1"
            )

    @property
    def reason(self) -> StopReason:
        """The vote is settled."""
        return "confident"

    def __call__(self, progress: Progress) -> str | None:
        """Stop at a settled vote."""
        if not progress.votes:
            return None
        chosen, runner_up, *_ = (*progress.votes, 0.0)
        settled = beta_lead(chosen, runner_up) >= self.confidence
        return "the vote is settled" if settled else None

    def ahead(self, progress: Progress) -> int | None:
        """As many as a wave has."""
        return None


def at_least(lowest: int, **options: int) -> None:
    """Raise InvalidOption for the first option below `lowest`."""
    for name, value in options.items():
        if value < lowest:
            raise InvalidOption(f"{name}={value} is not allowed; give {lowest} or more")
