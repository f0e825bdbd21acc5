"""Fitting a profile to graded samples: logistic models by scikit-learn, the belief's few numbers by
maximum likelihood, all of it drawn towards what is usual where there is little data."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from its_agent.difficulty.answer_belief import USUAL_MODEL, AnswerBelief, Habits, Observation
from its_agent.difficulty.graded import GradedProblem, GradedSample
from its_agent.difficulty.profile import TYPICAL_WORDS, Arm, Evidence, Prior, Profile
from its_agent.errors import InvalidInput, MissingExtra

SIZES = (1, 2, 4, 6, 8, 12, 16)
"""Numbers of samples that the belief is fitted at."""
ORDERS = 4
"""Random orders of each problem's samples."""
RIDGE = 0.02
"""Weight of the squared distance from what is usual, beside the mean log-likelihood."""
LEAST = 1e-6
MOST_STEPS = 120

USUAL = Habits(strength=3.0, spread=6.0, trust=0.5, likeness=0.2)
"""What the search begins at, and is drawn towards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Some samples of a problem, as a solve might hold them."""

    problem: GradedProblem
    samples: tuple[tuple[str, GradedSample], ...]
    """With their arms."""

    def first(self, size: int) -> Moment:
        """As it was after so many of them."""
        return replace(self, samples=self.samples[:size])


def fit(problems: Sequence[GradedProblem], *, model: str, seed: int = 0) -> Profile:
    """A profile without confidence and quality. Raises InvalidInput where the samples are all
    right or all wrong, and MissingExtra without scikit-learn."""
    samples = [sample for problem in problems for sample in problem.samples]
    if len({sample.is_right for sample in samples}) < 2:
        raise InvalidInput(
            f"{len(samples)} samples of {len(problems)} problems, all right or all wrong, teach "
            "nothing; give a pool of problems with reference answers that the model can solve in "
            "part"
        )
    silent = [sample.answer is None for sample in samples if not sample.is_right]
    start = Profile(
        model=model,
        problems=len(problems),
        prior=_prior(problems),
        strength=USUAL.strength,
        spread=USUAL.spread,
        trust=USUAL.trust,
        likeness=USUAL.likeness,
        silence=sum(silent) / len(silent),
        evidence=_evidence(samples),
        arms=_arms(problems),
    )
    return _with_habits(start, list(moments(problems, seed=seed)))


def moments(problems: Sequence[GradedProblem], *, seed: int) -> Iterator[Moment]:
    """Random states of a solve: some with the greedy sample first, and then warm ones of one arm
    or of all."""
    chance = random.Random(seed)
    for problem in problems:
        for _ in range(ORDERS):
            order = _order(problem, chance)
            for size in SIZES:
                if size <= len(order):
                    yield Moment(problem=problem, samples=tuple(order[:size]))


def whole_solves(problems: Iterable[GradedProblem], *, seed: int) -> Iterator[Moment]:
    """The ends of solves that begin with the greedy sample and take all of one warm arm, in several
    orders."""
    chance = random.Random(seed)
    for problem in problems:
        cold = _cold(problem)
        for arm, listed in problem.arms.items():
            for _ in range(0 if is_cold(arm) else ORDERS):
                warm = [(arm, sample) for sample in chance.sample(listed, len(listed))]
                yield Moment(problem=problem, samples=(*cold, *warm))


def belief_at(profile: Profile, moment: Moment) -> AnswerBelief:
    """What is believed then."""
    return _believed(profile, _weighed(profile.evidence, moment))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighed:
    """A moment with what each sample's own features say, which no other number changes."""

    moment: Moment
    evidence: tuple[float, ...]


def _weighed(evidence: Evidence | None, moment: Moment) -> _Weighed:
    told = [
        evidence.of(sample.features) if evidence and sample.features else 0.0
        for _, sample in moment.samples
    ]
    return _Weighed(moment=moment, evidence=tuple(told))


def _believed(profile: Profile, weighed: _Weighed) -> AnswerBelief:
    moment = weighed.moment
    start = AnswerBelief(tallies={USUAL_MODEL: profile.tally(moment.problem.asked)})
    return start.after(
        Observation(answer=sample.answer, evidence=told, weight=profile.weight(arm))
        for (arm, sample), told in zip(moment.samples, weighed.evidence, strict=True)
    )


def _order(problem: GradedProblem, chance: random.Random) -> list[tuple[str, GradedSample]]:
    cold = _cold(problem)
    warm = {arm: listed for arm, listed in problem.arms.items() if not is_cold(arm)}
    chosen = chance.choice([[arm] for arm in warm] + [list(warm)] * (len(warm) > 1) or [[]])
    order = [(arm, sample) for arm in chosen for sample in warm[arm]]
    chance.shuffle(order)
    return (cold if chance.random() < 0.5 else []) + order


def _cold(problem: GradedProblem) -> list[tuple[str, GradedSample]]:
    return [(arm, s) for arm, listed in problem.arms.items() if is_cold(arm) for s in listed]


