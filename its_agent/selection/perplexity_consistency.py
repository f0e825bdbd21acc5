"""RPC: perplexity consistency with reasoning pruning (arXiv 2510.15444)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from its_agent.errors import InvalidOption

LEAST_SAMPLES = 16
"""Samples below which nothing is pruned: a mixture of two laws cannot be told from fewer."""
LEAST_SHARE, MOST_SHARE = 0.2, 0.8
"""Bounds of a component's share, as in the paper's code."""
_ROUNDS = 50
_PRECISION = 1e-6
_TINY = 1e-12
_SHAPES = (0.05, 500.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weibull:
    """A Weibull law of positive numbers."""

    shape: float
    scale: float

    def log_density(self, x: float) -> float:
        """The logarithm of the density at x > 0."""
        ratio = math.log(x / self.scale)
        power = min(self.shape * ratio, 700.0)
        return math.log(self.shape / self.scale) + (self.shape - 1) * ratio - math.exp(power)

    @property
    def mean(self) -> float:
        """Its expectation."""
        return self.scale * math.gamma(1 + 1 / self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Two Weibull laws; `share` is that of the first."""

    share: float
    first: Weibull
    second: Weibull

    def belongs_to_first(self, x: float) -> float:
        """The posterior probability that x comes from the first law."""
        one = math.log(self.share) + self.first.log_density(x)
        other = math.log(1 - self.share) + self.second.log_density(x)
        most = max(one, other)
        return math.exp(one - most) / (math.exp(one - most) + math.exp(other - most))

    def log_likelihood(self, values: Sequence[float]) -> float:
        """The logarithm of the likelihood of all values together."""
        total = 0.0
        for x in values:
            one = math.log(self.share) + self.first.log_density(x)
            other = math.log(1 - self.share) + self.second.log_density(x)
            most = max(one, other)
            total += most + math.log(math.exp(one - most) + math.exp(other - most))
        return total


START = Mixture(
    share=0.5, first=Weibull(shape=1.0, scale=1.0), second=Weibull(shape=1.5, scale=2.0)
)
"""Where the paper's code begins to fit."""


def path_weights(texts: Sequence[str], mean_logprobs: Sequence[float | None]) -> list[float]:
    """Weights of votes: the length-normalised probability exp(mean log-probability) of a path,
    once for every different text, and none for a pruned one.

    A path without a log-probability weighs nothing, unless none has one: then all weigh 1.
    """
    if all(logprob is None for logprob in mean_logprobs):
        return [1.0] * len(texts)
    probabilities = [0.0 if p is None else math.exp(p) for p in mean_logprobs]
    seen: set[str] = set()
    for place, text in enumerate(texts):
        if text in seen:
            probabilities[place] = 0.0
        seen.add(text)
    kept = pruned([p for p in probabilities if p > 0])
    left = iter(kept)
    return [p if p > 0 and next(left) else 0.0 for p in probabilities]


def pruned(probabilities: Sequence[float]) -> list[bool]:
    """Whether each path is kept: not one that more likely belongs to the less probable of two
    Weibull laws, and is below the mean. Probabilities are above 0 and at most 1."""
    if len(probabilities) < LEAST_SAMPLES or len(set(probabilities)) < 2:
        return [True] * len(probabilities)
    mixture = fit(probabilities)
    low_is_first = mixture.first.mean < mixture.second.mean
    average = sum(probabilities) / len(probabilities)

    def is_low(p: float) -> bool:
        first = mixture.belongs_to_first(p)
        return (first > 0.5) == low_is_first and p < average

    return [not is_low(p) for p in probabilities]


def fit(values: Sequence[float], start: Mixture = START) -> Mixture:
    """Fit two Weibull laws by expectation maximisation. Raises InvalidOption for values that are
    not above 0."""
    if not values or min(values) <= 0:
        raise InvalidOption(f"probabilities {list(values)!r}; allowed: at least one, all above 0")
    mixture, before = start, -math.inf
    for _ in range(_ROUNDS):
        firsts = [mixture.belongs_to_first(x) for x in values]
        share = sum(firsts) / len(values)
        mixture = Mixture(
            share=min(MOST_SHARE, max(LEAST_SHARE, share)),
            first=fit_one(values, firsts) or mixture.first,
            second=fit_one(values, [1 - one for one in firsts]) or mixture.second,
        )
        now = mixture.log_likelihood(values)
        if abs(now - before) < _PRECISION * len(values):
            break
        before = now
    return mixture


def fit_one(values: Sequence[float], weights: Sequence[float]) -> Weibull | None:
    """The weighted maximum-likelihood Weibull law; None where almost nothing has weight.

    The shape solves Σw·x^k·ln x / Σw·x^k − 1/k = Σw·ln x / Σw, whose left side grows with k.
    """
    points = [(w, math.log(x)) for w, x in zip(weights, values, strict=True) if w > _TINY]
    if not points:
        return None
    total = math.fsum(w for w, _ in points)
    most = max(x for _, x in points)
    centre = math.fsum(w * x for w, x in points) / total

    def tilted(k: float) -> tuple[float, float]:
        powers = [(w * math.exp(k * (x - most)), x) for w, x in points]
        mass = math.fsum(p for p, _ in powers)
        return math.fsum(p * x for p, x in powers) / mass, mass

    low, high = _SHAPES
    while high - low > _PRECISION * low:
        middle = math.sqrt(low * high)
        if tilted(middle)[0] - 1 / middle < centre:
            low = middle
        else:
            high = middle
    shape = math.sqrt(low * high)
    scale = math.exp(most) * (tilted(shape)[1] / total) ** (1 / shape)
    return replace(START.first, shape=shape, scale=scale)
