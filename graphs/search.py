"""search: a tree of partial solutions, one level of the tree a superstep."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from its_agent.answers import extract_answer
from its_agent.backends.bill import Sample
from its_agent.backends.metered import MIN_TOKENS, MeteredBackend
from its_agent.backends.protocol import Request
from its_agent.budget import Usage
from its_agent.events import Sampled
from its_agent.graphs.context import Context
from its_agent.graphs.intent import intent
from its_agent.graphs.purchase import paid, scoped, share_left
from its_agent.graphs.sampling import Taken, buy, prompt
from its_agent.graphs.state import State, Update, plain_candidate
from its_agent.policy import Buy
from its_agent.search import (
    DVTS,
    ROOT,
    BeamSearch,
    Expansion,
    ParticleFilter,
    Rebase,
    Search,
    SearchState,
    StepResult,
    StepsToGo,
    a_star,
)
from its_agent.solution import Candidate

STEP_END = "\n\n"
ARM = "step_by_step"
ALGORITHMS: Mapping[str, Search] = {
    "beam": BeamSearch(width=2, expansion=3, max_depth=16),
    "a_star": a_star(
        expansion=3,
        max_depth=16,
        solutions=2,
        cost_to_go=StepsToGo(expected_steps=6, step_cost=0.05),
    ),
    "dvts": DVTS(subtrees=2, expansion=3, max_depth=16),
    "rebase": Rebase(width=6, temperature=0.1, max_depth=16),
    "particle_filter": ParticleFilter(particles=6, temperature=0.1, max_depth=16),
    "entropic_particle_filter": ParticleFilter(
        particles=6, temperature=0.1, annealed=True, max_depth=16
    ),
}
"""Step scores are mean log-probabilities."""
BY_PATH = ("beam", "dvts")
"""Algorithms that are told the mean of the whole path; the others are told that of the step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """Tokens of a partial solution, and the sum of their log-probabilities."""

    tokens: int = 0
    logprob: float = 0.0

    def __add__(self, other: Weight) -> Weight:
        return Weight(tokens=self.tokens + other.tokens, logprob=self.logprob + other.logprob)

    @property
    def mean(self) -> float:
        return self.logprob / self.tokens if self.tokens else 0.0


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
    """Buy one wave of steps and tell the algorithm."""
    context = runtime.context
    algorithm = _algorithm(state)
    standing, weights = _standing(state, algorithm)
    share = share_left(state)
    is_ending = bool(state.search and state.search["is_ending"])
    is_ending = is_ending or _must_end(state, context, algorithm, standing, weights, share)
    wave = _to_the_end(algorithm, standing, weights) if is_ending else algorithm.ask(standing)
    brought = await _buy_wave(state, context, standing, wave, weights)
    for expansion, taken in zip(wave, brought, strict=True):
        steps = _steps_of(taken)
        grown = _grown(standing, expansion, steps, weights)
        results = [_result(s, w, state) for s, w in zip(steps, grown.values(), strict=True)]
        standing = algorithm.tell(standing, expansion, results)
        weights |= grown
    taken = sum(brought, Taken())
    update = paid(state, context, taken, path="search", arm=_name(state))
    if not algorithm.finished(standing):
        left = None if share is None else share - taken.usage.compute
        ends_next = is_ending or _must_end(state, context, algorithm, standing, weights, left)
        next_wave = _to_the_end(algorithm, standing, weights) if ends_next else None
        asked = next_wave or algorithm.ask(standing)
        ahead = [_request(state, context, standing, e, weights) for e in asked]
        update["intent"] = await intent(context, [r for r in ahead if r is not None])
    return update | Update(
        search={
            "standing": standing.to_plain(),
            "weights": {node: asdict(weight) for node, weight in weights.items()},
            "is_ending": is_ending,
            "least": _whole_path(state, context) if is_ending else MIN_TOKENS,
        },
        explored_nodes=state.explored_nodes + sum(len(_steps_of(taken)) for taken in brought),
    )


async def after_expansion(state: State) -> Literal["expand", "harvest"]:
    """Go on until the algorithm has what it wants, or nothing is left to pay with."""
    standing, _ = _standing(state, _algorithm(state))
    share = share_left(state)
    assert state.search is not None
    over = (
        state.stopped_because is not None
        or _algorithm(state).finished(standing)
        or (share is not None and share < state.search["least"])
    )
    return "harvest" if over else "expand"


async def harvest(state: State, runtime: Runtime[Context]) -> Update:
    """Make candidates of the complete solutions."""
    context = runtime.context
    standing, weights = _standing(state, _algorithm(state))
    found: list[Candidate] = []
    for leaf in standing.tree.done_leaves():
        found.append(_candidate(state, context, standing, leaf.id, weights[leaf.id]))
    assert state.bought is not None
    bought = {
        **state.bought,
        "candidates": [*state.bought["candidates"], *(c.id for c in found)],
    }
    return Update(candidates=[plain_candidate(c) for c in found], bought=bought, search=None)


def _must_end(
    state: State,
    context: Context,
    algorithm: Search,
    standing: SearchState,
    weights: Mapping[str, Weight],
    share: int | None,
) -> bool:
    """Whether nothing is complete yet, and the share would not pay for a whole path after the
    next wave."""
    if share is None or standing.tree.done_leaves() or not standing.tree.explored:
        return False
    price = sum(_worst(state, context, e, weights) for e in algorithm.ask(standing))
    return share - price < _whole_path(state, context)


