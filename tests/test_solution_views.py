"""What a person sees of a solution and of a running solve: short, whole, escaped, named."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from rich.console import Console
from traced import HOSTILE, PLAIN_QUESTION, solved, wavering

from its_agent.agent import Agent
from its_agent.backends.scripted import ScriptedBackend
from its_agent.budget import Budget
from its_agent.errors import BackendLost, SolveFailed
from its_agent.events import Solved
from its_agent.integrations.log import LogLines
from its_agent.solution import Solution
from its_agent.terminal.panel import Panels


async def a_solution() -> Solution:
    return next(e.solution for e in await solved() if isinstance(e, Solved))


def printed(shown: object, *, width: int = 120) -> str:
    console = Console(width=width, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


async def test_the_repr_is_short_and_says_what_matters() -> None:
    solution = await a_solution()
    spent = solution.receipt.spent.compute
    assert repr(solution) == (
        f"Solution(answer='18', confidence={solution.confidence:.2f}, "
        f"status={solution.status!r}, spent='{spent:,} of 4,000', "
        f"stopped_because={solution.receipt.stopped_because!r})"
    )
    assert len(repr(replace(solution, answer="long " * 500))) < 250


async def test_rich_prints_the_answer_the_votes_and_the_receipt() -> None:
    solution = await a_solution()
    shown = printed(solution, width=200)
    for said in ("18", solution.status, "of 4,000 units", "generate", "attempts/step_by_step"):
        assert said in shown
    assert "[bold red]markup" in printed(replace(solution, answer="[bold red]markup"))


async def test_the_notebook_view_is_small_and_escapes_every_text() -> None:
    solution = await a_solution()
    one = solution.candidates[0]
    hostile = replace(
        solution,
        answer=HOSTILE,
        text=HOSTILE * 1000,
        reasons=(HOSTILE,),
        candidates=(replace(one, answer=HOSTILE),) * 2,
        receipt=replace(solution.receipt, notes=(HOSTILE,)),
    )
    shown = hostile._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert "<script" not in shown
    assert "<img" not in shown
    assert "http" not in shown
    assert len(shown) < 40_000


async def test_the_panel_keeps_to_its_width_and_shows_steps_votes_and_the_budget() -> None:
    panel = Panels(Budget(compute=4000, seconds=60))
    for event in await solved():
        panel.note(event)
        assert all(len(row) <= 70 for row in printed(panel.drawn(), width=70).splitlines())
    shown = printed(panel.drawn(), width=120)
    for said in ("adaptive on tiny <i>model</i>, run ", "estimate", "18", "of 4,000", "of 60 s"):
        assert said in shown


# Log lines


async def test_log_lines_carry_the_run(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="its_agent")
    async with Agent(ScriptedBackend(wavering), on_event=LogLines()) as agent:
        solution = await agent.asolve(PLAIN_QUESTION)
    run_id = solution.receipt.run_id
    assert {record.__dict__["run_id"] for record in caplog.records} == {run_id}
    assert all(record.getMessage().startswith(run_id) for record in caplog.records)
    assert "route attempts/step_by_step" in caplog.text
    assert caplog.records[-1].__dict__["compute"] == solution.receipt.spent.compute


async def test_a_failure_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    backend = ScriptedBackend([BackendLost("it went away")] * 99)
    with pytest.raises(SolveFailed):
        async with Agent(backend, on_event=LogLines()) as agent:
            await agent.asolve(PLAIN_QUESTION)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "it went away" in caplog.text
