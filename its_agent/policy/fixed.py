"""Policies that buy one thing until it is done: the honest baselines."""

from __future__ import annotations

from dataclasses import dataclass

from its_agent.policy.protocol import Buy, Decision, Situation, Stop
from its_agent.selection.judgement import SETTLED
from its_agent.selection.stop_rules import BetaLead, StopRule

WAVE = 4
"""Samples of a wave: the number at which a unanimous vote settles at .95."""
ESC_WINDOW = 5
"""Samples of a window of early-stopping self-consistency, as in its paper."""
MOST_SAMPLES = 64

OUT_OF_BUDGET = Stop(reason="budget", why="what is left does not pay for another sample")


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """One sample."""

    arm: str | None = None
    """None takes the arm that suits the answer type."""
    greedy: bool = True
    """At temperature 0, whatever the settings say."""

    def __call__(self, situation: Situation) -> Decision:
        if situation.samples:
            return Stop(reason="complete", why="one pass was asked for")
        arm = self.arm or situation.usual_arm
        return Buy(
            path="single_pass",
            arm=arm,
            samples=1,
            greedy_first=self.greedy and situation.left(f"{arm}@0") > 0,
            why="one pass was asked for",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """Warm samples of one prompt: as many as the budget pays for, or in waves until a rule stops
    them. What still runs of a wave is aborted where the rule is a Beta lead."""

    wave: int = MOST_SAMPLES
    greedy_first: bool = False
    """Hedge: the first sample is the greedy one."""
    until: StopRule | None = None
    most: int = MOST_SAMPLES
    arm: str | None = None
    """None takes the arm that suits the answer type."""

    def __call__(self, situation: Situation) -> Decision:
        enough = self._enough(situation)
        if enough is not None:
            return enough
        arm = self.arm or situation.usual_arm
        allowed = min(self.most - situation.samples, situation.left(arm))
        if allowed <= 0:
            return Stop(reason="complete", why=f"{situation.samples} samples are taken")
        # The first request is made whatever it brings; the solve has checked that it fits.
        hedge = self.greedy_first and not situation.samples and situation.left(f"{arm}@0") > 0
        room = situation.room(prompts=1 + hedge) or (1 if not situation.samples else 0)
        samples = min(room, self._width(situation), allowed)
        if samples == 0:
            return OUT_OF_BUDGET
        why = "more of the same was asked for"
        lead = self.until.confidence if isinstance(self.until, BetaLead) else None
        return Buy(
            path="attempts",
            arm=arm,
            samples=samples,
            greedy_first=hedge,
            until_decided=lead is not None,
            lead=lead or SETTLED,
            why=why,
        )

    def _enough(self, situation: Situation) -> Stop | None:
        if situation.verified:
            return Stop(reason="confident", why="a check passes the answer")
        why = self.until(situation.progress) if self.until else None
        return Stop(reason=self.until.reason, why=why) if self.until and why else None

    def _width(self, situation: Situation) -> int:
        ahead = self.until.ahead(situation.progress) if self.until else None
        return self.wave if ahead is None else min(self.wave, ahead)


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
            return Stop(
                reason="no_gain",
                why="the backend cannot continue partial answers, or tell what scores their steps",
            )
        return Buy(path="search", arm=self.algorithm, samples=WAVE, why="a search was asked for")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkOnly:
    """Answers whose thinking is forced by the algorithm of that name, all of them at once."""

    algorithm: str
    traces: int = 1

    def __call__(self, situation: Situation) -> Decision:
        if situation.bought.get("thinking", 0):
            return Stop(reason="complete", why="the thinking has ended")
        if not situation.can_continue:
            return Stop(reason="no_gain", why="the backend cannot continue partial answers")
        return Buy(
            path="thinking",
            arm=self.algorithm,
            samples=self.traces,
            why="thinking of that kind was asked for",
        )
