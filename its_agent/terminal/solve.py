"""`its-agent solve`: one problem, one answer, one receipt."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from its_agent.budget import DEFAULT_COMPUTE, Budget
from its_agent.errors import InvalidOption, InvalidProblem
from its_agent.solution import Problem, Solution
from its_agent.stop_signal import StopSignal
from its_agent.terminal.checks import check_strategies
from its_agent.terminal.engine import Engine, engine
from its_agent.terminal.failures import ABSTAINED, ANSWERED, INTERRUPTED
from its_agent.terminal.live import View, silence, view
from its_agent.terminal.options import BaseUrl, MaxTokens, Model, Temperature, TopP
from its_agent.terminal.recorded import both, recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be solved, and how; checked before any engine is touched."""

    problem: Problem
    budget: Budget
    strategy: str
    max_tokens: int
    temperature: float
    top_p: float


def solve(
    problem: Annotated[
        str | None, typer.Argument(help="The problem; - reads it from standard input.")
    ] = None,
    *,
    budget: Annotated[
        int, typer.Option(help="Most compute units (tokens read and generated) to spend.")
    ] = DEFAULT_COMPUTE,
    seconds: Annotated[
        float | None, typer.Option(help="Most seconds to take, once the engine is there.")
    ] = None,
    strategy: Annotated[
        str, typer.Option(help="adaptive, or one path or method by name.")
    ] = "adaptive",
    max_tokens: MaxTokens = 512,
    temperature: Temperature = 0.8,
    top_p: TopP = 0.95,
    model: Model = None,
    base_url: BaseUrl = None,
    trace: Annotated[
        Path | None, typer.Option(help="Record the solve in this file, for its-agent trace.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Read the problem from this file; - is standard input.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the whole solution as one JSON object.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the answer alone, and no progress.")
    ] = False,
) -> None:
    """Solve one problem within a budget.

    Exit code: 0 answered, 1 abstained, 2 bad input, 3 no engine, 130 interrupted: the first Ctrl-C
    prints the best answer so far and its receipt, the second one ends at once.
    """
    order = Order(
        problem=Problem.of(_read(problem, file)),
        budget=Budget(compute=budget, seconds=seconds),
        strategy=strategy,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
    )
    check_strategies([strategy])
    with recorded(trace) as record:
        solution = _run(order, base_url=base_url, model=model, quiet=quiet, record=record)
    typer.echo(solution.to_json() if json else _said(solution, quiet=quiet))
    raise typer.Exit(_exit_code(solution))


def _exit_code(solution: Solution) -> int:
    if solution.receipt.stopped_because == "cancelled":
        return INTERRUPTED
    return ABSTAINED if solution.status == "abstained" else ANSWERED


def _read(problem: str | None, file: Path | None) -> str:
    if problem not in (None, "-") and file is not None:
        raise InvalidOption("the problem is given twice, as an argument and as --file; give one")
    if file is not None and str(file) != "-":
        return _read_file(file)
    if problem is None and file is None and sys.stdin.isatty():
        raise InvalidProblem(
            'no problem is given; give it as an argument (its-agent solve "What is 17 * 23?"), '
            "with --file, or on standard input"
        )
    return sys.stdin.read() if problem in (None, "-") else problem


def _read_file(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidProblem(f"the problem file {file} cannot be read: {error}") from error


def _run(
    order: Order, *, base_url: str | None, model: str | None, quiet: bool, record: View
) -> Solution:
    console = Console(stderr=True)
    if not quiet:
        console.print(at_most(order.budget), highlight=False)
    with engine(base_url, model, console=None if quiet else console) as place:
        shown = nullcontext(silence) if quiet else view(console, order.budget)
        with shown as see:
            return asyncio.run(solve_at(place, order, both(see, record)))


def at_most(budget: Budget) -> str:
    """What a solve may cost at most, in words."""
    limits = [f"{budget.compute:,} compute units (tokens)"] if budget.compute else []
    limits += [f"{budget.seconds:g} s"] if budget.seconds else []
    return f"at most {' and '.join(limits)}"


async def solve_at(place: Engine, order: Order, see: View) -> Solution:
    """Solve with the engine at this place."""
    from its_agent.agent import Agent

    backend = place.backend()
    async with Agent(
        backend,
        strategy=order.strategy,
        max_tokens=order.max_tokens,
        temperature=order.temperature,
        top_p=order.top_p,
        on_event=see,
    ) as agent:
        with interruptible() as stop:
            return await agent.asolve(order.problem, max_compute_budget=order.budget, stop=stop)


@contextmanager
def interruptible() -> Generator[StopSignal]:
    """A signal that the first Ctrl-C gives; the next one is a KeyboardInterrupt again."""
    stop = StopSignal()
    loop = asyncio.get_running_loop()

    def give() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        stop.set()

    loop.add_signal_handler(signal.SIGINT, give)
    try:
        yield stop
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _said(solution: Solution, *, quiet: bool) -> str:
    answer = "" if solution.answer is None else solution.answer
    if quiet:
        return answer
    lines = [
        f"answer      {answer or 'none'}",
        f"confidence  {solution.confidence:.0%} ({solution.status})",
        *(f"            {reason}" for reason in solution.reasons),
        "",
        str(solution.receipt),
    ]
    return "\n".join(lines)
