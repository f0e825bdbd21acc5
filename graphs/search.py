"""search: a tree of partial solutions, one level of the tree a superstep."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from its_agent.answers import extract_answer
from its_agent.backends.metered import MeteredBackend
from its_agent.backends.sample import Sample
from its_agent.budget import Usage, compute_units
from its_agent.events import Sampled
from its_agent.graphs.algorithms import ALGORITHMS
from its_agent.graphs.context import Context
from its_agent.graphs.expansions import (
    ARM,
    Order,
    algorithm_of,
    orders_of,
    wave_intent,
    whole_path,
)
from its_agent.graphs.purchase import paid, scoped, share_left
from its_agent.graphs.sampling import Taken, buy, prompt
from its_agent.graphs.scoring import Scores, scored, unscored
from its_agent.graphs.search_end import must_end, to_the_end
from its_agent.graphs.search_news import tell
from its_agent.graphs.standing import Standing, Weight, likelihood
from its_agent.graphs.state import State, Update, plain_candidate
from its_agent.graphs.step_scores import ByScorer, Partial
from its_agent.graphs.steps import is_complete, text_of
from its_agent.search import Search, StepResult
from its_agent.solution import Candidate
from its_agent.thinking.tags import parted


def search() -> StateGraph[State, Context, State, State]:
    """Build the path."""
    graph = StateGraph(State, Context)
    graph.add_node(expand)
    graph.add_node(harvest)
    graph.add_edge(START, "expand")
    graph.add_conditional_edges("expand", after_expansion)
    graph.add_edge("harvest", END)
    return graph


async def expand(state: State, runtime: Runtime[Context]) -> Update:
    """Buy one wave of steps and their scores, and tell the algorithm."""
    context = runtime.context
    algorithm = algorithm_of(context, _name(state))
    share = share_left(state)
    standing, orders = _next_wave(
        state, context, algorithm, Standing.of(state, algorithm), share=share
    )
    door = scoped(state, context, name="search")
    brought = await _buy_wave(context, door, orders)
    waves = [_steps_of(taken) for taken in brought]
    scores = await _scored(state, context, standing, orders, brought, door)
    before, standing = standing, _told(algorithm, standing, orders, waves, scores)
    tell(context, _name(state), len(state.steps) + 1, before.search, standing.search)
    taken = sum(brought, Taken()) + scores.taken
    update = paid(state, context, taken, path="search", arm=_name(state))
    if context.durable and not algorithm.finished(standing.search):
        left = None if share is None else share - taken.usage.compute
        ahead, asked = _next_wave(state, context, algorithm, standing, share=left)
        update["intent"] = await wave_intent(state, context, ahead, asked, share=left)
    return update | Update(
        search=standing.to_plain(),
        explored_nodes=state.explored_nodes + sum(map(len, waves)),
    )


async def after_expansion(state: State) -> Literal["expand", "harvest"]:
    """Go on until the algorithm has what it wants, or nothing is left to pay with."""
    # Without the context: where a state is corrected from outside, LangGraph has none to give.
    algorithm = ALGORITHMS[_name(state)].search
    standing = Standing.of(state, algorithm)
    share = share_left(state)
    over = (
        state.stopped_because is not None
        or algorithm.finished(standing.search)
        or (share is not None and share < standing.least)
    )
    return "harvest" if over else "expand"


async def harvest(state: State, runtime: Runtime[Context]) -> Update:
    """Make candidates of the complete solutions."""
    context = runtime.context
    standing = Standing.of(state, algorithm_of(context, _name(state)))
    leaves = standing.search.tree.done_leaves()
    found = [_candidate(state, context, standing, leaf.id) for leaf in leaves]
    assert state.bought is not None
    bought = {
        **state.bought,
        "candidates": [*state.bought["candidates"], *(c.id for c in found)],
    }
    return Update(candidates=[plain_candidate(c) for c in found], bought=bought, search=None)


def _next_wave(
    state: State, context: Context, algorithm: Search, standing: Standing, *, share: int | None
) -> tuple[Standing, list[Order]]:
    """What is bought next, and the search as it stands from then on."""
    ends = must_end(state, context, algorithm, standing, share=share)
    if not ends:
        return standing, orders_of(state, context, standing, algorithm.ask(standing.search))
    wave = to_the_end(algorithm, standing, by=context.settings.step_score.scale)
    ending = replace(standing, is_ending=True, least=whole_path(state, context))
    return ending, orders_of(state, context, ending, wave)


async def _buy_wave(context: Context, door: MeteredBackend, orders: Sequence[Order]) -> list[Taken]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_bought(context, door, order)) for order in orders]
    return [task.result() for task in tasks]


async def _bought(context: Context, door: MeteredBackend, order: Order) -> Taken:
    if order.request is None:
        return Taken()
    return await buy(context, order.request, purpose="search", door=door)


def _steps_of(taken: Taken) -> list[Sample]:
    return [s for purchase in taken.purchases for s in purchase.samples if s.finish != "aborted"]


async def _scored(
    state: State,
    context: Context,
    standing: Standing,
    orders: Sequence[Order],
    brought: Sequence[Taken],
    door: MeteredBackend,
) -> Scores:
    """Score what came, unless nobody will choose between it: the solve has to end, or paths are
    taken to their end with what is left."""
    score, algorithm = context.settings.step_score, ALGORITHMS[_name(state)]
    partials = [
        _partial(state, context, standing, order, step)
        for order, taken in zip(orders, brought, strict=True)
        for step in _steps_of(taken)
    ]
    costs = score.worst(state.prompt_tokens).compute > 0
    if any(t.stop for t in brought) or (standing.is_ending and costs):
        return unscored(len(partials))
    return await scored(score, partials, door, told_as=algorithm.told(score.scale))


def _partial(
    state: State, context: Context, standing: Standing, order: Order, step: Sample
) -> Partial:
    node = order.expansion.node
    text = standing.text(node) + text_of(step, order.stop)
    by_path = ALGORITHMS[_name(state)].by_path
    return Partial(
        problem=state.question,
        text=text,
        conversation=(
            *prompt(state, context, ARM),
            {"role": "assistant", "content": text},
        ),
        step=step,
        likelihood=likelihood(standing.weight(node), step, by_path=by_path),
    )


def _told(
    algorithm: Search,
    standing: Standing,
    orders: Sequence[Order],
    waves: Sequence[Sequence[Sample]],
    scores: Scores,
) -> Standing:
    told = zip(scores.readings, scores.told, strict=True)
    for order, steps in zip(orders, waves, strict=True):
        before = standing.weight(order.expansion.node)
        results: list[StepResult] = []
        weights: list[Weight] = []
        for step in steps:
            reading, score = next(told)
            weights.append(before.after(step, reading))
            results.append(
                StepResult(
                    text=text_of(step, order.stop),
                    score=score,
                    done=is_complete(step, order.stop),
                )
            )
        standing = standing.told(algorithm, order.expansion, results, weights)
    return standing


def _candidate(state: State, context: Context, standing: Standing, leaf: str) -> Candidate:
    (thinking, text), weight = parted(standing.text(leaf)), standing.weight(leaf)
    price = compute_units(
        prompt=0,
        cached=0,
        completion=weight.tokens,
        relative_cost=context.backend.relative_cost,
    )
    made = Candidate(
        id=f"c{len(context.paid) + 1}",
        text=text,
        thinking=thinking,
        answer=extract_answer(text, state.answer_type),
        path="search",
        strategy=f"{_name(state)}@{context.settings.temperature:g}",
        finish="stop",
        usage=Usage(completion_tokens=weight.tokens, compute=price),
        model=context.usual.name,
        mean_logprob=weight.mean,
        signals=_signals(context, weight),
    )
    context.paid.append(made)
    context.emit(Sampled, candidate=made, node=leaf)
    return made


def _signals(context: Context, weight: Weight) -> dict[str, float]:
    """What the scorer said of the whole solution, which is what it says of a last step."""
    score = context.settings.step_score
    if not isinstance(score, ByScorer) or weight.reading is None:
        return {}
    return {score.name: weight.reading}


def _name(state: State) -> str:
    assert state.plan is not None
    name = state.plan["arm"]
    assert isinstance(name, str)
    return name
