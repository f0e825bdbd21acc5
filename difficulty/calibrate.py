"""Making a profile of a pool, and saying how good it is on problems that it was not fitted on."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from its_agent.difficulty.claims import (
    Claim,
    bins,
    brier,
    by_chance,
    calibration_error,
    constant_brier,
)
from its_agent.difficulty.fit import (
    ORDERS,
    Moment,
    belief_at,
    fit,
    imported,
    is_cold,
    logistic,
    moments,
)
from its_agent.difficulty.graded import GradedProblem
from its_agent.difficulty.profile import Bin, Confidence, Profile, Quality
from its_agent.errors import InvalidInput

FOLDS = 5
FIRST_WAVE = 4
"""Warm samples, beside the greedy one, after which it is looked at what is foreseen of the next."""
FEW_PROBLEMS = 50
"""Fewer than these and the profile says so."""
FEW_SAMPLES = 100
"""Of an arm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Problems that a profile was not fitted on, and that profile."""

    profile: Profile
    held_out: tuple[GradedProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An answer that would have been given, how sure one was of it, and whether it was right."""

    problem: str
    fold: int
    probability: float
    is_right: bool


def calibrate(
    problems: Sequence[GradedProblem],
    *,
    model: str,
    pools: Sequence[str] = (),
    folds: int = FOLDS,
    seed: int = 0,
) -> Profile:
    """Fit a profile, its confidence and its quality cross-fitted by problem. Raises InvalidInput
    for fewer problems than folds, and what `fit` raises."""
    profile = fit(problems, model=model, seed=seed)
    parts = list(cross_fitted(problems, model=model, folds=folds, seed=seed))
    seen = [
        outcome
        for number, fold in enumerate(parts)
        for outcome in outcomes(fold, number, seed=seed)
    ]
    foreseen = [one for fold in parts for one in next_samples(fold, seed=seed)]
    return profile.model_copy(
        update={
            "pools": tuple(pools),
            "confidence": fitted_confidence(seen),
            "quality": _quality(_told(seen), foreseen, problems=len(problems)),
            "notes": tuple(_too_few(profile)),
        }
    )


def cross_fitted(
    problems: Sequence[GradedProblem], *, model: str, folds: int = FOLDS, seed: int = 0
) -> Iterator[Fold]:
    """For each part of the problems the profile of the others. Raises InvalidInput."""
    if not 2 <= folds <= len(problems):
        raise InvalidInput(f"{len(problems)} problems cannot be split into {folds} folds")
    order = sorted(problems, key=lambda problem: problem.id)
    random.Random(seed).shuffle(order)
    for number in range(folds):
        held_out = order[number::folds]
        rest = [problem for place, problem in enumerate(order) if place % folds != number]
        yield Fold(profile=fit(rest, model=model, seed=seed), held_out=tuple(held_out))


def outcomes(fold: Fold, number: int, *, seed: int = 0) -> Iterator[Outcome]:
    """What would have been answered at many moments of the held-out problems."""
    for moment in moments(fold.held_out, seed=seed):
        answer, probability = belief_at(fold.profile, moment).best
        if answer is not None:
            is_right = answer == moment.problem.right_answer
            yield Outcome(
                problem=moment.problem.id, fold=number, probability=probability, is_right=is_right
            )


def next_samples(fold: Fold, *, seed: int = 0) -> Iterator[tuple[float, bool]]:
    """For each held-out problem and order of an arm's samples: the belief, after the greedy sample
    and a first wave of them, that another one is right, beside what each of the others is."""
    chance = random.Random(seed)
    for problem in fold.held_out:
        cold = [(arm, s) for arm, listed in problem.arms.items() if is_cold(arm) for s in listed]
        for arm, samples in problem.arms.items():
            if len(samples) <= FIRST_WAVE:
                continue
            for _ in range(ORDERS):
                order = chance.sample(samples, len(samples))
                wave = [(arm, sample) for sample in order[:FIRST_WAVE]]
                moment = Moment(problem=problem, samples=(*cold, *wave))
                belief = belief_at(fold.profile, moment)
                success = belief.next_success()
                yield from ((success, sample.is_right) for sample in order[FIRST_WAVE:])


def fitted_confidence(seen: Sequence[Outcome]) -> Confidence:
    """Platt's scaling (1999) of the belief's log-odds; as they are where all are right or all
    wrong."""
    if len({one.is_right for one in seen}) < 2:
        return Confidence()
    logits = [[_logit(one.probability)] for one in seen]
    fitted = logistic(logits, [one.is_right for one in seen])
    return Confidence(slope=float(fitted.coef_[0][0]), intercept=float(fitted.intercept_[0]))


def _told(seen: Sequence[Outcome]) -> list[Claim]:
    """Each with the confidence of a scaling that was fitted on the other folds."""
    scalings = {
        fold: fitted_confidence([one for one in seen if one.fold != fold])
        for fold in {one.fold for one in seen}
    }
    return [
        Claim(
            problem=one.problem,
            confidence=scalings[one.fold].of(one.probability),
            right=one.is_right,
        )
        for one in seen
    ]


def _quality(
    told: Sequence[Claim], foreseen: Sequence[tuple[float, bool]], *, problems: int
) -> Quality:
    chance = by_chance(told)
    return Quality(
        problems=problems,
        brier=brier(told),
        brier_of_constant=constant_brier(told),
        ece=calibration_error(told),
        ece_if_perfect=chance.mean,
        ece_if_perfect_at_most=chance.most,
        auroc=_auroc([(one.confidence, one.right) for one in told]),
        next_auroc=_auroc(foreseen),
        reliability=tuple(
            Bin(confidence=one.confidence, right=one.accuracy, count=one.claims)
            for one in bins(told)
        ),
    )


def _auroc(ranked: Sequence[tuple[float, bool]]) -> float | None:
    """The chance that a true case ranks above a false one; None where there are not both."""
    rights = [is_right for _, is_right in ranked]
    if len(set(rights)) < 2:
        return None
    score = imported("sklearn.metrics").roc_auc_score
    return float(score(rights, [value for value, _ in ranked]))


def _logit(probability: float) -> float:
    kept = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(kept / (1 - kept))


def _too_few(profile: Profile) -> Iterator[str]:
    if profile.problems < FEW_PROBLEMS:
        yield f"only {profile.problems} problems; {FEW_PROBLEMS} or more are wanted"
    for name, arm in profile.arms.items():
        if arm.samples < FEW_SAMPLES:
            yield f"only {arm.samples} samples of {name}; {FEW_SAMPLES} or more are wanted"
    if profile.evidence is None:
        yield "no log-probabilities: samples count by their votes alone"
