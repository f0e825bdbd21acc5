"""refine: a solution, what is wrong with it, and an improved one, until nothing is left to improve.

What a check, an examiner or a cut-off says against a solution is the critique; one of the model's
own is bought only where nothing outside judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from its_agent.answers import canonical
from its_agent.backends.protocol import Request
from its_agent.graphs.context import Context
from its_agent.graphs.critique import names_an_error
from its_agent.graphs.feedback import feedback_on
from its_agent.graphs.intent import intent
from its_agent.graphs.purchase import paid
from its_agent.graphs.refinement import Refinement
from its_agent.graphs.sampling import attempt, best_of, buy, buy_candidates, wave_requests
from its_agent.graphs.state import State, Update, candidates_of
from its_agent.policy import Buy
from its_agent.prompts import ask, ending, follow_up
from its_agent.solution import Candidate, Message

CRITIQUE_TOKENS = 256
OF_NO_ARM = ("refine", "search", "thinking")
"""Paths whose candidates are named after something else than the prompt."""


def refine() -> StateGraph[State, Context, State, State]:
    """Build the path."""
    graph = StateGraph(State, Context)
    graph.add_node(draft)
    graph.add_node(weigh)
    graph.add_node(critique)
    graph.add_node(improve)
    graph.add_edge(START, "draft")
    graph.add_conditional_edges("draft", after_purchase)
    graph.add_conditional_edges("weigh", after_weighing)
    graph.add_conditional_edges("critique", after_critique)
    graph.add_conditional_edges("improve", after_purchase)
    return graph


async def draft(state: State, runtime: Runtime[Context]) -> Update:
    """Start from the best solution there is, or take one."""
    start = _start(candidates_of(state))
    if start is not None:
        begun = Refinement(attempt=start.id).to_plain()
        return Update(refining=begun, refined_to_an_end=False)
    context, arm = runtime.context, _arm(state)
    taken = await attempt(state, context, path="refine", arm=arm, samples=1, greedy_first=True)
    update = paid(state, context, taken, path="refine", arm=arm)
    drafted = _start(taken.candidates)
    if drafted is not None:
        update["refining"] = Refinement(attempt=drafted.id).to_plain()
    return update | Update(refined_to_an_end=drafted is None)


async def weigh(state: State, runtime: Runtime[Context]) -> Update:
    """Hear what is known from outside of the newest solution, and keep it or the base."""
    context, before = runtime.context, _refinement(state)
    newest = _named(state, before.attempt)
    is_new = before.base is None or not _same_answer(state, newest, _named(state, before.base))
    after = before.weighed(await feedback_on(newest, context), is_new=is_new)
    update = Update(refining=after.to_plain(), refined_to_an_end=after.next == "end")
    if after.next != "end":
        update["intent"] = await intent(context, [_next_request(state, context, after)])
    return update


async def critique(state: State, runtime: Runtime[Context]) -> Update:
    """Ask what is wrong, in the solution's own conversation."""
    context, refinement = runtime.context, _refinement(state)
    base = _base(state, refinement)
    taken = await buy(context, _critique_request(state, base), purpose="critique")
    texts = [s.text for p in taken.purchases for s in p.samples if s.finish != "aborted"]
    found = texts[0] if texts else ""
    over = taken.stop is not None or not names_an_error(found, base.text, state.answer_type)
    update = paid(state, context, taken, path="refine", arm="critique")
    criticised = replace(refinement, critique=found)
    if not over:
        request = _improve_request(state, context, criticised)
        update["intent"] = await intent(context, [request])
    return update | Update(refining=criticised.to_plain(), refined_to_an_end=over)


async def improve(state: State, runtime: Runtime[Context]) -> Update:
    """Ask for a better solution."""
    context, refinement = runtime.context, _refinement(state)
    taken = await buy_candidates(
        context,
        _improve_request(state, context, refinement),
        path="refine",
        arm="improve",
        answer_type=state.answer_type,
    )
    update = paid(state, context, taken, path="refine", arm="improve")
    newest = _start(taken.candidates)
    if newest is None:
        return update | Update(refined_to_an_end=True)
    return update | Update(refining=refinement.bought(newest.id).to_plain())


