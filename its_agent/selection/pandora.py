"""Pandora's box: sampling goes on while the best score is below the value at which another sample
is worth no more than its price (Weitzman, Econometrica 47, 1979; for samples of a model
arXiv 2510.01394 and, with the conjugate prior, 2510.15945)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from its_agent.errors import InvalidOption
from its_agent.receipt import StopReason
from its_agent.selection.stop_rules import Progress
from its_agent.selection.stopping import regularised_beta

_HALVINGS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictive:
    """The law of the next score: Student's t, or a normal law with endless `freedom`."""

    centre: float
    scale: float
    freedom: float = math.inf

    def __post_init__(self) -> None:
        if not (self.scale > 0 and self.freedom > 1):
            raise InvalidOption(
                f"scale {self.scale!r} and freedom {self.freedom!r}; allowed: above 0, and above 1"
            )

    def gain(self, best: float) -> float:
        """E[max(0, r − best)] of the next score r: what another sample is expected to add."""
        z = (best - self.centre) / self.scale
        if math.isinf(self.freedom):
            density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
            return max(0.0, self.scale * (density - z * math.erfc(z / math.sqrt(2)) / 2))
        n = self.freedom
        power = math.pow(1 + z * z / n, (1 - n) / 2)
        density = _density_at_0(n) * n / (n - 1) * power
        return max(0.0, self.scale * (density - z * _upper_tail(z, n)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """A normal-inverse-gamma prior of scores: the mean is normal around `mean` with the weight of
    `strength` scores, the variance inverse-gamma with `shape` and `spread`."""

    mean: float = 0.5
    strength: float = 1.0
    shape: float = 1.0
    spread: float = 0.05

    def __post_init__(self) -> None:
        if not (min(self.strength, self.spread) > 0 and self.shape > 0.5):
            raise InvalidOption("a prior wants strength and spread above 0, and shape above 0.5")

    def predictive(self, scores: Sequence[float]) -> Predictive:
        """The law of the next score after these."""
        n = len(scores)
        strength, shape = self.strength + n, self.shape + n / 2
        average = math.fsum(scores) / n if n else self.mean
        squares = math.fsum((score - average) ** 2 for score in scores)
        moved = self.strength * n * (average - self.mean) ** 2 / strength
        spread = self.spread + (squares + moved) / 2
        return Predictive(
            centre=(self.strength * self.mean + n * average) / strength,
            scale=math.sqrt(spread * (strength + 1) / (shape * strength)),
            freedom=2 * shape,
        )


UNIT_PRIOR = Prior()
"""For scores from 0 to 1: one score of a half, with a standard deviation of about 0.3."""


def reservation_value(law: Predictive, price: float) -> float:
    """The best score τ at which E[max(0, r − τ)] is the price, in units of score above 0."""
    if not price > 0:
        raise InvalidOption(f"price {price!r}; allowed: above 0")
    low, high = law.centre - price, law.centre + law.scale
    while law.gain(high) > price:
        high += 2 * (high - law.centre)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if law.gain(middle) > price else (low, middle)
    return high


@dataclass(frozen=True, slots=True, kw_only=True)
class Pandora:
    """Until the best score reaches the reservation value. `price` is what a compute unit costs in
    units of score; with few scores, and for lone ones, the `prior` says how others may turn out."""

    price: float
    prior: Prior = UNIT_PRIOR

    def __post_init__(self) -> None:
        if not (self.price > 0 and math.isfinite(self.price)):
            raise InvalidOption(f"price {self.price!r}; allowed: a finite number above 0")

    @property
    def reason(self) -> StopReason:
        """Another sample is worth less than its price."""
        return "no_gain"

    def __call__(self, progress: Progress) -> str | None:
        """Stop where the best score reaches the reservation value."""
        price = self.price * progress.sample_price
        if not (progress.scores and price > 0):
            return None
        best = max(progress.scores)
        value = reservation_value(self.prior.predictive(progress.scores), price)
        return f"the best score {best:.2f} reaches {value:.2f}" if best >= value else None

    def ahead(self, progress: Progress) -> int | None:
        """As many as a wave has; the rule itself looks one sample ahead."""
        return None


def _density_at_0(freedom: float) -> float:
    """Student's t density at its centre."""
    log_gammas = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    return math.exp(log_gammas) / math.sqrt(freedom * math.pi)


def _upper_tail(z: float, freedom: float) -> float:
    """P(t > z)."""
    x = freedom / (freedom + z * z)
    if not 0 < x < 1:
        beyond = 0.0 if x == 0 else 0.5
    else:
        beyond = regularised_beta(x, freedom / 2, 0.5) / 2
    return beyond if z >= 0 else 1 - beyond
