"""Where a refinement stands: the best solution so far, and the last one that failed.

This is iterative decoding by a verifier (arXiv 2504.01931): a new solution becomes the base only
where what is known from outside says that it is better; else the base stays, and the new one is
shown beside it as one that fails. Where nothing outside judges, improving tends to do harm (arXiv
2310.01798): one critique is bought, and the solution that follows it is taken only because that
critique named an error (see critique.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from its_agent.graphs.feedback import Feedback
from its_agent.graphs.state import Plain, flat

ROUNDS = 3
"""Improvements of one refinement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinement:
    """Solutions are named by the ids of their candidates."""

    attempt: str
    """The newest solution."""
    base: str | None = None
    """The best one so far; None before the first was looked at."""
    feedback: Feedback = field(default_factory=Feedback)
    """What is known of the base."""
    failed: str | None = None
    """The last one that failed and is not the base."""
    failed_feedback: str = ""
    critique: str = ""
    """What the model says of the base; bought once at most."""
    rounds: int = 0
    """Improvements that were bought."""
    tries: int = 0
    """Those of this base."""

    @classmethod
    def from_plain(cls, plain: Plain) -> Refinement:
        """Read back what `to_plain` wrote."""
        values: Plain = {**plain, "feedback": Feedback(**plain["feedback"])}
        return cls(**values)

    def to_plain(self) -> Plain:
        """Write it as plain data."""
        return flat(self) | {"feedback": flat(self.feedback)}

    @property
    def next(self) -> Literal["critique", "improve", "end"]:
        """What to do about the base: what fails is improved, what nothing speaks against is
        criticised once."""
        if self.feedback.standing == "pass" or self.rounds >= ROUNDS:
            return "end"
        if self.feedback.text:
            return "improve"
        return "end" if self.critique else "critique"

    def bought(self, attempt: str) -> Refinement:
        """After an improvement, before anything is known of it."""
        return replace(self, attempt=attempt, rounds=self.rounds + 1, tries=self.tries + 1)

    def weighed(self, found: Feedback, *, is_new: bool) -> Refinement:
        """After this was found out about the newest solution; `is_new` is whether its answer
        differs from that of the base."""
        if self.base is not None and not (is_new and self._takes(found)):
            return self._with_failed(self.attempt, found) if is_new else self
        after = replace(self, base=self.attempt, feedback=found, tries=0)
        return after if self.base is None else after._with_failed(self.base, self.feedback)

    def _takes(self, found: Feedback) -> bool:
        follows_critique = found.standing == self.feedback.standing == "unknown"
        return follows_critique or found.is_better_than(self.feedback)

    def _with_failed(self, failed: str, found: Feedback) -> Refinement:
        if found.standing != "fail":
            return self
        return replace(self, failed=failed, failed_feedback=found.text)
