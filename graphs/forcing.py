"""thinking: answers written in pieces, so that thinking can be made longer or cut short; one piece
of every trace a superstep."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from its_agent.backends.metered import MeteredBackend
from its_agent.backends.protocol import Request
from its_agent.backends.sample import Sample
from its_agent.graphs.context import Context
from its_agent.graphs.intent import intent
from its_agent.graphs.purchase import paid, scoped, share_left
from its_agent.graphs.reading import read
from its_agent.graphs.sampling import Taken, buy, candidate, prompt
from its_agent.graphs.state import State, Update
from its_agent.graphs.traces import FORCINGS, Written
from its_agent.policy import Buy
from its_agent.solution import Candidate
from its_agent.thinking.tags import OPEN, is_open, rejoined
from its_agent.thinking.trace import Ask, Forcing, Piece, ended

ENDING_TOKENS = 64
"""What an ending is reckoned to cost beside reading the trace: cue and answer."""


def thinking() -> StateGraph[State, Context, State, State]:
    """Build the path."""
    graph = StateGraph(State, Context)
    graph.add_node(think)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", after_thinking)
    return graph


async def think(state: State, runtime: Runtime[Context]) -> Update:
    """Buy the next piece of every trace; those that are done become candidates."""
    context = runtime.context
    forcing, door = _forcing(state, context), scoped(state, context, name="thinking")
    before = _hastened(state, context, forcing, _standing(state), share_left(state))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_go_on(state, context, door, forcing, one)) for one in before]
    brought = [task.result() for task in tasks]
    taken = sum((taken for _, taken in brought), Taken())
    after = [one for one, _ in brought]
    if taken.stop is not None:
        after = [_cut(one) for one in after]
    share = share_left(state)
    left = None if share is None else share - taken.usage.compute
    after = _hastened(state, context, forcing, after, left)
    over = [one for one in after if one.trace.stage == "done" and one.trace.text]
    done = tuple(_candidate(state, context, one) for one in over)
    taken = replace(taken, candidates=done)
    update = paid(state, context, taken, path="thinking", arm=_name(state))
    running = [one for one in after if one.trace.stage != "done"]
    if running:
        ahead = [_request(state, context, forcing, one) for one in running]
        update["intent"] = await intent(context, ahead)
    return update | Update(
        thinking={"traces": [one.to_plain() for one in running]} if running else None
    )


async def after_thinking(state: State) -> Literal["think", "__end__"]:
    """Go on while a trace is not done."""
    return "think" if state.thinking is not None else "__end__"


def first_requests(state: State, context: Context, decision: Buy) -> list[Request]:
    """What the first `think` will ask for."""
    forcing = FORCINGS[decision.arm](state, context)
    temperature = _temperature(context, decision.samples)
    left = context.ledger.unspent.compute
    share = None if left is None else int(left * decision.share)
    begun = [Written(id=place) for place in range(decision.samples)]
    return [
        _request_for(state, context, forcing.ask(one.trace), temperature)
        for one in _hastened(state, context, forcing, begun, share)
    ]


async def _go_on(
    state: State, context: Context, door: MeteredBackend, forcing: Forcing, one: Written
) -> tuple[Written, Taken]:
    if one.trace.stage == "done":
        return one, Taken()
    taken = await buy(context, _request(state, context, forcing, one), purpose="think", door=door)
    one = replace(one, usage=one.usage + taken.usage)
    samples = [sample for purchase in taken.purchases for sample in purchase.samples]
    # Where one was tried again, the last is the one that came furthest.
    return (_grown(one, forcing, samples[-1]) if samples else _cut(one)), taken


def _grown(one: Written, forcing: Forcing, sample: Sample) -> Written:
    ask = forcing.ask(one.trace)
    piece = Piece(
        text=_as_written(ask.text, sample),
        tokens=sample.usage.completion_tokens,
        finish=sample.finish,
    )
    counted = () if ask.is_probe else sample.logprobs
    return replace(
        one,
        trace=forcing.tell(one.trace, piece),
        logprob=one.logprob + math.fsum(counted),
        scored=one.scored + len(counted),
        thinking_tokens=one.thinking_tokens + sample.thinking_tokens,
    )


def _as_written(begun: str, sample: Sample) -> str:
    """The piece as it goes on with what was begun, wherever the server has put its thinking."""
    if begun and not is_open(begun):
        return sample.thinking + sample.text
    whole = rejoined(sample.thinking, sample.text, is_over=sample.finish == "stop")
    return whole.removeprefix(f"{OPEN}\n") if begun else whole


def _hastened(
    state: State,
    context: Context,
    forcing: Forcing,
    traces: Sequence[Written],
    share: int | None,
) -> list[Written]:
    """Have traces come to their end while that can still be paid for: when what is left does not
    pay for a piece and an ending of each."""
    running = [one for one in traces if one.trace.stage != "done"]
    requests = context.ledger.unspent.requests
    price = sum(_price(state, context, forcing, one) for one in running)
    short = share is not None and share < price
    if not short and (requests is None or requests >= 2 * len(running)):
        return list(traces)
    return [
        replace(one, trace=forcing.hasten(one.trace)) if one.trace.stage == "thinking" else one
        for one in traces
    ]


def _price(state: State, context: Context, forcing: Forcing, one: Written) -> int:
    """Compute units of the next piece and of an ending after it, nothing cached."""
    piece = forcing.ask(one.trace).max_tokens
    read_tokens = state.prompt_tokens + one.trace.tokens
    tokens = 2 * read_tokens + 2 * piece + ENDING_TOKENS
    return math.ceil(tokens * context.backend.relative_cost)


def _cut(one: Written) -> Written:
    """A trace that cannot go on ends as what can stand for it."""
    done = one.trace.stage == "done"
    return one if done else replace(one, trace=ended(one.trace, "aborted"))


def _request(state: State, context: Context, forcing: Forcing, one: Written) -> Request:
    assert state.plan is not None
    temperature = _temperature(context, state.plan["samples"])
    return _request_for(state, context, forcing.ask(one.trace), temperature)


def _request_for(state: State, context: Context, ask: Ask, temperature: float) -> Request:
    arm = "plain" if state.answer_type == "text" else "step_by_step"
    question = prompt(state, context, arm)
    begun = ({"role": "assistant", "content": ask.text},) if ask.text else ()
    cold = ask.is_probe or temperature == 0
    return Request(
        messages=(*question, *begun),
        max_tokens=ask.max_tokens,
        temperature=0.0 if cold else temperature,
        top_p=1.0 if cold else context.settings.top_p,
        stop=ask.stop,
        logprobs=context.strategy.logprobs,
        continue_partial=bool(begun),
    )


def _temperature(context: Context, samples: int) -> float:
    """A single trace is greedy; several are to differ."""
    return 0.0 if samples == 1 else context.settings.temperature


def _candidate(state: State, context: Context, one: Written) -> Candidate:
    assert state.plan is not None
    sample = Sample(
        text=one.trace.text,
        thinking_tokens=one.thinking_tokens,
        finish=one.trace.finish,
        usage=one.usage,
        logprobs=(one.logprob / one.scored,) if one.scored else (),
        first_top_logprobs={},
    )
    temperature = _temperature(context, state.plan["samples"])
    strategy = f"{_name(state)}@{temperature:g}"
    said = read(sample, state.answer_type)
    return candidate(context, sample, said, path="thinking", strategy=strategy)


def _standing(state: State) -> list[Written]:
    assert state.plan is not None
    if state.thinking is None:
        return [Written(id=place) for place in range(state.plan["samples"])]
    return [Written.from_plain(plain) for plain in state.thinking["traces"]]


def _forcing(state: State, context: Context) -> Forcing:
    return FORCINGS[_name(state)](state, context)


def _name(state: State) -> str:
    assert state.plan is not None
    return str(state.plan["arm"])
