"""What part of the gains that a belief expects of further samples comes true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from its_agent.difficulty.fit import Moment, belief_at, whole_solves
from its_agent.difficulty.graded import GradedProblem
from its_agent.difficulty.profile import USUAL_FORESIGHT, Profile
from its_agent.difficulty.prospects import LOOK_AHEAD, prospects

USUAL_PROBLEMS = 60
"""Problems that the usual part counts as, beside those at hand."""
LEAST_FORESIGHT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What more samples were expected to add to the chance of being right, and what they did."""

    problem: str
    expected: float
    came: int
    """1 where the answer turned right, -1 where it turned wrong, else 0."""


def promises(
    profile: Profile, problems: Sequence[GradedProblem], *, seed: int = 0
) -> Iterator[Promise]:
    """Those of 1, 2, 4 and 8 more samples, after 1, 2, 4 and 8 of them, as the belief itself has
    them."""
    profile = profile.model_copy(update={"foresight": 1.0})
    for whole in whole_solves(problems, seed=seed):
        for size in LOOK_AHEAD:
            if size >= len(whole.samples):
                continue
            before = whole.first(size)
            belief = belief_at(profile, before)
            tokens = sum(sample.tokens for _, sample in before.samples)
            weight, left = profile.weight(whole.samples[size][0]), len(whole.samples) - size
            for one in prospects(belief, weight=weight, at_most=left, seed=tokens):
                then = whole.first(size + one.samples)
                came = _is_right(profile, then) - _is_right(profile, before)
                yield Promise(problem=whole.problem.id, expected=one.gain, came=came)


def foresight(seen: Sequence[Promise]) -> float:
    """The slope of what came over what was expected, by least squares through 0, each problem
    counting alike; drawn towards the usual one."""
    if not seen:
        return USUAL_FORESIGHT
    problems = len({one.problem for one in seen})
    square = sum(one.expected**2 for one in seen) / len(seen)
    product = sum(one.expected * one.came for one in seen) / len(seen)
    if not square:
        return USUAL_FORESIGHT
    share = USUAL_PROBLEMS / (USUAL_PROBLEMS + problems)
    return max(LEAST_FORESIGHT, share * USUAL_FORESIGHT + (1 - share) * product / square)


def _is_right(profile: Profile, moment: Moment) -> bool:
    answer, _ = belief_at(profile, moment).best
    return answer is not None and answer == moment.problem.right_answer