def _to_the_end(
    algorithm: Search, standing: SearchState, weights: Mapping[str, Weight]
) -> tuple[Expansion, ...]:
    """The likeliest of the open paths, those first that none was completed from."""
    ends = Counter(node.parent for node in standing.tree.done_leaves())
    open_paths = sorted(
        algorithm.ask(standing),
        key=lambda e: (ends[e.node], -weights.get(e.node, Weight()).mean),
    )
    return tuple(Expansion(node=e.node, width=1, to_end=True) for e in open_paths[:1])


def _whole_path(state: State, context: Context) -> int:
    """Compute units that a path costs at most from the beginning to its end, and so any rest."""
    tokens = state.prompt_tokens + context.settings.max_tokens
    return math.ceil(tokens * context.backend.relative_cost)


def _worst(
    state: State, context: Context, expansion: Expansion, weights: Mapping[str, Weight]
) -> int:
    read = state.prompt_tokens + weights.get(expansion.node, Weight()).tokens
    tokens = read + expansion.width * context.settings.step_tokens
    return math.ceil(tokens * context.backend.relative_cost)


async def _buy_wave(
    state: State,
    context: Context,
    standing: SearchState,
    wave: Sequence[Expansion],
    weights: Mapping[str, Weight],
) -> list[Taken]:
    door = scoped(state, context, name="search")
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_continue(state, context, door, standing, expansion, weights))
            for expansion in wave
        ]
    return [task.result() for task in tasks]


async def _continue(
    state: State,
    context: Context,
    door: MeteredBackend,
    standing: SearchState,
    expansion: Expansion,
    weights: Mapping[str, Weight],
) -> Taken:
    request = _request(state, context, standing, expansion, weights)
    return Taken() if request is None else await buy(context, request, purpose="search", door=door)


def root_requests(state: State, context: Context, decision: Buy) -> list[Request]:
    """What the first `expand` will ask for."""
    algorithm = ALGORITHMS[decision.arm]
    start = algorithm.start()
    asked = [_request(state, context, start, e, {}) for e in algorithm.ask(start)]
    return [request for request in asked if request is not None]


def _request(
    state: State,
    context: Context,
    standing: SearchState,
    expansion: Expansion,
    weights: Mapping[str, Weight],
) -> Request | None:
    """The request for an expansion; None where the path has used up its tokens."""
    partial = standing.tree.path_text(expansion.node)
    question = prompt(state, context, ARM)
    begun = ({"role": "assistant", "content": partial},) if expansion.node != ROOT else ()
    settings = context.settings
    left = settings.max_tokens - weights.get(expansion.node, Weight()).tokens
    if left < MIN_TOKENS:
        return None
    return Request(
        messages=(*question, *begun),
        n=expansion.width,
        max_tokens=left if expansion.to_end else min(left, settings.step_tokens),
        temperature=settings.temperature,
        top_p=settings.top_p,
        stop=() if expansion.to_end else (STEP_END,),
        continue_partial=bool(begun),
    )


def _grown(
    standing: SearchState,
    expansion: Expansion,
    steps: Sequence[Sample],
    weights: Mapping[str, Weight],
) -> dict[str, Weight]:
    """The weights of the nodes that these steps become, in their order."""
    first = len(standing.tree.children(expansion.node))
    before = weights.get(expansion.node, Weight())
    return {
        f"{expansion.node}.{first + rank}": before + _weight(step)
        for rank, step in enumerate(steps)
    }


def _steps_of(taken: Taken) -> list[Sample]:
    return [s for purchase in taken.purchases for s in purchase.samples if s.finish != "aborted"]


def _weight(step: Sample) -> Weight:
    return Weight(tokens=step.usage.completion_tokens, logprob=math.fsum(step.logprobs))


def _result(step: Sample, path: Weight, state: State) -> StepResult:
    score = path.mean if _name(state) in BY_PATH else _weight(step).mean
    done = step.finish == "stop" and not step.text.endswith(STEP_END)
    return StepResult(text=step.text, score=min(0.0, score), done=done)


def _candidate(
    state: State, context: Context, standing: SearchState, leaf: str, weight: Weight
) -> Candidate:
    text = standing.tree.path_text(leaf)
    made = Candidate(
        id=f"c{len(context.paid) + 1}",
        text=text,
        answer=extract_answer(text, state.answer_type),
        path="search",
        strategy=f"{_name(state)}@{context.settings.temperature:g}",
        finish="stop",
        usage=Usage(completion_tokens=weight.tokens, compute=weight.tokens),
        mean_logprob=weight.mean,
    )
    context.paid.append(made)
    context.emit(Sampled, candidate=made)
    return made


def _name(state: State) -> str:
    assert state.plan is not None
    name = state.plan["arm"]
    assert isinstance(name, str)
    return name


def _algorithm(state: State) -> Search:
    return ALGORITHMS[_name(state)]


def _standing(state: State, algorithm: Search) -> tuple[SearchState, dict[str, Weight]]:
    if state.search is None:
        return algorithm.start(), {}
    plain: dict[str, Any] = state.search
    weights = {node: Weight(**weight) for node, weight in plain["weights"].items()}
    return SearchState.from_plain(plain["standing"]), weights
