"""Runs programs on calls and tests, each program once in the sandbox for all of them."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from its_agent.verifiers.code import program_of
from its_agent.verifiers.sandbox import Ran, Sandbox

AT_ONCE = os.cpu_count() or 1
CASE_SECONDS = 1.0
"""Wall-clock time of one case; the sandbox limits that of the program with all of them."""
_KEPT = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one case."""

    raised: bool
    """It ended in an error, or was not reached."""
    shown: str
    """The value of the call, or the error's name. A test that holds is None."""


class Trials:
    """Runs the programs in texts on cases: Python expressions, or statements such as `assert`.

    A program that ran on the same cases before is not run again.
    """

    def __init__(self, sandbox: Sandbox | None = None) -> None:
        self._sandbox = sandbox or Sandbox()
        self._known: dict[tuple[str, tuple[str, ...]], tuple[Outcome, ...]] = {}

    async def run(
        self, texts: Sequence[str], cases: Sequence[str]
    ) -> list[tuple[Outcome, ...] | None]:
        """The outcomes of each text's program, in the order of the cases; None where the sandbox
        broke."""
        places = asyncio.Semaphore(AT_ONCE)
        programs = [program_of(text) for text in texts]
        asked = tuple(cases)

        async def one(program: str) -> None:
            async with places:
                outcomes = await self._tried(program, asked)
            if outcomes is not None:
                self._remember(program, asked, outcomes)

        async with asyncio.TaskGroup() as group:
            for program in dict.fromkeys(programs):
                if (program, asked) not in self._known:
                    group.create_task(one(program))
        return [self._known.get((program, asked)) for program in programs]

    def _remember(
        self, program: str, cases: tuple[str, ...], outcomes: tuple[Outcome, ...]
    ) -> None:
        self._known[program, cases] = outcomes
        while len(self._known) > _KEPT:
            self._known.pop(next(iter(self._known)))

    async def _tried(self, program: str, cases: tuple[str, ...]) -> tuple[Outcome, ...] | None:
        mark = secrets.token_hex(16)
        try:
            ran = await self._sandbox.run(f"{program}\n\n{_ending(cases, mark)}")
        except OSError:
            return None
        return None if ran.how == "not_started" else outcomes_of(ran, mark, len(cases))


def outcomes_of(ran: Ran, mark: str, cases: int) -> tuple[Outcome, ...]:
    """Read the marked lines; a case without one was not reached."""
    missed = Outcome(raised=True, shown="ended early" if ran.how == "exit" else ran.how)
    outcomes = [missed] * cases
    for line in ran.output.splitlines():
        _, marked, told = line.partition(mark)
        if marked:
            position, raised, shown = json.loads(told)
            outcomes[position] = Outcome(raised=raised, shown=shown)
    return tuple(outcomes)


def _ending(cases: Sequence[str], mark: str) -> str:
    # One expression that binds no name: the script takes none from the program.
    asked = f"globals(), {list(cases)!r}, {mark!r}, {CASE_SECONDS}"
    return f"(lambda own: (exec({_script()!r}, own), own['report']({asked})))({{'__name__': ''}})"


@cache
def _script() -> str:
    return Path(__file__).with_name("trial_script.py").read_text(encoding="utf-8")
