"""Beliefs about the mean of rewards, which Thompson sampling draws from."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from random import Random
from typing import Protocol

from its_agent.errors import InvalidOption
from its_agent.search.evidence import Evidence


class Prior(Protocol):
    """A conjugate belief about the mean of rewards from 0 to 1."""

    def given(self, seen: Evidence, /) -> Prior:
        """The belief after those rewards."""
        ...

    def draw(self, random: Random, /) -> float:
        """One mean that the belief holds possible."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaussian:
    """Rewards of unknown mean and variance, a normal-inverse-chi-squared belief.

    The mean is `mean` on the weight of `kappa` rewards, the variance `tau2` on that of `nu`; the
    defaults are those of AB-MCTS (2503.04412). The mean by itself is Student-t with `nu` degrees of
    freedom and scale sqrt(`tau2` / `kappa`).
    """

    mean: float = 0.0
    kappa: float = 1.0
    nu: float = 1.0
    tau2: float = 0.1

    def __post_init__(self) -> None:
        _above_zero(kappa=self.kappa, nu=self.nu, tau2=self.tau2)
        if not math.isfinite(self.mean):
            raise InvalidOption(f"mean={self.mean} is not allowed; give a finite number")

    def given(self, seen: Evidence, /) -> Gaussian:
        """The belief after those rewards."""
        kappa, nu = self.kappa + seen.count, self.nu + seen.count
        off = self.kappa * seen.count / kappa * (seen.mean - self.mean) ** 2
        return Gaussian(
            mean=(self.kappa * self.mean + seen.total) / kappa,
            kappa=kappa,
            nu=nu,
            tau2=(self.nu * self.tau2 + seen.spread + off) / nu,
        )

    def draw(self, random: Random, /) -> float:
        """One mean: the variance first, then the mean given the variance."""
        chi2 = max(random.gammavariate(self.nu / 2, 2.0), sys.float_info.min)
        variance = self.nu * self.tau2 / chi2
        return random.gauss(self.mean, math.sqrt(variance / self.kappa))


@dataclass(frozen=True, slots=True, kw_only=True)
class Beta:
    """Rewards as shares of success, a Beta belief; the default is Jeffreys' prior."""

    successes: float = 0.5
    failures: float = 0.5

    def __post_init__(self) -> None:
        _above_zero(successes=self.successes, failures=self.failures)

    def given(self, seen: Evidence, /) -> Beta:
        """The belief after those rewards, each of which is that share of a success."""
        return Beta(
            successes=self.successes + seen.total,
            failures=self.failures + seen.count - seen.total,
        )

    def draw(self, random: Random, /) -> float:
        """One rate of success."""
        return random.betavariate(self.successes, self.failures)


def _above_zero(**options: float) -> None:
    for name, value in options.items():
        if not 0 < value < math.inf:
            raise InvalidOption(f"{name}={value} is not allowed; give a number above 0")
