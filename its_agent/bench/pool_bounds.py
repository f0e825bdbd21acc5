"""What rules could reach on a pool's samples at most, and what stopping at random reaches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import fsum

from its_agent.backends.shelves import in_order
from its_agent.bench.bound import pass_at
from its_agent.bench.curve import Point
from its_agent.bench.per_problem import Outcomes, Setting, average

PASS_AT = "pass@"
"""The name under which pass@k stands beside strategies, with k for its budget."""
_HALVINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One recorded sample, graded."""

    answer: str | Fraction | None
    """In the form in which equal answers are equal values; None does not vote."""
    right: bool
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolProblem:
    """The samples of one problem in the order in which they are drawn."""

    id: str
    prompt_tokens: int
    samples: tuple[Drawn, ...]
    key: str = ""
    """Of the request that they answer; decides on their orders."""

    def pass_at(self, k: int) -> float:
        """The chance that k of the samples hold a right one."""
        return pass_at(k, samples=len(self.samples), right=sum(s.right for s in self.samples))

    def cost(self, drawn: int) -> int:
        """Compute units of the prompt and the first samples."""
        return self.prompt_tokens + sum(sample.tokens for sample in self.samples[:drawn])

    def voted(self, drawn: int) -> bool:
        """Whether the plurality of the first samples is right; of equals the earliest leads."""
        leader = _leader(self.samples[:drawn])
        return leader is not None and any(
            sample.right for sample in self.samples[:drawn] if sample.answer == leader
        )

    @property
    def foreseen(self) -> int:
        """Samples until the leader is for the first time the one it is at the end, at least 1."""
        final = _leader(self.samples)
        prefixes = range(1, len(self.samples) + 1)
        return next(n for n in prefixes if _leader(self.samples[:n]) == final)

    def in_order(self, order: int) -> PoolProblem:
        """The same samples as a PoolBackend serves them under the seed `order`."""
        return replace(self, samples=tuple(in_order(self.samples, self.key, order)))


def clairvoyant(problems: Sequence[PoolProblem]) -> Point:
    """Stopping each vote at the first moment when its leader is the final one: no rule that stops
    votes and keeps all their results costs less."""
    return Point(
        compute=average(one.cost(one.foreseen) for one in problems),
        accuracy=average(one.voted(one.foreseen) for one in problems),
    )


def votes(problems: Sequence[PoolProblem]) -> list[Point]:
    """Where the plurality stands after 1, 2, … samples of every problem."""
    most = min(len(one.samples) for one in problems)
    return [
        Point(
            compute=average(one.cost(drawn) for one in problems),
            accuracy=average(one.voted(drawn) for one in problems),
        )
        for drawn in range(1, most + 1)
    ]


def random_stop(steps: Sequence[Point], compute: float) -> Point | None:
    """Votes that stop with the same chance after every sample, the chance such that they cost
    `compute` a problem on average; `steps` has where they stand after each.

    Costs and accuracies are expectations, not simulated. None where a single sample costs more, or
    all of them cost less.
    """
    if not steps[0].compute <= compute <= steps[-1].compute:
        return None
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        dearer = _stopped(steps, middle).compute > compute
        low, high = (middle, high) if dearer else (low, middle)
    return _stopped(steps, high)


def _stopped(steps: Sequence[Point], chance: float) -> Point:
    """The expectation over the sample count, which is geometric and cut off at the last step."""
    last = len(steps) - 1
    shares = [(1 - chance) ** n * (chance if n < last else 1) for n in range(len(steps))]
    pairs = list(zip(shares, steps, strict=True))
    return Point(
        compute=fsum(share * step.compute for share, step in pairs),
        accuracy=fsum(share * step.accuracy for share, step in pairs),
    )


def coverage(problems: Sequence[PoolProblem], sizes: Sequence[int]) -> Mapping[Setting, Outcomes]:
    """pass@k and the cost of k average samples on every problem, in the order of the problems."""
    return {
        (PASS_AT, k): Outcomes(
            accuracy=tuple(one.pass_at(k) for one in problems),
            compute=tuple(_mean_cost(one, k) for one in problems),
        )
        for k in sizes
    }


def _mean_cost(problem: PoolProblem, k: int) -> float:
    return problem.prompt_tokens + k * average(sample.tokens for sample in problem.samples)


def _leader(samples: Sequence[Drawn]) -> str | Fraction | None:
    votes = Counter(sample.answer for sample in samples if sample.answer is not None)
    return votes.most_common(1)[0][0] if votes else None
