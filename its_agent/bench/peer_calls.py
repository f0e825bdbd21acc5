"""How many calls a peer is given for a compute budget."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from its_agent.bench.run import Job
from its_agent.bench.runs import Run
from its_agent.errors import InvalidInput, InvalidOption


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotment:
    """Numbers of calls by budget.

    A budget of `budgets` buys the largest number of calls whose mean cost is within it: by
    `costs`, means measured on other problems by strategy and number of calls, else by
    `sample_tokens` a call. A number of `curve` is given as it is, under the budget of so many
    times `sample_tokens`.
    """

    sample_tokens: int
    budgets: Sequence[int] = ()
    curve: Sequence[int] = ()
    costs: Mapping[str, Mapping[int, float]] = field(default_factory=dict[str, Mapping[int, float]])

    def __post_init__(self) -> None:
        if self.sample_tokens < 1:
            raise InvalidOption(f"--sample-tokens must be 1 or more, got {self.sample_tokens}")
        if not self.all_budgets:
            raise InvalidOption("give --budgets, --calls, or both")

    @property
    def all_budgets(self) -> list[int]:
        """The budgets of all runs, each once."""
        nominal = [calls * self.sample_tokens for calls in self.curve]
        return sorted({*self.budgets, *nominal})

    def calls(self, job: Job) -> int:
        """How many calls a run is given."""
        costs = self.costs.get(job.strategy)
        if costs and job.budget in self.budgets:
            return affordable_calls(job.budget, costs)
        return max(1, job.budget // self.sample_tokens)


def affordable_calls(budget: int, costs: Mapping[int, float]) -> int:
    """The largest number of calls whose mean cost, in compute units, is within the budget.

    `costs` are measured means by number of calls; between two of them the cost grows evenly, below
    the first it is proportional. At least 1, and at most the largest number that was measured.
    """
    points = [(0, 0.0), *sorted(costs.items())]
    best = 1
    for (few, less), (many, more) in zip(points, points[1:], strict=False):
        for calls in range(few + 1, many + 1):
            if less + (more - less) * (calls - few) / (many - few) <= budget:
                best = max(best, calls)
    return best


def on_other_problems(runs: Sequence[Run], ids: Collection[str]) -> list[Run]:
    """The runs on none of these problems. Raises InvalidInput when none is left."""
    others = [run for run in runs if run.id not in ids]
    if not others:
        raise InvalidInput(
            "the runs of --costs are all on the problems that are to be run; "
            "give runs on other problems, so that no peer's calls are chosen on its own test"
        )
    return others


def measured_costs(runs: Sequence[Run]) -> dict[str, dict[int, float]]:
    """Mean compute by strategy and number of calls, from peers' runs."""
    grouped: dict[str, dict[int, list[int]]] = {}
    for run in runs:
        for step in run.steps:
            if "calls" in step and run.error is None:
                by_calls = grouped.setdefault(run.strategy, {})
                by_calls.setdefault(int(step["calls"]), []).append(run.spent.compute)
    return {
        strategy: {calls: fmean(all_of) for calls, all_of in by_calls.items()}
        for strategy, by_calls in grouped.items()
    }


def measured_sample_tokens(runs: Sequence[Run]) -> int:
    """Mean generated tokens of a sample, rounded. Raises InvalidInput where no run has any."""
    tokens = [sample.tokens for run in runs for sample in run.candidates]
    if not tokens:
        raise InvalidInput("the runs of --costs hold no samples; give --sample-tokens")
    return round(fmean(tokens))
