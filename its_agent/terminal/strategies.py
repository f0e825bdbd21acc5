"""`its-agent strategies`: what a budget can be spent on, and what can judge the answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import ModuleType

from rich.console import Console
from rich.table import Table

PLAIN_WIDTH = 260
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
    from its_agent.graphs import attempts, forcing, judging, refine, search, single_pass
    from its_agent.policy.strategy import CONTINUATION, STEPS

    yield ("single_pass", _first_line(single_pass), "nothing", "a prompt and a sample")
    yield ("attempts", _first_line(attempts), "nothing", "a prompt and its samples")
    yield ("refine", _first_line(refine), "nothing", "a sample a round; a critique without checks")
    yield ("search", _first_line(search), STEPS, "a level of steps a superstep")
    yield ("thinking", _first_line(forcing), CONTINUATION, "a piece of a trace a superstep")
    yield ("judging", _first_line(judging), "a scorer", "what the scorer asks")


def _verifiers() -> Iterable[tuple[str, str, str, str]]:
    from its_agent import verifiers as known
    from its_agent.policy.strategy import ALTERNATIVES, SANDBOX
    from its_agent.selection.by_checklist import Checklist
    from its_agent.selection.by_tournament import TournamentPlace

    rows: tuple[tuple[type, str, str], ...] = (
        (known.AnswerCheck, "a function of yours", "no tokens"),
        (known.JsonSchema, "a schema", "no tokens"),
        (known.Regex, "a pattern", "no tokens"),
        (known.Game24, "the numbers", "no tokens"),
        (known.Equation, "the equation", "no tokens"),
        (known.CodeTests, f"{SANDBOX}, tests", "no tokens"),
        (known.OutputAgreement, SANDBOX, "no tokens"),
        (known.CodeT, SANDBOX, "tests of the problem, once"),
        (known.PTrue, ALTERNATIVES, "tens of tokens a candidate"),
        (known.Rating, ALTERNATIVES, "a candidate read again"),
        (known.GenerativeVerifier, "nothing", "several checks a candidate"),
        (TournamentPlace, ALTERNATIVES, "two answers read twice, each but the winner"),
        (Checklist, "nothing", "every answer read once"),
        (known.ProcessReward, "a reward model", "a candidate read by that model"),
        (known.OutcomeReward, "a reward model", "a candidate read by that model"),
        (known.DensityRatio, "two vLLM servers", "a candidate read by both"),
        (known.HitRates, "measured rates", "what its verifier uses"),
        (known.Calibrated, "a measured calibration", "what its scorer uses"),
    )
    for kind, needs, uses in rows:
        yield (kind.__name__, _first_line(kind), needs, uses)


def _first_line(documented: ModuleType | type) -> str:
    """The first sentence, without the name that a module's begins with."""
    text = " ".join((documented.__doc__ or "").split("\n\n")[0].split())
    sentence = re.split(r"(?<!Dr)\. ", text)[0].removesuffix(".")
    if isinstance(documented, ModuleType):
        return sentence.partition(": ")[2] or sentence
    return sentence


def _table(kind: str, rows: Iterable[tuple[str, str, str, str]]) -> Table:
    table = Table(kind, "what it does", "needs", "uses", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table
