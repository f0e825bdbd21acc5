"""Which answer is right, if any of those seen: a belief that every sample updates.

Either one of the answers seen so far is right, or none is. If y is right, a sample gives it with a
chance p ~ Beta(κm, κ(1 − m)), m the expected success of a sample on this problem; wrong samples
spread over other answers by a Chinese restaurant process of concentration θ (Pitman, Combinatorial
Stochastic Processes, section 3.1), so that a wrong answer that was given comes back more often than
a new one. Then with n samples, M of them with an answer and v of those for y,

    log P(y) / P(none) = Σ [ln B(κm + v, κ(1 − m) + n − v) − ln B(κm, κ(1 − m) + n)]
                         + ln Γ(θ + M) − ln Γ(θ + M − v) − ln θ − ln Γ(v)
                         + c Σ evidence of y's / (1 + ρ(v − 1)),

where the evidence of a sample is the log-likelihood ratio of its own features, discounted by c, as
samples of one problem are alike, and by ρ, as those with one answer are even more. The sums over
samples are over the models that were asked, each with its own κ, m, n, v, c and ρ; their wrong
answers are drawn from the same restaurant, since models err alike.

That models err alike also means that the samples of one tell less beside those of another that is
better: on problems that are hard for both the weaker one's votes agree on what is wrong. So what
its samples say (the Beta term and the evidence), and their part of M and v in the restaurant, is
multiplied by (m / m of the best that was asked)²: what votes tell is that samples agree, and two
are both right m² of the time. (A choice, made on recorded samples of two models. Nothing is taken
from models that are as good.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import lgamma

USUAL_MODEL = ""
"""The name of the model that is asked where none is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One sample that ended."""

    answer: int | None
    """Equal answers have equal numbers; None is a sample without one."""
    evidence: float = 0.0
    """Log-likelihood ratio, right against wrong, of what else is known of it."""
    weight: float = 1.0
    """Votes that it counts as."""
    model: str = USUAL_MODEL
    """Whose sample it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How the samples of a model behave."""

    strength: float = 3.0
    """κ: samples that the expected success is worth."""
    spread: float = 6.0
    """θ: how readily wrong samples find answers that nobody gave before."""
    trust: float = 0.0
    """c: what part of the evidence counts."""
    likeness: float = 0.0
    """ρ: how much of what a sample says others with its answer have said."""
    silence: float = 0.05
    """Share of wrong samples without an answer."""
    right_evidence: tuple[float, float] = (0.0, 0.0)
    """Mean and standard deviation of the evidence of right samples."""
    wrong_evidence: tuple[float, float] = (0.0, 0.0)
    foresight: float = 1.0
    """What part of the gains that are expected of further samples comes true."""

    def discounted(self, evidence: float, votes: float) -> float:
        """What is left of the sum of the evidence of samples with the same answer."""
        return self.trust * evidence / (1 + self.likeness * max(0.0, votes - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What is expected of one model's samples on this problem, and how they went so far."""

    success: float
    """m: expected chance that a sample is right, before any."""
    habits: Habits
    samples: float = 0.0
    """n, by weight."""
    votes: Mapping[int, float] = field(default_factory=dict[int, float])
    """v of each answer."""
    evidence: Mapping[int, float] = field(default_factory=dict[int, float])
    """Sum of that of each answer's samples."""

    def after(self, seen: Iterable[Observation]) -> Tally:
        """The tally with these samples, too."""
        samples, votes, evidence = self.samples, dict(self.votes), dict(self.evidence)
        for one in seen:
            samples += one.weight
            if one.answer is not None:
                votes[one.answer] = votes.get(one.answer, 0.0) + one.weight
                evidence[one.answer] = evidence.get(one.answer, 0.0) + one.evidence
        return replace(self, samples=samples, votes=votes, evidence=evidence)

    def told(self, answer: int) -> float:
        """What its samples' own features say of an answer, discounted."""
        return self.habits.discounted(self.evidence.get(answer, 0.0), self.votes.get(answer, 0.0))

    @property
    def hits(self) -> float:
        """κm: right samples that the expectation is worth."""
        return self.habits.strength * self.success

    @property
    def misses(self) -> float:
        """κ(1 − m)."""
        return self.habits.strength * (1 - self.success)

    def log_ratio(self, answer: int) -> float:
        """How much likelier its samples are if this answer is the right one than if none is."""
        votes = self.votes.get(answer, 0.0)
        none = log_beta(self.hits, self.misses + self.samples)
        return log_beta(self.hits + votes, self.misses + self.samples - votes) - none


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBelief:
    """The belief after some samples."""

    tallies: Mapping[str, Tally]
    """By model, as they were counted."""
    verified: Mapping[int, float] = field(default_factory=dict[int, float])
    """What verifiers say of answers, as log-likelihood ratios."""

    @classmethod
    def of(cls, success: float, habits: Habits) -> AnswerBelief:
        """What is believed of a lone model before its first sample."""
        return cls(tallies={USUAL_MODEL: Tally(success=success, habits=habits)})

    def after(self, seen: Iterable[Observation]) -> AnswerBelief:
        """The belief after these samples, too."""
        by_model: dict[str, list[Observation]] = {}
        for one in seen:
            by_model.setdefault(one.model, []).append(one)
        more = {model: self.tallies[model].after(ones) for model, ones in by_model.items()}
        return replace(self, tallies={**self.tallies, **more})

    def told(self, log_odds: Mapping[int, float]) -> AnswerBelief:
        """The belief with what verifiers say of answers, which is not discounted."""
        verified = {
            answer: self.verified.get(answer, 0.0) + log_odds.get(answer, 0.0)
            for answer in {*self.verified, *log_odds}
        }
        return replace(self, verified=verified)

    @property
    def first(self) -> str:
        """The name of the first model."""
        return next(iter(self.tallies))

    def joint(self, *, asking: str | None = None) -> Joint:
        """What the models' samples say together, where this one is asked, too."""
        best = max(
            (
                tally.success
                for name, tally in self.tallies.items()
                if tally.samples or name == asking
            ),
            default=0.0,
        )
        shares = {
            name: min(1.0, tally.success / best) ** 2 if best else 1.0
            for name, tally in self.tallies.items()
        }
        return Joint(tallies=self.tallies, shares=shares, verified=self.verified)

    @property
    def posterior(self) -> dict[int, float]:
        """The probability that each answer is right; what is missing to 1 is that of none."""
        return self.joint().posterior

    @property
    def best(self) -> tuple[int | None, float]:
        """The likeliest answer and its probability; None and 0 before the first answer."""
        return likeliest(self.posterior)

    def next_success(self, model: str | None = None) -> float:
        """The chance that another sample of a model, by default the first, is right."""
        tally = self.tallies[self.first if model is None else model]
        posterior = self.posterior
        rights = sum(posterior[answer] * count for answer, count in tally.votes.items())
        return (tally.hits + rights) / (tally.habits.strength + tally.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """What several models' samples say together."""

    tallies: Mapping[str, Tally]
    """By model; the spread of wrong answers is that of the first."""
    shares: Mapping[str, float]
    """What part of it counts of what a model's samples say."""
    verified: Mapping[int, float]

    @property
    def first(self) -> str:
        """The name of the first model."""
        return next(iter(self.tallies))

    @property
    def spread(self) -> float:
        """θ."""
        return self.tallies[self.first].habits.spread

    @property
    def votes(self) -> dict[int, float]:
        """Votes of all models for each answer seen, each by its model's share."""
        votes: dict[int, float] = {}
        for name, tally in self.tallies.items():
            for answer, count in tally.votes.items():
                votes[answer] = votes.get(answer, 0.0) + self.shares[name] * count
        return votes

    def evidence_beside(self, model: str) -> dict[int, float]:
        """What is known of each answer beside a model's own samples: by verifiers, and by all other
        models' votes and evidence."""
        others = [(self.shares[name], one) for name, one in self.tallies.items() if name != model]
        return {
            answer: self.verified.get(answer, 0.0)
            + sum(share * (one.log_ratio(answer) + one.told(answer)) for share, one in others)
            for answer in self.votes
        }

    @property
    def posterior(self) -> dict[int, float]:
        """The probability that each answer is right; what is missing to 1 is that of none."""
        tally, share = self.tallies[self.first], self.shares[self.first]
        evidence = {
            answer: known + share * tally.told(answer)
            for answer, known in self.evidence_beside(self.first).items()
        }
        return posterior(
            tally, tally.samples, tally.votes, self.votes, self.spread, evidence, share=share
        )


def likeliest(posterior: Mapping[int, float]) -> tuple[int | None, float]:
    """The likeliest answer and its probability; None and 0 of no answers."""
    if not posterior:
        return None, 0.0
    answer = max(posterior, key=lambda one: posterior[one])
    return answer, posterior[answer]


def posterior(
    tally: Tally,
    samples: float,
    votes: Mapping[int, float],
    all_votes: Mapping[int, float],
    spread: float,
    evidence: Mapping[int, float],
    *,
    share: float = 1.0,
) -> dict[int, float]:
    """The formula, for one model's `samples` and `votes`, of which so much counts, among those of
    all; what the others' say stands in the evidence. Of the tally its expectation alone counts."""
    a, b = tally.hits, tally.misses + samples
    answered = sum(all_votes.values())
    constant = lgamma(spread + answered) - math.log(spread) - share * log_beta(a, b)
    odds = {
        answer: constant
        + share * log_beta(a + votes.get(answer, 0.0), b - votes.get(answer, 0.0))
        - lgamma(spread + answered - count)
        - lgamma(count)
        + evidence[answer]
        for answer, count in all_votes.items()
    }
    most = max(0.0, *odds.values()) if odds else 0.0
    powers = {answer: math.exp(value - most) for answer, value in odds.items()}
    total = math.exp(-most) + sum(powers.values())
    return {answer: power / total for answer, power in powers.items()}


def log_beta(a: float, b: float) -> float:
    """ln B(a, b)."""
    return lgamma(a) + lgamma(b) - lgamma(a + b)
