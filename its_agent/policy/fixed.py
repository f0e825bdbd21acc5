"""Policies that buy one thing until it is done: the honest baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from its_agent.policy.protocol import Buy, Decision, Situation, Stop

WAVE = 4
"""Samples of a wave: the number at which a unanimous vote settles at .95."""
ESC_WINDOW = 5
"""Samples of a window of early-stopping self-consistency, as in its paper."""
MOST_SAMPLES = 64

OUT_OF_BUDGET = Stop(reason="budget", why="what is left does not pay for another sample")


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """One greedy sample."""

    def __call__(self, situation: Situation) -> Decision:
        if situation.samples:
            return Stop(reason="complete", why="one pass was asked for")
        return Buy(
            path="single_pass",
            arm=situation.usual_arm,
            samples=1,
            greedy_first=situation.left(f"{situation.usual_arm}@0") > 0,
            why="one pass was asked for",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """Warm samples of one prompt: as many as the budget pays for, or in waves until a rule stops
    them: a settled vote, or a wave whose samples all agree (ESC, arXiv 2401.10480)."""

    wave: int = MOST_SAMPLES
    greedy_first: bool = False
    """Hedge: the first sample is the greedy one."""
    until: Literal["settled", "unanimous_wave"] | None = None

    def __call__(self, situation: Situation) -> Decision:
        enough = self._enough(situation)
        if enough is not None:
            return Stop(reason="confident", why=enough)
        allowed = min(MOST_SAMPLES - situation.samples, situation.left(situation.usual_arm))
        if allowed <= 0:
            return Stop(reason="complete", why=f"{situation.samples} samples are taken")
        # The first request is made whatever it brings; the solve has checked that it fits.
        hedge = self.greedy_first and not situation.samples and self._has_greedy(situation)
        room = situation.room(prompts=1 + hedge) or (1 if not situation.samples else 0)
        samples = min(room, self.wave, allowed)
        if samples == 0:
            return OUT_OF_BUDGET
        why = "more of the same was asked for"
        return Buy(
            path="attempts",
            arm=situation.usual_arm,
            samples=samples,
            greedy_first=hedge,
            until_decided=self.until == "settled",
            why=why,
        )

    def _has_greedy(self, situation: Situation) -> bool:
        return situation.left(f"{situation.usual_arm}@0") > 0

    def _enough(self, situation: Situation) -> str | None:
        if situation.verified:
            return "a check passes the answer"
        if self.until == "settled" and situation.settled:
            return "the vote is settled"
        if self.until == "unanimous_wave" and situation.agreeing >= self.wave:
            return f"the last {self.wave} samples agree"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefineOnly:
    """A solution, and improvements of it until they end."""

    def __call__(self, situation: Situation) -> Decision:
        if situation.verified:
            return Stop(reason="confident", why="a check passes the answer")
        if situation.refined_to_an_end:
            return Stop(reason="complete", why="the refinement has come to its end")
        if situation.bought.get("refine", 0) and situation.room() == 0:
            return OUT_OF_BUDGET
        return Buy(
            path="refine", arm="critique", samples=1, why="critique and improvement were asked for"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOnly:
    """One tree search by the algorithm of that name."""

    algorithm: str = "beam"

    def __call__(self, situation: Situation) -> Decision:
        if situation.bought.get("search", 0):
            return Stop(reason="complete", why="the search has ended")
        if not situation.can_search:
            return Stop(reason="no_gain", why="the backend cannot continue partial answers")
        return Buy(path="search", arm=self.algorithm, samples=WAVE, why="a search was asked for")
