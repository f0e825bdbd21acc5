"""OptScale: as many samples as make a score above a threshold likely (arXiv 2506.22376)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from its_agent.errors import InvalidOption
from its_agent.receipt import StopReason
from its_agent.selection.stop_rules import Progress, at_least

LEAST_SPREAD, MOST_SPREAD = 0.01, 1.0
"""Bounds of a fitted spread: few scores that are alike would give one of 0."""
_HALVINGS, _SECTIONS = 40, 30
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TruncatedNormal:
    """A normal law kept to [0, 1]; `mean` and `spread` are those before it was cut, the mean
    within."""

    mean: float
    spread: float

    @property
    def average(self) -> float:
        """Its expectation."""
        low, high = -self.mean / self.spread, (1 - self.mean) / self.spread
        return self.mean + self.spread * (_density(low) - _density(high)) / self._mass

    def above(self, score: float) -> float:
        """The probability of a higher score."""
        if score >= 1:
            return 0.0
        low = max(0.0, score)
        return _between((low - self.mean) / self.spread, (1 - self.mean) / self.spread) / self._mass

    def log_likelihood(self, scores: Sequence[float]) -> float:
        """The logarithm of the likelihood of all scores together."""
        squares = math.fsum(((score - self.mean) / self.spread) ** 2 for score in scores)
        constant = math.log(self.spread * math.sqrt(2 * math.pi) * self._mass)
        return -squares / 2 - len(scores) * constant

    @property
    def _mass(self) -> float:
        return _between(-self.mean / self.spread, (1 - self.mean) / self.spread)


def fit(scores: Sequence[float]) -> TruncatedNormal:
    """The law that makes the scores likeliest, its mean in [0, 1] and its spread in
    [LEAST_SPREAD, MOST_SPREAD]. Raises InvalidOption without scores, or for one outside [0, 1].

    The likelihood is log-concave in mean/spread² and 1/spread², within these bounds too: for
    each spread one mean is best, and the best of these rise and fall once.
    """
    if not scores or not all(0 <= score <= 1 for score in scores):
        raise InvalidOption(f"scores {list(scores)!r}; allowed: at least one, all from 0 to 1")
    average = math.fsum(scores) / len(scores)

    def law(log_spread: float) -> TruncatedNormal:
        return _centred(average, math.exp(log_spread))

    def likelihood(log_spread: float) -> float:
        return law(log_spread).log_likelihood(scores)

    return law(_highest(likelihood, math.log(LEAST_SPREAD), math.log(MOST_SPREAD)))


def samples_needed(law: TruncatedNormal, threshold: float, quantile: float) -> float:
    """N* = ⌈ln q / ln F(s_min)⌉, at least 1: samples whose best score is above the threshold with
    probability 1 − quantile. Infinite where the law has nothing there."""
    above = law.above(threshold)
    if above <= 0:
        return math.inf
    return 1 if above >= 1 else max(1, math.ceil(math.log(quantile) / math.log1p(-above) - 1e-9))


@dataclass(frozen=True, slots=True, kw_only=True)
class OptScale:
    """Until there are as many scores as it takes, by the scores so far, for the best to be above
    `threshold` with probability 1 − `quantile`; the first `peek` are looked at before anything is
    said. Scores outside [0, 1] follow no such law: it never stops on them."""

    threshold: float
    quantile: float
    peek: int = 3

    def __post_init__(self) -> None:
        if not (0 < self.threshold < 1 and 0 < self.quantile < 1):
            raise InvalidOption(
                f"threshold {self.threshold!r} and quantile {self.quantile!r}; allowed: between "
                "0 and 1"
            )
        at_least(2, peek=self.peek)

    @property
    def reason(self) -> StopReason:
        """A good enough score is likely among those taken."""
        return "confident"

    def __call__(self, progress: Progress) -> str | None:
        """Stop at N*."""
        known = len(progress.scores)
        if known < self._needed(progress):
            return None
        return f"{known} scores suffice for one of {self.threshold:g} by {1 - self.quantile:.0%}"

    def ahead(self, progress: Progress) -> int | None:
        """What is missing of the peek, or of N*."""
        missing = self._needed(progress) - len(progress.scores)
        return None if math.isinf(missing) else int(missing)

    def _needed(self, progress: Progress) -> float:
        if len(progress.scores) < self.peek:
            return self.peek
        if not all(0 <= score <= 1 for score in progress.scores):
            return math.inf
        return max(self.peek, samples_needed(fit(progress.scores), self.threshold, self.quantile))


def _centred(average: float, spread: float) -> TruncatedNormal:
    """The law of that spread with that expectation, or the nearest; the expectation grows with the
    mean."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if TruncatedNormal(mean=middle, spread=spread).average < average:
            low = middle
        else:
            high = middle
    return TruncatedNormal(mean=(low + high) / 2, spread=spread)


def _highest(value: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that rises and falls once is highest, by golden sections."""
    for _ in range(_SECTIONS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if value(left) < value(right):
            low = left
        else:
            high = right
    return (low + high) / 2


def _density(z: float) -> float:
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _between(low: float, high: float) -> float:
    """The standard normal probability between two points, the mean below or between them."""
    return (math.erfc(low / math.sqrt(2)) - math.erfc(high / math.sqrt(2))) / 2
