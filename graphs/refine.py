"""refine: a solution, its critique, an improved solution, until nothing is left to improve."""

from __future__ import annotations

from typing import Literal

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from its_agent.answers import canonical
from its_agent.backends.protocol import Request
from its_agent.graphs.context import Context
from its_agent.graphs.intent import intent
from its_agent.graphs.purchase import paid
from its_agent.graphs.sampling import (
    Taken,
    attempt,
    best_of,
    buy,
    buy_candidates,
    wave_requests,
)
from its_agent.graphs.state import State, Update, candidates_of
from its_agent.policy import Buy
from its_agent.prompts import ask, ending, follow_up
from its_agent.solution import Candidate, Message

ROUNDS = 3
CRITIQUE_TOKENS = 256
NOTHING_WRONG = "no errors"
OF_NO_ARM = ("refine", "search", "thinking")
"""Paths whose candidates are named after something else than the prompt."""


def refine() -> StateGraph[State, Context, State, State]:
    """Build the path."""
    graph = StateGraph(State, Context)
    graph.add_node(draft)
    graph.add_node(critique)
    graph.add_node(improve)
    graph.add_edge(START, "draft")
    graph.add_conditional_edges("draft", after_draft)
    graph.add_conditional_edges("critique", after_critique)
    graph.add_conditional_edges("improve", after_improvement)
    return graph


async def draft(state: State, runtime: Runtime[Context]) -> Update:
    """Start from the best solution there is, or take one."""
    context = runtime.context
    best = best_of(candidates_of(state))
    if best is not None:
        next_intent = await intent(context, [_critique_request(state, best)])
        return Update(refining={"base": best.id, "critique": "", "round": 0}, intent=next_intent)
    arm = _arm(state)
    taken = await attempt(state, context, path="refine", arm=arm, samples=1, greedy_first=True)
    update = paid(state, context, taken, path="refine", arm=arm)
    drafted = best_of(taken.candidates)
    if drafted is not None:
        update["refining"] = {"base": drafted.id, "critique": "", "round": 0}
        update["intent"] = await intent(context, [_critique_request(state, drafted)])
    return update


async def critique(state: State, runtime: Runtime[Context]) -> Update:
    """Ask what is wrong, in the solution's own conversation."""
    context = runtime.context
    assert state.refining is not None
    base = _base(state)
    taken = await buy(context, _critique_request(state, base), purpose="critique")
    texts = [s.text for p in taken.purchases for s in p.samples if s.finish != "aborted"]
    found = texts[0] if texts else ""
    over = not found or taken.stop is not None or _nothing_wrong(found)
    update = paid(state, context, taken, path="refine", arm="critique")
    if not over:
        request = _improve_request(state, context, base, found)
        update["intent"] = await intent(context, [request])
    return update | Update(refining={**state.refining, "critique": found}, refined_to_an_end=over)


async def improve(state: State, runtime: Runtime[Context]) -> Update:
    """Ask for the improved solution."""
    context = runtime.context
    refining = state.refining
    assert refining is not None
    base = _base(state)
    request = _improve_request(state, context, base, refining["critique"])
    taken = await buy_candidates(
        context, request, path="refine", arm="improve", answer_type=state.answer_type
    )
    update = paid(state, context, taken, path="refine", arm="improve")
    better = _improved(base, taken, state)
    if better is None:
        return update | Update(refined_to_an_end=True)
    return update | Update(
        refining={"base": better.id, "critique": "", "round": refining["round"] + 1},
        intent=await intent(context, [_critique_request(state, better)]),
    )


async def after_draft(state: State) -> Literal["critique", "__end__"]:
    """Without a draft, or without means, there is nothing to criticise."""
    return "__end__" if state.stopped_because or not state.refining else "critique"


async def after_critique(state: State) -> Literal["improve", "__end__"]:
    """A critique that found nothing ends the path."""
    return "__end__" if state.refined_to_an_end or state.stopped_because else "improve"


async def after_improvement(state: State) -> Literal["critique", "__end__"]:
    """Go round again while the answer changes."""
    assert state.refining is not None
    over = state.refined_to_an_end or state.stopped_because or state.refining["round"] >= ROUNDS
    return "__end__" if over else "critique"


def _arm(state: State) -> str:
    return "plain" if state.answer_type == "text" else "step_by_step"


def _base(state: State) -> Candidate:
    assert state.refining is not None
    return next(c for c in candidates_of(state) if c.id == state.refining["base"])


def draft_requests(state: State, context: Context, decision: Buy) -> list[Request]:
    """What `draft` will ask for, if there is no solution to start from."""
    if best_of(candidates_of(state)) is not None:
        return []
    return wave_requests(state, context, arm=_arm(state), samples=1, greedy_first=True)


def _critique_request(state: State, base: Candidate) -> Request:
    return Request(
        messages=(*_conversation(state, base), follow_up("critique")),
        max_tokens=CRITIQUE_TOKENS,
        temperature=0.0,
        top_p=1.0,
    )


def _improve_request(state: State, context: Context, base: Candidate, critique: str) -> Request:
    return Request(
        messages=(
            *_conversation(state, base),
            follow_up("critique"),
            {"role": "assistant", "content": critique},
            follow_up("improve", ending=ending(state.answer_type)),
        ),
        max_tokens=context.settings.max_tokens,
        temperature=0.0,
        top_p=1.0,
        schema=state.schema if context.door.can("structured") else None,
    )


def _conversation(state: State, base: Candidate) -> tuple[Message, ...]:
    """The problem as it was put, and the solution as the assistant's answer."""
    arm = base.strategy.partition("@")[0]
    if base.path in OF_NO_ARM:
        arm = _arm(state)
    question = ask(arm, state.messages, state.answer_type)
    return (*question, {"role": "assistant", "content": base.text})


def _nothing_wrong(critique: str) -> bool:
    return critique.strip().strip('"*').lower().startswith(NOTHING_WRONG)


def _improved(base: Candidate, taken: Taken, state: State) -> Candidate | None:
    """The new solution, unless it has no answer or the one that was there."""
    new = best_of(taken.candidates)
    if new is None or new.answer is None or base.answer is None:
        return None
    kind = state.answer_type
    return None if canonical(new.answer, kind) == canonical(base.answer, kind) else new
