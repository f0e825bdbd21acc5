"""Which answer is right, if any of those seen: a belief that every sample updates.

Either one of the answers seen so far is right, or none is. If y is right, a sample gives it with a
chance p ~ Beta(κm, κ(1 − m)), m the expected success of a sample on this problem; wrong samples
spread over other answers by a Chinese restaurant process of concentration θ (Pitman, Combinatorial
Stochastic Processes, section 3.1), so that a wrong answer that was given comes back more often than
a new one. Then with n samples, M of them with an answer and v of those for y,

    log P(y) / P(none) = ln B(κm + v, κ(1 − m) + n − v) − ln B(κm, κ(1 − m) + n)
                         + ln Γ(θ + M) − ln Γ(θ + M − v) − ln θ − ln Γ(v) + c Σ evidence of y's,

where the evidence of a sample is the log-likelihood ratio of its own features, discounted by c, as
samples of one problem are alike.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import lgamma

LOOK_AHEAD = (1, 2, 4, 8)
"""Numbers of further samples whose worth is looked at; that of a single one is often 0, as it
cannot change the answer."""
PATHS = 16
"""Futures that are drawn for each arm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One sample that ended."""

    answer: int | None
    """Equal answers have equal numbers; None is a sample without one."""
    evidence: float = 0.0
    """Log-likelihood ratio, right against wrong, of what else is known of it."""
    weight: float = 1.0
    """Votes that it counts as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How the samples of a model behave."""

    strength: float = 3.0
    """κ: samples that the expected success is worth."""
    spread: float = 6.0
    """θ: how readily wrong samples find answers that nobody gave before."""
    trust: float = 0.0
    """c: what part of the evidence counts."""
    silence: float = 0.05
    """Share of wrong samples without an answer."""
    right_evidence: tuple[float, float] = (0.0, 0.0)
    """Mean and standard deviation of the evidence of right samples."""
    wrong_evidence: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What buying more of one arm is expected to bring."""

    samples: int
    gain: float
    """Expected rise of the chance that the chosen answer is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBelief:
    """The belief after some samples."""

    success: float
    """m: expected chance that a sample is right, before any."""
    habits: Habits
    samples: float = 0.0
    """n, by weight."""
    votes: Mapping[int, float] = field(default_factory=dict[int, float])
    evidence: Mapping[int, float] = field(default_factory=dict[int, float])
    """Already discounted by c."""

    def after(self, seen: Iterable[Observation]) -> AnswerBelief:
        """The belief after these samples, too."""
        samples, votes, evidence = self.samples, dict(self.votes), dict(self.evidence)
        for one in seen:
            samples += one.weight
            if one.answer is not None:
                votes[one.answer] = votes.get(one.answer, 0.0) + one.weight
                told = self.habits.trust * one.evidence
                evidence[one.answer] = evidence.get(one.answer, 0.0) + told
        return replace(self, samples=samples, votes=votes, evidence=evidence)

    def told(self, log_odds: Mapping[int, float]) -> AnswerBelief:
        """The belief with what verifiers say of answers, which is not discounted."""
        evidence = {
            answer: known + log_odds.get(answer, 0.0) for answer, known in self.evidence.items()
        }
        return replace(self, evidence=evidence)

    @property
    def posterior(self) -> dict[int, float]:
        """The probability that each answer is right; what is missing to 1 is that of none."""
        return _posterior(self.success, self.habits, self.samples, self.votes, self.evidence)

    @property
    def best(self) -> tuple[int | None, float]:
        """The likeliest answer and its probability; None and 0 before the first answer."""
        posterior = self.posterior
        if not posterior:
            return None, 0.0
        answer = max(posterior, key=lambda one: posterior[one])
        return answer, posterior[answer]

    @property
    def next_success(self) -> float:
        """The chance that another sample is right."""
        before = self.habits.strength * self.success
        posterior = self.posterior
        rights = before + sum(posterior[answer] * count for answer, count in self.votes.items())
        return rights / (self.habits.strength + self.samples)

    def prospects(
        self, *, weight: float = 1.0, at_most: int = LOOK_AHEAD[-1], seed: int = 0
    ) -> list[Prospect]:
        """What 1, 2, 4 or 8 more samples, each of so many votes, would bring, by drawing futures
        from the belief itself; the same seed draws the same ones.

        The gain is by how much the answer that leads then is likelier than the one that leads now,
        both by what is known then: the latter's mean is what it is now, so nothing is lost, and
        futures in which the leader stays add no noise.
        """
        ahead = [k for k in LOOK_AHEAD if k <= at_most]
        leader, chance = self.best[0], random.Random(seed)
        totals = dict.fromkeys(ahead, 0.0)
        for right in self._hypotheses(chance) if ahead else ():
            for k, posterior in _future(self, right, weight, ahead, chance):
                kept = 0.0 if leader is None else posterior[leader]
                totals[k] += max(posterior.values(), default=0.0) - kept
        return [Prospect(samples=k, gain=total / PATHS) for k, total in totals.items()]

    def _hypotheses(self, chance: random.Random) -> list[int | None]:
        """PATHS draws of which answer is right, None for one that nobody gave yet: stratified, so
        that each comes as often as it should."""
        posterior = self.posterior
        answers: list[int | None] = [*posterior, None]
        shares = [*posterior.values(), max(0.0, 1 - sum(posterior.values()))]
        drawn: list[int | None] = []
        for place in range(PATHS):
            drawn.append(_at((place + chance.random()) / PATHS, answers, shares))
        return drawn


def _at(position: float, answers: Sequence[int | None], shares: Sequence[float]) -> int | None:
    passed = 0.0
    for answer, share in zip(answers, shares, strict=True):
        passed += share
        if position <= passed:
            return answer
    return answers[-1]


def _posterior(
    success: float,
    habits: Habits,
    samples: float,
    votes: Mapping[int, float],
    evidence: Mapping[int, float],
) -> dict[int, float]:
    a, b = habits.strength * success, habits.strength * (1 - success)
    answered, spread = sum(votes.values()), habits.spread
    constant = lgamma(spread + answered) - math.log(spread) - _log_beta(a, b + samples)
    odds = {
        answer: constant
        + _log_beta(a + count, b + samples - count)
        - lgamma(spread + answered - count)
        - lgamma(count)
        + evidence[answer]
        for answer, count in votes.items()
    }
    most = max(0.0, *odds.values()) if odds else 0.0
    powers = {answer: math.exp(value - most) for answer, value in odds.items()}
    total = math.exp(-most) + sum(powers.values())
    return {answer: power / total for answer, power in powers.items()}


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _future(
    belief: AnswerBelief,
    right: int | None,
    weight: float,
    ahead: Sequence[int],
    chance: random.Random,
) -> Iterable[tuple[int, dict[int, float]]]:
    """Draw further samples where `right` is right, and say what is believed after each of the
    numbers `ahead`."""
    habits, samples = belief.habits, belief.samples
    votes, evidence = dict(belief.votes), dict(belief.evidence)
    unseen = min(votes, default=0) - 1
    is_right = unseen if right is None else right
    a = habits.strength * belief.success
    for number in range(1, ahead[-1] + 1):
        given = votes.get(is_right, 0.0)
        answer: int | None
        if chance.random() < (a + given) / (habits.strength + samples):
            answer, told = is_right, chance.gauss(*habits.right_evidence)
        else:
            answer, told = _wrong(votes, is_right, unseen - number, habits, chance)
        samples += weight
        if answer is not None:
            votes[answer] = votes.get(answer, 0.0) + weight
            evidence[answer] = evidence.get(answer, 0.0) + habits.trust * told
        if number in ahead:
            yield number, _posterior(belief.success, habits, samples, votes, evidence)


def _wrong(
    votes: Mapping[int, float], right: int, new: int, habits: Habits, chance: random.Random
) -> tuple[int | None, float]:
    """A wrong sample: without an answer, with one that was given before, or with a new one."""
    if chance.random() < habits.silence:
        return None, 0.0
    told = chance.gauss(*habits.wrong_evidence)
    wrong = sum(votes.values()) - votes.get(right, 0.0)
    place = chance.random() * (habits.spread + wrong)
    for answer, count in votes.items():
        if answer == right:
            continue
        place -= count
        if place < 0:
            return answer, told
    return new, told
