"""The adaptive policy as a table: difficulty × room in the budget → the next purchase.

Difficulty is the belief that one sample is right, as text, self-report and the samples so far
have left it. Room is the number of full-length samples that are still affordable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from its_agent.policy.fixed import OUT_OF_BUDGET, WAVE
from its_agent.policy.protocol import Buy, Decision, Situation, Stop
from its_agent.prompts import STRATEGY_ARMS

Difficulty = Literal["easy", "medium", "hard", "hopeless"]
Room = Literal["one", "few", "wave"]
Move = Literal["greedy", "first_wave", "wave", "give_up"]

EASY, HARD, HOPELESS = 0.7, 0.3, 0.11
"""Borders of the belief that one sample is right."""

FIRST: Mapping[Difficulty, Mapping[Room, Move]] = {
    "easy": {"one": "greedy", "few": "greedy", "wave": "first_wave"},
    "medium": {"one": "greedy", "few": "first_wave", "wave": "first_wave"},
    "hard": {"one": "greedy", "few": "first_wave", "wave": "first_wave"},
    "hopeless": {"one": "greedy", "few": "first_wave", "wave": "first_wave"},
}
NEXT: Mapping[Difficulty, Mapping[Room, Move]] = {
    "easy": {"one": "wave", "few": "wave", "wave": "wave"},
    "medium": {"one": "wave", "few": "wave", "wave": "wave"},
    "hard": {"one": "wave", "few": "wave", "wave": "wave"},
    "hopeless": {"one": "give_up", "few": "give_up", "wave": "give_up"},
}

PLATEAU = 16
"""Samples of one prompt after which more of the same change little."""
OTHER_WAYS = ("search", *STRATEGY_ARMS[1:])
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


def adaptive(situation: Situation) -> Decision:
    """Look up the next purchase."""
    if situation.settled:
        return Stop(reason="confident", why="the vote is settled")
    if situation.samples == 0:
        return _within_supply(_first(situation), situation)
    if situation.room() == 0:
        return OUT_OF_BUDGET
    if _is_open_ended(situation):
        return _open_ended(situation)
    if _is_too_dear(situation):
        return _too_dear(situation)
    if situation.samples >= PLATEAU:
        return _within_supply(_another_way(situation), situation)
    return _within_supply(_next(situation), situation)


def difficulty(situation: Situation) -> Difficulty:
    """Name the belief's band."""
    success = situation.belief.success
    if success >= EASY:
        return "easy"
    if success >= HARD:
        return "medium"
    return "hard" if success >= HOPELESS else "hopeless"


def room(situation: Situation) -> Room:
    """Name how many samples are affordable, in a greedy and a warm request; at least one."""
    samples = situation.room(prompts=2)
    if samples >= WAVE:
        return "wave"
    return "few" if samples >= 2 else "one"


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
    if _is_open_ended(situation) or situation.has_checks:
        return _greedy(situation)
    return MOVES[FIRST[difficulty(situation)][room(situation)]](situation)


def _next(situation: Situation) -> Decision:
    if _has_a_price(situation):
        return _wave(situation)
    return MOVES[NEXT[difficulty(situation)][room(situation)]](situation)


def _greedy(situation: Situation) -> Decision:
    return Buy(
        path="single_pass",
        arm=_arm(situation),
        samples=1,
        greedy_first=True,
        why=f"{_outlook(situation)}; the surest single sample first",
    )


def _first_wave(situation: Situation) -> Decision:
    return Buy(
        path="attempts",
        arm=_arm(situation),
        samples=min(WAVE, situation.room(prompts=2)),
        greedy_first=True,
        until_decided=True,
        why=f"{_outlook(situation)}; the greedy answer, and warm ones to doubt it",
    )


def _wave(situation: Situation) -> Decision:
    return Buy(
        path="attempts",
        arm=_arm(situation),
        samples=min(_width(situation), situation.room()),
        until_decided=True,
        why=f"{_outlook(situation)}; {_so_far(situation)}",
    )


def _width(situation: Situation) -> int:
    """A wave is what a vote needs. A check needs one right sample: each wave doubles what is there,
    so that easy problems pay for one and hard ones do not take many rounds."""
    return min(WAVE, max(1, situation.samples)) if situation.has_checks else WAVE


def _so_far(situation: Situation) -> str:
    if situation.has_checks:
        return f"no check passes any of {situation.samples}"
    return f"{situation.leading} of {situation.samples} agree"


def _has_a_price(situation: Situation) -> bool:
    """Whether a check will know the right sample, and a limit says what it may cost."""
    return situation.has_checks and situation.remaining.compute is not None


def _success_price(situation: Situation) -> float:
    """Compute units until a sample is right, as expected now."""
    return situation.sample_price / situation.belief.success


def _is_too_dear(situation: Situation) -> bool:
    left = situation.remaining.compute or 0
    return _has_a_price(situation) and _success_price(situation) > PATIENCE * left


def _too_dear(situation: Situation) -> Decision:
    return Stop(
        reason="no_gain",
        why=f"{_outlook(situation)}; {_so_far(situation)}, and a right one is expected to cost "
        f"{_success_price(situation):,.0f} of the {situation.remaining.compute} units left",
    )


def _give_up(situation: Situation) -> Decision:
    return Stop(
        reason="no_gain",
        why=f"{_outlook(situation)}; {situation.samples} samples found nothing to agree on",
    )


MOVES: Mapping[Move, Callable[[Situation], Decision]] = {
    "greedy": _greedy,
    "first_wave": _first_wave,
    "wave": _wave,
    "give_up": _give_up,
}


def _open_ended(situation: Situation) -> Decision:
    if situation.bought.get("refine", 0) or situation.room(prompts=2) < 2:
        return Stop(reason="complete", why="answers of this type are not voted on")
    return Buy(
        path="refine", arm="critique", samples=2, why="a critique may still improve the text"
    )


def _another_way(situation: Situation) -> Decision:
    waves = situation.bought.get("attempts", 0) + situation.bought.get("search", 0)
    tried = max(0, waves - PLATEAU // WAVE)
    ways = OTHER_WAYS if situation.can_search else OTHER_WAYS[1:]
    why = f"{situation.samples} samples have not settled the vote; another way to look at it"
    if tried >= len(ways):
        return Stop(reason="no_gain", why="every way was tried and the vote is not settled")
    way = ways[tried]
    if way == "search":
        return Buy(path="search", arm="beam", samples=WAVE, why=why, share=SEARCH_SHARE)
    return Buy(path="attempts", arm=way, samples=min(WAVE, situation.room()), why=why)


def _within_supply(decision: Decision, situation: Situation) -> Decision:
    """Ask for no more than the backend holds: a recorded pool may lack arms and run out."""
    if isinstance(decision, Stop) or decision.path == "search":
        return decision
    greedy = decision.greedy_first and situation.left(f"{decision.arm}@0") > 0
    samples = min(decision.samples, situation.left(decision.arm) + greedy)
    if samples == 0:
        return Stop(reason="no_gain", why=f"the backend holds no more samples of {decision.arm}")
    return replace(decision, samples=samples, greedy_first=greedy)


def _outlook(situation: Situation) -> str:
    return f"{difficulty(situation)}: P(one sample right) {situation.belief.success:.2f}"
