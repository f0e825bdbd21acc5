"""What `its-agent bench run` is asked to make, checked before anything is started."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from its_agent.errors import InvalidOption
from its_agent.terminal.checks import check_strategies

if TYPE_CHECKING:
    from its_agent.bench.problems import BenchProblem
    from its_agent.bench.run import Job
    from its_agent.bench.runs import RunKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a benchmark is to run, and where its runs go."""

    problems: Path
    exclude: Sequence[Path]
    limit: int
    budgets: Sequence[int]
    strategies: Sequence[str]
    concurrency: int
    max_tokens: int
    temperature: float
    top_p: float
    model: str | None
    out: Path
    record: Path | None = None
    replay: Path | None = None
    orders: int = 1
    """How many orders of the pool's samples every strategy meets."""
    folds: int = 0
    """Parts of the pool, each met with a profile of the others; 0 for the shipped profile."""

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise InvalidOption(f"--concurrency must be 1 or more, got {self.concurrency}")
        if self.orders < 1:
            raise InvalidOption(f"--orders must be 1 or more, got {self.orders}")
        if self.orders > 1 and self.replay is None:
            raise InvalidOption("--orders are orders of a pool's samples: give --replay POOL too")
        if self.folds and self.replay is None:
            raise InvalidOption("--folds are parts of a pool: give --replay POOL too")
        self._check_strategies()

    def _check_strategies(self) -> None:
        from its_agent.bench.variant import agent_options, strategy_of

        check_strategies(map(strategy_of, self.strategies))
        for name in self.strategies:
            agent_options(name)

    @property
    def command(self) -> str:
        """The command line that makes these runs, files by their names."""
        live = {
            "--concurrency": self.concurrency,
            "--model": self.model,
            "--record": self.record and self.record.name,
        }
        options = {
            "--limit": self.limit,
            "--budgets": ",".join(map(str, self.budgets)),
            "--strategies": ",".join(self.strategies),
            "--max-tokens": self.max_tokens,
            "--temperature": self.temperature,
            "--top-p": self.top_p,
            **(self._replaying if self.replay else live),
            "--out": self.out.name,
        }
        given = [("--exclude", path.name) for path in self.exclude]
        given += [(name, str(value)) for name, value in options.items() if value is not None]
        words = [
            "its-agent",
            "bench",
            self.problems.name,
            *(word for pair in given for word in pair),
        ]
        return shlex.join(words)

    @property
    def _replaying(self) -> dict[str, str | int | None]:
        assert self.replay is not None
        folds = self.folds or None
        return {"--replay": self.replay.name, "--orders": self.orders, "--folds": folds}

    def jobs(
        self, problems: Sequence[BenchProblem], done: Collection[RunKey], *, order: int = 0
    ) -> list[list[Job]]:
        """The runs of one order that are not done yet, problem by problem."""
        from its_agent.bench.run import schedule

        return schedule(
            problems, strategies=self.strategies, budgets=self.budgets, order=order, done=done
        )
