"""Solves with tools: attempts that read by themselves, a vote on their ends, and what it asks for.

Where it asks for a call of something that acts, that is made once, and a new round of attempts
begins from the conversation of the one that asked for it. All is paid from the same ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from its_agent.backends.protocol import Request
from its_agent.budget import Budget
from its_agent.calling.attempts import MOST_TURNS, ToolAttempts
from its_agent.calling.branches import with_ids
from its_agent.calling.runs import ToolRuns
from its_agent.calling.turn import Begun, begun, placed, request_with_tools
from its_agent.calling.votes import Sampled, outcome_of, result_of
from its_agent.calling.waves import waves
from its_agent.errors import (
    BackendError,
    BudgetExceeded,
    BudgetTooSmall,
    InvalidProblem,
    PromptTooLong,
)
from its_agent.events import Solved, failure_told
from its_agent.graphs.outcome import solution_of
from its_agent.policy.paced import Paced
from its_agent.policy.protocol import Policy
from its_agent.preflight import check_room
from its_agent.prompts import shown_first
from its_agent.receipt import StopReason
from its_agent.run_options import RunOptions
from its_agent.solution import Candidate, Message, Problem, Solution
from its_agent.solver import Solver
from its_agent.tool_calls import ToolCall
from its_agent.tools import Ran, Tool, asking

SHARE = 0.5
"""Part of what is left that a round's waves are begun with at most where something may act, so
that there is something left for the rounds after it."""


async def solve_with_tools(
    solver: Solver,
    problem: Problem,
    tools: Mapping[str, Tool],
    budget: Budget,
    options: RunOptions,
) -> Solution:
    """Solve a problem with tools inside a budget; see `Agent`. Raises what `call` raises."""
    _refuse_checks(problem)
    exemplars = problem.exemplars or solver.exemplars
    shown = replace(problem, messages=tuple(shown_first(exemplars, problem.messages)))
    told = [tool.told for tool in tools.values()]
    asked = request_with_tools(solver, shown, told, tool_choice=None, parallel_calls=None)
    run = await begun(solver, shown, asked, budget, options)
    context = run.context
    with failure_told(context.emit):
        async with placed(context, solver.places) as has_place:
            if has_place:
                runs = ToolRuns(context=context, tools=tools)
                rounds = _Rounds(run=run, problem=shown, runs=runs, asked=asked, prompt=run.prompt)
                solution = await rounds.solution()
            else:
                solution = result_of(context, Sampled(), context.door.interruption).solution
    context.emit(Solved, solution=solution)
    return solution


def _refuse_checks(problem: Problem) -> None:
    kept = "a schema" if problem.schema is not None else "tests" if problem.tests else None
    if kept is not None:
        raise InvalidProblem(
            f"{kept} cannot be kept to where tools are called; leave it out, or solve without tools"
        )


@dataclass(slots=True, kw_only=True)
class _Rounds:
    """What has happened so far, and what the next round begins with."""

    run: Begun
    problem: Problem
    runs: ToolRuns
    asked: Request
    prompt: int
    votes: list[Sampled] = field(default_factory=list[Sampled])

    async def solution(self) -> Solution:
        """Play rounds until one ends the solve."""
        reason: StopReason | None = None
        while reason is None:
            reason = await self._round()
        solution = solution_of(outcome_of(self.votes, reason), self.run.context)
        last = self.votes[-1]
        is_answered = last.chosen is not None and not last.chosen_calls
        return solution if is_answered or not solution.candidates else _unanswered(solution)

    async def _round(self) -> StopReason | None:
        """One vote and what it asks for; why the solve ends with it, if it does."""
        vote, reason = await waves(
            self.run.context,
            self._policy(),
            self.problem,
            self.run.kind,
            self.asked,
            self.prompt,
            ToolAttempts(runs=self.runs),
        )
        self.votes.append(vote)
        chosen, calls = vote.chosen, with_ids(vote.chosen_calls)
        if chosen is None or not calls or reason in ("backend_lost", "deadline", "cancelled"):
            return reason
        if chosen.finish != "stop":
            return self._noted("the calls were cut off by max_tokens; raise it", reason)
        if len(self.votes) >= MOST_TURNS:
            return self._noted(f"{MOST_TURNS} rounds of calls and no answer", "no_gain")
        return await self._acted(chosen, calls)

    def _policy(self) -> Policy:
        left = self.run.context.ledger.unspent.compute
        may_act = any(tool.acts for tool in self.runs.tools.values())
        kept = int(left * (1 - SHARE)) if may_act and left is not None else 0
        return Paced(policy=self.run.policy, kept=kept)

    async def _acted(self, chosen: Candidate, calls: Sequence[ToolCall]) -> StopReason | None:
        """Make the calls that have won; nothing acts whose outcome could not be told."""
        before = (*self.asked.messages, *chosen.turns, asking(chosen.text, calls))
        untold = [Ran(call=one, content="") for one in calls]
        hindered = await self._after(before, untold)
        if hindered is not None:
            names = ", ".join(one.name for one in calls)
            return self._noted(f"{names}: not called, as the outcome could not be told", hindered)
        ran = await self.runs.act(calls)
        if ran is None:
            return self.run.context.door.interruption
        return await self._after(before, ran)

    async def _after(self, turns: Sequence[Message], ran: Iterable[Ran]) -> StopReason | None:
        """Have the next round begin after these turns; why there cannot be one, if so."""
        context = self.run.context
        messages = (*turns, *(one.message for one in ran))
        self.asked = replace(self.asked, messages=messages)
        try:
            self.prompt = await context.door.count_prompt(self.asked)
            length = context.offer.fingerprint.context_length
            check_room(self.prompt, context.backend, context.ledger, length)
        except BudgetExceeded:
            return context.door.interruption
        except BudgetTooSmall as trouble:
            return self._noted(str(trouble), "budget")
        except PromptTooLong as trouble:
            return self._noted(str(trouble), "no_gain")
        except BackendError as trouble:
            return self._noted(str(trouble), "backend_lost")
        return None

    def _noted(self, trouble: str, reason: StopReason) -> StopReason:
        self.run.context.notes.append(trouble)
        return reason


def _unanswered(solution: Solution) -> Solution:
    return replace(
        solution,
        answer=None,
        text="",
        confidence=0.0,
        status="abstained",
        reasons=("no attempt came to an answer",),
    )