def is_cold(arm: str) -> bool:
    """Tell the greedy arms."""
    return arm.endswith("@0")


def _prior(problems: Sequence[GradedProblem]) -> Prior:
    words = [[math.log(p.asked.words / TYPICAL_WORDS)] for p in problems for _ in p.samples]
    fitted = logistic(words, [s.is_right for p in problems for s in p.samples])
    return Prior(intercept=float(fitted.intercept_[0]), slope=float(fitted.coef_[0][0]))


def _evidence(samples: Sequence[GradedSample]) -> Evidence | None:
    known = [(s.features, s.is_right) for s in samples if s.features is not None]
    rights = [is_right for _, is_right in known]
    if len(set(rights)) < 2:
        return None
    columns = list(zip(*(features for features, _ in known), strict=True))
    mean = [sum(column) / len(column) for column in columns]
    scale = [_deviation(column) or 1.0 for column in columns]
    rows = [
        [(v - m) / s for v, m, s in zip(features, mean, scale, strict=True)]
        for features, _ in known
    ]
    fitted = logistic(rows, rights)
    share = sum(rights) / len(rights)
    offset = float(fitted.intercept_[0]) - math.log(share / (1 - share))
    weights = tuple(map(float, fitted.coef_[0]))
    told = [offset + sum(w * v for w, v in zip(weights, row, strict=True)) for row in rows]
    return Evidence(
        mean=tuple(mean),
        scale=tuple(scale),
        weights=weights,
        offset=offset,
        right=_moments_of([t for t, is_right in zip(told, rights, strict=True) if is_right]),
        wrong=_moments_of([t for t, is_right in zip(told, rights, strict=True) if not is_right]),
    )


def _arms(problems: Sequence[GradedProblem]) -> dict[str, Arm]:
    names = sorted({arm for problem in problems for arm in problem.arms})
    return {name: _arm([s for p in problems for s in p.arms.get(name, ())]) for name in names}


def _arm(samples: Sequence[GradedSample]) -> Arm:
    lengths = [math.log(max(1, sample.tokens)) for sample in samples]
    return Arm(
        right=sum(sample.is_right for sample in samples) / len(samples),
        samples=len(samples),
        log_tokens=_moments_of(lengths),
    )


def _with_habits(start: Profile, seen: Sequence[Moment]) -> Profile:
    """Find strength, spread, trust, likeness and the arms' weights; the arm with most samples keeps
    1."""
    minimize = imported("scipy.optimize").minimize
    others = sorted(start.arms, key=lambda arm: (-start.arms[arm].samples, arm))[1:]
    usual = [
        math.log(USUAL.strength),
        math.log(USUAL.spread),
        USUAL.trust,
        USUAL.likeness,
        *(0.0 for _ in others),
    ]

    def profile(point: Sequence[float]) -> Profile:
        weights = dict(zip(others, map(math.exp, point[4:]), strict=True))
        arms = {
            name: arm.model_copy(update={"weight": weights.get(name, 1.0)})
            for name, arm in start.arms.items()
        }
        found = {
            "strength": math.exp(point[0]),
            "spread": math.exp(point[1]),
            "trust": max(0.0, point[2]),
            "likeness": max(0.0, point[3]),
        }
        return start.model_copy(update={**found, "arms": arms})

    weighed = [_weighed(start.evidence, moment) for moment in seen]

    def loss(point: Sequence[float]) -> float:
        held = sum((a - b) ** 2 for a, b in zip(point, usual, strict=True))
        return _surprise(profile(point), weighed) + RIDGE * held

    options = {"maxiter": MOST_STEPS, "xatol": 0.02, "fatol": 1e-4}
    found = minimize(loss, usual, method="Nelder-Mead", options=options)
    return profile([float(value) for value in found.x])


def surprise(profile: Profile, seen: Sequence[Moment]) -> float:
    """Minus the mean log-probability of what is the case: that this answer is right, or none."""
    return _surprise(profile, [_weighed(profile.evidence, moment) for moment in seen])


def _surprise(profile: Profile, seen: Sequence[_Weighed]) -> float:
    return -sum(math.log(max(LEAST, _truth(profile, one))) for one in seen) / len(seen)


def _truth(profile: Profile, weighed: _Weighed) -> float:
    posterior = _believed(profile, weighed).posterior
    right = weighed.moment.problem.right_answer
    if right is not None and right in posterior:
        return posterior[right]
    return 1 - sum(posterior.values())


def logistic(rows: Sequence[Sequence[float]], rights: Sequence[bool]) -> Any:
    """A fitted LogisticRegression. Raises MissingExtra."""
    return imported("sklearn.linear_model").LogisticRegression(C=1.0).fit(rows, rights)


def imported(name: str) -> Any:
    """A module of scikit-learn, or that it brings along. Raises MissingExtra."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtra(
            "calibrating needs scikit-learn: pip install 'its_agent[calibrate]'"
        ) from error


def _moments_of(values: Sequence[float]) -> tuple[float, float]:
    return sum(values) / len(values), _deviation(values)


def _deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
