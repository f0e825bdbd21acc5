"""Making a profile of a pool, and saying how good it is on problems that it was not fitted on."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from its_agent.difficulty.claims import (
    Claim,
    bins,
    brier,
    by_chance,
    calibration_error,
    constant_brier,
)
from its_agent.difficulty.fit import (
    belief_at,
    fit,
    imported,
    is_cold,
    logistic,
    moments,
    whole_solves,
)
from its_agent.difficulty.foresight import Promise, foresight, promises
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
class Outcome:
    """An answer that would have been given, how sure one was of it, and whether it was right."""

    problem: str
    probability: float
    is_right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Problems that a profile was not fitted on, and that profile."""

    profile: Profile
    held_out: tuple[GradedProblem, ...]
    outcomes: tuple[Outcome, ...]
    promises: tuple[Promise, ...]

    def claims(self) -> Iterator[Claim]:
        """What would be told of the answers to the held-out problems."""
        for one in self.outcomes:
            told = self.profile.confidence.of(one.probability)
            yield Claim(problem=one.problem, confidence=told, right=one.is_right)


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
    parts = cross_fitted(problems, model=model, folds=folds, seed=seed)
    told = [claim for fold in parts for claim in fold.claims()]
    foreseen = [one for fold in parts for one in next_samples(fold, seed=seed)]
    return _borne_out(profile, parts).model_copy(
        update={
            "pools": tuple(pools),
            "quality": _quality(told, foreseen, problems=len(problems)),
            "notes": tuple(_too_few(profile)),
        }
    )


def cross_fitted(
    problems: Sequence[GradedProblem], *, model: str, folds: int = FOLDS, seed: int = 0
) -> list[Fold]:
    """For each part of the problems the profile of the others; its foresight and its confidence
    are those that the other parts bear out, each met with its own profile. Raises InvalidInput."""
    if not 2 <= folds <= len(problems):
        raise InvalidInput(f"{len(problems)} problems cannot be split into {folds} folds")
    order = sorted(problems, key=lambda problem: problem.id)
    random.Random(seed).shuffle(order)
    parts: list[Fold] = []
    for number in range(folds):
        held_out = order[number::folds]
        rest = [problem for place, problem in enumerate(order) if place % folds != number]
        profile = fit(rest, model=model, seed=seed)
        parts.append(
            Fold(
                profile=profile,
                held_out=tuple(held_out),
                outcomes=tuple(outcomes(profile, held_out, seed=seed)),
                promises=tuple(promises(profile, held_out, seed=seed)),
            )
        )
    return [
        replace(fold, profile=_borne_out(fold.profile, [one for one in parts if one is not fold]))
        for fold in parts
    ]


def _borne_out(profile: Profile, parts: Sequence[Fold]) -> Profile:
    """With the foresight and the confidence that these problems bear out."""
    return profile.model_copy(
        update={
            "foresight": foresight([one for fold in parts for one in fold.promises]),
            "confidence": fitted_confidence([one for fold in parts for one in fold.outcomes]),
        }
    )


def outcomes(
    profile: Profile, problems: Sequence[GradedProblem], *, seed: int = 0
) -> Iterator[Outcome]:
    """What would have been answered at many moments of the problems."""
    for moment in moments(problems, seed=seed):
        answer, probability = belief_at(profile, moment).best
        if answer is not None:
            is_right = answer == moment.problem.right_answer
            yield Outcome(problem=moment.problem.id, probability=probability, is_right=is_right)


def next_samples(fold: Fold, *, seed: int = 0) -> Iterator[tuple[float, bool]]:
    """For each solve of a held-out problem: the belief, after the greedy sample and a first wave,
    that another one is right, beside what each of the others is."""
    for whole in whole_solves(fold.held_out, seed=seed):
        size = FIRST_WAVE + sum(is_cold(arm) for arm, _ in whole.samples)
        success = belief_at(fold.profile, whole.first(size)).next_success()
        yield from ((success, sample.is_right) for _, sample in whole.samples[size:])


def fitted_confidence(seen: Sequence[Outcome]) -> Confidence:
    """Platt's scaling (1999) of the belief's log-odds; as they are where all are right or all
    wrong."""
    if len({one.is_right for one in seen}) < 2:
        return Confidence()
    logits = [[_logit(one.probability)] for one in seen]
    fitted = logistic(logits, [one.is_right for one in seen])
    return Confidence(slope=float(fitted.coef_[0][0]), intercept=float(fitted.intercept_[0]))


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
