"""What `its-agent bench run` is asked to make, checked before anything is started."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from its_agent.errors import InvalidOption
from its_agent.terminal.checks import check_strategies

if TYPE_CHECKING:
    from its_agent.bench.problems import BenchProblem
    from its_agent.bench.run import Job
    from its_agent.bench.runs import RunKey
    from its_agent.difficulty.profile import Profile


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
    replay: tuple[Path, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    """Several of the pool's models, by the names that strategies have for them."""
    orders: int = 1
    """How many orders of the pool's samples every strategy meets."""
    folds: int = 0
    """Parts of the pool, each met with a profile of the others; 0 for the shipped profile."""
    profiles: tuple[Path, ...] = ()
    """What is known of the models, in place of the profiles that ship for them."""

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise InvalidOption(f"--concurrency must be 1 or more, got {self.concurrency}")
        if self.orders < 1:
            raise InvalidOption(f"--orders must be 1 or more, got {self.orders}")
        if self.orders > 1 and not self.replay:
            raise InvalidOption("--orders are orders of a pool's samples: give --replay POOL too")
        if self.folds and not self.replay:
            raise InvalidOption("--folds are parts of a pool: give --replay POOL too")
        if self.folds and self.profiles:
            raise InvalidOption("--folds fit profiles, and --profile is one: leave one of them out")
        if len(self.profiles) > 1 and not self.models:
            raise InvalidOption("--profile is given for each of --models: one model has one")
        if self.models and not self.replay:
            raise InvalidOption("--models are those of a pool: give --replay POOL too")
        self._check_strategies()

    def _check_strategies(self) -> None:
        from its_agent.bench.variant import agent_options, models_of, strategy_of

        check_strategies(map(strategy_of, self.strategies))
        for name in self.strategies:
            agent_options(name)
            unknown = [one for one in models_of(name) if one not in self.models]
            if unknown:
                raise InvalidOption(
                    f"{name!r} names the model {unknown[0]!r}; give --models {unknown[0]}=NAME,… "
                    "and --replay a pool of them"
                )

    def read_profiles(self) -> list[Profile]:
        """The profiles that are given. Raises InvalidOption for a file that is none."""
        from its_agent.difficulty.profile import load_profile

        return [load_profile(path) for path in self.profiles]

    @property
    def command(self) -> str:
        """The command line that makes these runs, files by their names."""
        live: dict[str, str | int | None] = {
            "--concurrency": self.concurrency,
            "--model": self.model,
            "--record": None if self.record is None else self.record.name,
        }
        options: dict[str, str | int | float | None] = {
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
        given += [("--replay", path.name) for path in self.replay]
        given += [("--profile", path.name) for path in self.profiles]
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
        models = ",".join(f"{name}={model}" for name, model in self.models.items())
        return {
            "--models": models or None,
            "--orders": self.orders,
            "--folds": self.folds or None,
        }

    def jobs(
        self, problems: Sequence[BenchProblem], done: Collection[RunKey], *, order: int = 0
    ) -> list[list[Job]]:
        """The runs of one order that are not done yet, problem by problem."""
        from its_agent.bench.run import schedule

        return schedule(
            problems, strategies=self.strategies, budgets=self.budgets, order=order, done=done
        )
