"""What solves for a graph that an agent is embedded in by `Agent.graph`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from its_agent.budget import DEFAULT_COMPUTE, Budget
from its_agent.events import Event, Sink
from its_agent.graphs.hosted import Ended
from its_agent.graphs.state import Plain
from its_agent.run_options import RunOptions
from its_agent.solution import Message, Problem
from its_agent.solver import Solver


class Options(Protocol):
    """Makes the options of a run that these listen to."""

    def __call__(self, *, sinks: tuple[Sink, ...]) -> RunOptions: ...


@dataclass(frozen=True, slots=True)
class SolverHost:
    """The connections and settings of one agent; see `hosted.Host`."""

    solver: Solver
    options: Options

    async def begin(
        self, messages: Sequence[Message], budget: int | None, sink: Callable[[Event], None]
    ) -> Ended:
        """Solve the last user message."""
        given = Budget.of(DEFAULT_COMPUTE if budget is None else budget)
        problem = Problem.of(messages)
        return await self.solver.begin(problem, given, self.options(sinks=(sink,)))

    async def extend(self, standing: Plain, more: int, sink: Callable[[Event], None]) -> Ended:
        """Go on with so many compute units more."""
        return await self.solver.extend(standing, more, self.options(sinks=(sink,)))