async def after_purchase(state: State) -> Literal["weigh", "__end__"]:
    """Without a solution, or without means, there is nothing to go on with."""
    return "__end__" if state.stopped_because or state.refined_to_an_end else "weigh"


async def after_weighing(state: State) -> Literal["critique", "improve", "__end__"]:
    """What fails is improved; where nothing is known against it, it is criticised once."""
    step = _refinement(state).next
    return "__end__" if step == "end" else step


async def after_critique(state: State) -> Literal["improve", "__end__"]:
    """A critique that names no error ends the path."""
    return "__end__" if state.refined_to_an_end or state.stopped_because else "improve"


def draft_requests(state: State, context: Context, decision: Buy) -> list[Request]:
    """What `draft` will ask for, if there is no solution to start from."""
    if _start(candidates_of(state)) is not None:
        return []
    return wave_requests(
        state, context, model=context.usual, arm=_arm(state), samples=1, greedy_first=True
    )


def _start(candidates: Sequence[Candidate]) -> Candidate | None:
    """The best candidate, or one that ended without an answer: that can be mended too."""
    ended = (c for c in reversed(candidates) if c.finish != "aborted")
    return best_of(candidates) or next(ended, None)


def _arm(state: State) -> str:
    return "plain" if state.answer_type == "text" else "step_by_step"


def _refinement(state: State) -> Refinement:
    assert state.refining is not None
    return Refinement.from_plain(state.refining)


def _named(state: State, name: str) -> Candidate:
    return next(c for c in candidates_of(state) if c.id == name)


def _base(state: State, refinement: Refinement) -> Candidate:
    assert refinement.base is not None
    return _named(state, refinement.base)


def _same_answer(state: State, one: Candidate, other: Candidate) -> bool:
    if one.answer is None or other.answer is None:
        return False
    kind = state.answer_type
    return canonical(one.answer, kind) == canonical(other.answer, kind)


def _next_request(state: State, context: Context, refinement: Refinement) -> Request:
    if refinement.next == "critique":
        return _critique_request(state, _base(state, refinement))
    return _improve_request(state, context, refinement)


def _critique_request(state: State, base: Candidate) -> Request:
    return Request(
        messages=(*_conversation(state, base), follow_up("critique")),
        max_tokens=CRITIQUE_TOKENS,
        temperature=0.0,
        top_p=1.0,
    )


def _improve_request(state: State, context: Context, refinement: Refinement) -> Request:
    """Greedy for the first improvement of a base: only a warm one can differ from it later."""
    settings, is_warm = context.settings, refinement.tries > 0
    return Request(
        messages=(
            *_conversation(state, _base(state, refinement)),
            *(_by_feedback if refinement.feedback.text else _by_critique)(state, refinement),
        ),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature if is_warm else 0.0,
        top_p=settings.top_p if is_warm else 1.0,
        stop=settings.stop,
        schema=state.schema if context.door.can("structured") else None,
    )


def _by_feedback(state: State, refinement: Refinement) -> tuple[Message, ...]:
    """What the outside says of the base, and of the last solution that failed."""
    failed = _named(state, refinement.failed).text if refinement.failed else ""
    asked = follow_up(
        "improve_from_feedback",
        feedback=refinement.feedback.text,
        failed=failed,
        failed_feedback=refinement.failed_feedback,
        ending=ending(state.answer_type),
    )
    return (asked,)


def _by_critique(state: State, refinement: Refinement) -> tuple[Message, ...]:
    return (
        follow_up("critique"),
        {"role": "assistant", "content": refinement.critique},
        follow_up("improve", ending=ending(state.answer_type)),
    )


def _conversation(state: State, base: Candidate) -> tuple[Message, ...]:
    """The problem as it was put, and the solution as the assistant's answer."""
    arm = base.strategy.partition("@")[0]
    if base.path in OF_NO_ARM:
        arm = _arm(state)
    question = ask(arm, state.messages, state.answer_type)
    return (*question, {"role": "assistant", "content": base.text})
