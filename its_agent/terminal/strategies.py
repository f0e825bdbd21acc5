"""`its-agent strategies`: what a budget can be spent on, and what can judge the answers."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from rich.console import Console
from rich.table import Table

PLAIN_WIDTH = 200
"""Columns where the output is not a terminal, so that lines stay whole."""


def strategies() -> None:
    """List strategies, the paths that they buy from, and verifiers: what each does, what it needs,
    and what it uses."""
    from its_agent.policy import STRATEGIES

    console = Console()
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    rows = ((s.name, s.summary, s.needs, s.cost) for s in STRATEGIES.values())
    console.print(_table("strategy", rows))
    console.print(_table("path", _paths()))
    console.print(_table("verifier", _verifiers()))


def _paths() -> Iterable[tuple[str, str, str, str]]:
    from its_agent.graphs import attempts, refine, search, single_pass
    from its_agent.policy.strategy import STEPS

    yield ("single_pass", _first_line(single_pass), "nothing", "a prompt and a sample")
    yield ("attempts", _first_line(attempts), "nothing", "a prompt and its samples")
    yield (
        "refine",
        _first_line(refine),
        "nothing",
        "a sample a round, and one critique where no check judges",
    )
    yield ("search", _first_line(search), STEPS, "a level of steps a superstep")


def _verifiers() -> Iterable[tuple[str, str, str, str]]:
    from its_agent.verifiers import AnswerCheck, CodeTests

    yield ("AnswerCheck", _first_line(AnswerCheck), "a function of yours", "no tokens")
    yield ("CodeTests", _first_line(CodeTests), "bubblewrap, tests", "no tokens")


def _first_line(documented: ModuleType | type) -> str:
    line = (documented.__doc__ or "").strip().splitlines()[0]
    return line.partition(": ")[2] or line


def _table(kind: str, rows: Iterable[tuple[str, str, str, str]]) -> Table:
    table = Table(kind, "what it does", "needs", "uses", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table
