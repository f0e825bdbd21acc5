"""Solves with tools, turn by turn: a vote on what to call, the calls, and again until an answer.

Every turn is one `call` and is paid from the same ledger. A call is made once, after the vote;
what a read-only tool has said is not asked for again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from its_agent.backends.protocol import Request
from its_agent.budget import Budget
from its_agent.call_votes import Called
from its_agent.calling import call, ledger_of, request_with_tools
from its_agent.errors import (
    BackendError,
    BudgetTooSmall,
    InvalidProblem,
    ItsAgentError,
    PromptTooLong,
    SolveFailed,
)
from its_agent.events import Emitter, Event, Failed, Sink, Solved, Started, ToolRan, new_run_id
from its_agent.prompts import shown_first
from its_agent.receipt import StopReason
from its_agent.run_options import RunOptions
from its_agent.solution import Message, Problem, Solution
from its_agent.solver import Solver
from its_agent.stop_signal import StopSignal
from its_agent.tool_calls import ToolCall, meaning
from its_agent.tools import Ran, Tool
from its_agent.turns_together import whole

MOST_TURNS = 16
"""Turns after which a solve ends without an answer: it goes round in circles."""
SHARE = 0.5
"""Part of what is left that one turn may use at most, so that later ones can be paid, too."""


@dataclass(slots=True, kw_only=True)
class _Turns:
    """What has happened so far."""

    messages: list[Message]
    emit: Emitter
    told: list[Called] = field(default_factory=list[Called])
    known: dict[str, Ran] = field(default_factory=dict[str, Ran])
    """What read-only tools have said, by what they were asked."""
    notes: list[str] = field(default_factory=list[str])


async def solve_with_tools(
    solver: Solver,
    problem: Problem,
    tools: Mapping[str, Tool],
    budget: Budget,
    options: RunOptions,
) -> Solution:
    """Solve a problem with tools inside a budget; see `Agent`. Raises what `call` raises for the
    first turn; a later one that cannot be paid ends the solve with what there is."""
    _refuse_checks(problem)
    ledger, stop = ledger_of(solver, budget, options), options.stop or StopSignal()
    emit = Emitter(ledger, options.sinks, run_id=new_run_id())
    exemplars = problem.exemplars or solver.exemplars
    turns = _Turns(messages=list(shown_first(exemplars, problem.messages)), emit=emit)
    heard = tuple(_of_one_run(sink, turns) for sink in options.sinks)
    inner = RunOptions(sinks=heard, ledger=ledger, stop=stop, run_id=emit.run_id)
    reason: StopReason | None = None
    while reason is None:
        reason = await _turn(solver, problem, tools, turns, inner)
    solution = whole(turns.told, turns.notes, ledger, budget, reason)
    emit(Solved, solution=solution)
    return solution


def _refuse_checks(problem: Problem) -> None:
    kept = "a schema" if problem.schema is not None else "tests" if problem.tests else None
    if kept is not None:
        raise InvalidProblem(
            f"{kept} cannot be kept to where tools are called; leave it out, or solve without tools"
        )


async def _turn(
    solver: Solver,
    problem: Problem,
    tools: Mapping[str, Tool],
    turns: _Turns,
    options: RunOptions,
) -> StopReason | None:
    """One vote and what it asks for; why the solve ends with it, if it does."""
    problem = replace(problem, messages=tuple(turns.messages))
    told = [tool.told for tool in tools.values()]
    asked = request_with_tools(solver, problem, told, tool_choice=None, parallel_calls=None)
    try:
        called = await _voted(solver, problem, asked, options)
    except (BudgetTooSmall, PromptTooLong, BackendError, SolveFailed) as trouble:
        if not turns.told:
            raise
        turns.notes.append(str(trouble))
        return _reason(trouble, options)
    turns.told.append(called)
    ended = called.solution.receipt.stopped_because
    if not called.calls or ended in ("backend_lost", "deadline", "cancelled"):
        return ended
    if called.is_cut:
        turns.notes.append("the calls were cut off by max_tokens; raise it")
        return ended
    if len(turns.told) >= MOST_TURNS:
        turns.notes.append(f"{MOST_TURNS} turns of calls and no answer")
        return "no_gain"
    return await _made(called, tools, turns, options)


def _reason(trouble: ItsAgentError, options: RunOptions) -> StopReason:
    """Why a solve ends with a turn that could not be made."""
    assert options.stop is not None
    assert options.ledger is not None
    left = options.ledger.remaining.seconds
    if isinstance(trouble, SolveFailed):
        return trouble.receipt.stopped_because
    if isinstance(trouble, BackendError):
        is_late = left is not None and left <= 0
        return "cancelled" if options.stop.is_set else "deadline" if is_late else "backend_lost"
    return "budget" if isinstance(trouble, BudgetTooSmall) else "no_gain"


async def _voted(solver: Solver, problem: Problem, asked: Request, options: RunOptions) -> Called:
    """One turn's samples and their vote, for a share of what is left, or for all of it where the
    share does not pay for one."""
    assert options.ledger is not None
    left, whole = options.ledger.unspent.compute, options.ledger.budget
    if left is None or left <= 0:
        return await call(solver, problem, asked, whole, options)
    try:
        share = Budget(compute=max(1, int(left * SHARE)))
        return await call(solver, problem, asked, share, options)
    except BudgetTooSmall:
        return await call(solver, problem, asked, whole, options)


async def _made(
    called: Called, tools: Mapping[str, Tool], turns: _Turns, options: RunOptions
) -> StopReason | None:
    """Make the calls, one after the other, and put what they said into the conversation."""
    assert options.stop is not None
    assert options.ledger is not None
    turns.messages.append(_asking(called))
    for one in called.calls:
        try:
            async with options.stop.guard(options.ledger.remaining.seconds):
                ran = await _ran(one, tools, turns)
        except TimeoutError:
            turns.notes.append(f"the solve had to end while {one.name} ran")
            return "cancelled" if options.stop.is_set else "deadline"
        turns.messages.append({"role": "tool", "tool_call_id": one.id, "content": ran.content})
        turns.emit(
            ToolRan,
            name=one.name,
            arguments=one.arguments,
            content=ran.content,
            failed=ran.failed,
        )
    return None


async def _ran(one: ToolCall, tools: Mapping[str, Tool], turns: _Turns) -> Ran:
    tool = tools.get(one.name)
    if tool is None:
        return Ran(call=one, content=f"error: there is no tool {one.name!r}", failed=True)
    asked = None if tool.acts else meaning([one], [one.name])
    if asked is not None and asked in turns.known:
        return replace(turns.known[asked], call=one)
    ran = await tool.run(one)
    if asked is not None and not ran.failed:
        turns.known[asked] = ran
    return ran


def _asking(called: Called) -> Message:
    """The assistant's turn that makes the calls."""
    functions = [
        {
            "id": one.id,
            "type": "function",
            "function": {"name": one.name, "arguments": one.arguments},
        }
        for one in called.calls
    ]
    return {"role": "assistant", "content": called.solution.text, "tool_calls": functions}


def _of_one_run(sink: Sink, turns: _Turns) -> Sink:
    """A listener to whom all turns are one run: it begins once, and ends once."""

    def hear(event: Event) -> None:
        is_later = bool(turns.told) and isinstance(event, (Started, Failed))
        if not is_later and not isinstance(event, Solved):
            sink(event)

    return hear
