"""The adaptive policy: the surest single sample first, and then what is worth its price.

What a vote decides is bought by the value of computation; what a check decides, until a right
sample is expected to cost too much; what neither decides is refined once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from its_agent.policy.fixed import OUT_OF_BUDGET, WAVE
from its_agent.policy.protocol import Buy, Decision, Situation, Stop
from its_agent.policy.value import LEAST_GAIN, PRICE, Lot, price, worth
from its_agent.prompts import STRATEGY_ARMS

Difficulty = Literal["easy", "medium", "hard", "hopeless"]

EASY, HARD, HOPELESS = 0.7, 0.3, 0.11
"""Borders of the belief that one sample is right."""

PLATEAU = 16
"""Samples of one prompt after which more of the same change little."""
SEARCH = "beam"
OTHER_WAYS = (SEARCH, *STRATEGY_ARMS[1:])
"""What is tried from then on, one after the other."""

PATIENCE = 0.7
"""Part of what is left that the first right sample may be expected to cost, where a check will
know it. A line on the price stops where the next sample's chance is not worth it, as in Weitzman's
problem (Pandora's box, 1979). Chosen on problems 41 to 80 of MBPP, which no table shows."""

SEARCH_SHARE = 0.5
"""Part of what is left that a search may use, so that its answers can still be voted on."""

DIRECT_WORDS: Mapping[str, int] = {"text": 25, "choice": 0, "number": 8, "math": 8, "json": 0}
"""Longest question, by answer type, that is put without asking for reasoning."""
QUESTION = re.compile(r"(who|what|when|where|which|is|are|was|were|does|do|did)\b", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """Buys what brings most beyond its price, as long as anything does."""

    least_gain: float = LEAST_GAIN
    """Rise of the chance to be right that another vote has to bring, however much is left; a market
    says itself what compute is worth."""

    def __call__(self, situation: Situation) -> Decision:
        """Decide on the next purchase."""
        if situation.settled:
            return Stop(reason="confident", why="the vote is settled")
        if situation.samples == 0:
            return _within_supply(_first(situation), situation)
        if not any(view.room() for view in situation.views):
            return OUT_OF_BUDGET
        if _is_open_ended(situation):
            return _open_ended(situation)
        if situation.has_checks:
            return _within_supply(_checked(situation), situation)
        return _within_supply(self._voted(situation), situation)

    def _voted(self, situation: Situation) -> Decision:
        """What decides a vote, at any affordable model; past the plateau of all, another way to
        look at it."""
        arm = _arm(situation)
        lots = [
            self._lot(view, arm, at_most)
            for view in situation.views
            if (at_most := min(view.room(), _supply(view), PLATEAU - view.samples)) > 0
        ]
        if all(view.samples >= PLATEAU for view in situation.views if view.room()):
            return self._another_way(situation)
        return worth(situation, lots)

    def _another_way(self, situation: Situation) -> Decision:
        """What was not tried yet, if as many votes of the usual kind would be worth their price."""
        ways = OTHER_WAYS if situation.can_search else OTHER_WAYS[1:]
        way = next((way for way in ways if way not in situation.tried), None)
        if way is None:
            return Stop(reason="no_gain", why="every way was tried and the vote is not settled")
        samples = min(WAVE, situation.room())
        decision = worth(situation, [self._lot(situation, way, samples)])
        if isinstance(decision, Stop):
            return decision
        why = f"{situation.samples} samples have not settled the vote; another way to look at it"
        if way == SEARCH:
            return Buy(path="search", arm=SEARCH, samples=WAVE, why=why, share=SEARCH_SHARE)
        return Buy(path="attempts", arm=way, samples=samples, why=why)

    def _lot(self, seen: Situation, arm: str, at_most: int) -> Lot:
        least = self.least_gain if seen.unit_price is None else 0.0
        return Lot(seen=seen, arm=arm, at_most=at_most, least_gain=least)


adaptive = Adaptive()
thorough = Adaptive(least_gain=0.0)


def difficulty(situation: Situation) -> Difficulty:
    """Name the belief's band."""
    success = situation.belief.success
    if success >= EASY:
        return "easy"
    if success >= HARD:
        return "medium"
    return "hard" if success >= HOPELESS else "hopeless"


def needs_no_reasoning(situation: Situation) -> bool:
    """Tell short questions after a fact."""
    question = situation.question.strip()
    longest = DIRECT_WORDS[situation.answer_type]
    return len(question.split()) <= longest and QUESTION.match(question) is not None


def _is_open_ended(situation: Situation) -> bool:
    """Tell what can neither be voted on nor checked."""
    free = situation.answer_type in ("text", "json") and not situation.has_checks
    return free and not needs_no_reasoning(situation)


def _arm(situation: Situation) -> str:
    if needs_no_reasoning(situation):
        return "direct"
    return situation.usual_arm


def _first(situation: Situation) -> Decision:
    seen = situation if _is_open_ended(situation) else _beginning(situation)
    whose = f" of {seen.model}" if seen.model else ""
    return Buy(
        path="single_pass",
        arm=_arm(situation),
        samples=1,
        model=seen.model,
        greedy_first=True,
        why=f"{_outlook(seen)}; the surest single sample{whose} first",
    )


def _beginning(situation: Situation) -> Situation:
    """The model whose first sample brings most beyond its price, of those that are affordable."""

    def profit(view: Situation) -> float:
        outlook = situation.outlook
        success = view.belief.success if outlook is None else outlook.next_success(view.model)
        return success - price(view) * view.first_price

    views = situation.by_model
    affordable = [view for view in views if view.room() and _supply(view)]
    return max(affordable, key=profit, default=situation)


def _supply(view: Situation) -> int:
    """Samples of its usual prompt that are to be had of a model, the greedy one included."""
    arm = _arm(view)
    return view.left(arm) + (not view.samples and view.left(f"{arm}@0") > 0)


def _checked(situation: Situation) -> Decision:
    """Samples of the model whose next right one is cheapest, until that costs too much."""
    is_priced = _has_a_price(situation)
    views = [
        view
        for view in situation.views
        if view.samples < PLATEAU
        and view.room()
        and _supply(view)
        and (is_priced or difficulty(view) != "hopeless")
    ]
    seen = min(views, key=_success_price, default=None)
    if is_priced and _success_price(seen or situation) > PATIENCE * PRICE / price(situation):
        return _too_dear(situation, seen or situation)
    return _give_up(situation) if seen is None else _wave(situation, seen)


def _wave(situation: Situation, seen: Situation) -> Decision:
    """A check needs one right sample: each wave doubles what is there, so that easy problems pay
    for one and hard ones do not take many rounds."""
    return Buy(
        path="attempts",
        arm=_arm(situation),
        samples=min(WAVE, max(1, seen.samples), seen.room()),
        model=seen.model,
        greedy_first=bool(seen.model) and not seen.samples,
        until_decided=True,
        why=f"{_outlook(seen)}; {_so_far(situation)}",
    )


def _so_far(situation: Situation) -> str:
    return f"no check passes any of {situation.samples}"


def _has_a_price(situation: Situation) -> bool:
    """Whether a check will know the right sample, and a limit says what it may cost."""
    return situation.has_checks and price(situation) > 0


def _success_price(situation: Situation) -> float:
    """Compute units until a sample is right, as expected now."""
    is_new = bool(situation.model) and not situation.samples
    each = situation.first_price if is_new else situation.sample_price
    return each / situation.belief.success


def _too_dear(situation: Situation, seen: Situation) -> Decision:
    return Stop(
        reason="no_gain",
        why=f"{_outlook(seen)}; {_so_far(situation)}, and a right one is expected to cost "
        f"{_success_price(seen):,.0f} units with {situation.remaining.compute} left",
    )


def _give_up(situation: Situation) -> Decision:
    return Stop(reason="no_gain", why=f"{_outlook(situation)}; {_so_far(situation)}")


def _open_ended(situation: Situation) -> Decision:
    if situation.bought.get("refine", 0) or situation.room(prompts=2) < 2:
        return Stop(reason="complete", why="answers of this type are not voted on")
    return Buy(
        path="refine", arm="critique", samples=2, why="a critique may still improve the text"
    )


def _within_supply(decision: Decision, situation: Situation) -> Decision:
    """Ask for no more than the backend holds: a recorded pool may lack arms and run out."""
    if isinstance(decision, Stop) or decision.path == "search":
        return decision
    seen = situation.of(decision.model)
    greedy = decision.greedy_first and seen.left(f"{decision.arm}@0") > 0
    samples = min(decision.samples, seen.left(decision.arm) + greedy)
    if samples == 0:
        return Stop(reason="no_gain", why=f"the backend holds no more samples of {decision.arm}")
    return replace(decision, samples=samples, greedy_first=greedy)


def _outlook(situation: Situation) -> str:
    return f"{difficulty(situation)}: P(one sample right) {situation.belief.success:.2f}"
