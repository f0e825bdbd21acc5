"""Takes samples of one arm and makes candidates of them; shared by the paths."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from its_agent.backends.metered import MeteredBackend
from its_agent.backends.protocol import Request
from its_agent.backends.purchase import Purchase
from its_agent.backends.retry import INDISPENSABLE
from its_agent.backends.sample import Sample
from its_agent.budget import Usage
from its_agent.errors import BackendError, BudgetExceeded, CannotDo, PromptTooLong
from its_agent.events import Sampled
from its_agent.graphs.context import Context, Model
from its_agent.graphs.early_stop import EarlyStop
from its_agent.graphs.effort import one_by_one, with_effort
from its_agent.graphs.reading import Said, read_all
from its_agent.graphs.state import State
from its_agent.ledger import SHARED, SOLVE
from its_agent.prompts import PROGRAM_ARM, ask
from its_agent.receipt import StopReason
from its_agent.selection.deepconf import trace_confidence
from its_agent.selection.judgement import SETTLED
from its_agent.solution import AnswerType, Candidate, Message
from its_agent.together import together


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one or more requests brought."""

    purchases: tuple[Purchase, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    short_of: BudgetExceeded | None = None
    """Set when a request was not made because nothing was left for it."""
    too_long: PromptTooLong | None = None
    """Set when a request was not made because its prompt has outgrown the context."""

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All samples, finished or not."""
        return tuple(sample for purchase in self.purchases for sample in purchase.samples)

    @property
    def usage(self) -> Usage:
        """All that was paid."""
        return sum((p.usage for p in self.purchases), Usage())

    @property
    def failure(self) -> BackendError | None:
        """The first failure of the backend, if any."""
        return next((p.failure for p in self.purchases if p.failure), None)

    @property
    def stop(self) -> StopReason | None:
        """Why the solve cannot go on, if it cannot."""
        if self.failure is not None and not _narrows(self.failure):
            return "backend_lost"
        for purchase in self.purchases:
            if purchase.interrupted in ("deadline", "cancelled"):
                return purchase.interrupted
        if self.short_of is not None and self.short_of.scope in (SOLVE, SHARED):
            return "deadline" if self.short_of.limit == "seconds" else "budget"
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the receipt should say about the requests."""
        return tuple(note for purchase in self.purchases for note in purchase.notes)

    def __add__(self, other: Taken) -> Taken:
        return Taken(
            purchases=self.purchases + other.purchases,
            candidates=self.candidates + other.candidates,
            short_of=self.short_of or other.short_of,
            too_long=self.too_long or other.too_long,
        )


def _narrows(failure: BackendError) -> bool:
    """Whether it only says that this path is not to be had from this server."""
    return isinstance(failure, CannotDo) and failure.capability in INDISPENSABLE


async def attempt(
    state: State,
    context: Context,
    *,
    path: str,
    arm: str,
    samples: int,
    greedy_first: bool,
    model: str = "",
    until_decided: bool = False,
    lead: float = SETTLED,
) -> Taken:
    """Take samples of one prompt arm: warm ones in one request, a greedy one beside them.

    With `until_decided` those that cannot change a vote of that `lead` are aborted, unless
    examiners have the last word, and with verifiers those that come after the first answer that
    passes. What a program prints is known too late for either.
    """
    early = None
    by_vote = until_decided and not context.examiners
    if arm != PROGRAM_ARM and (by_vote or context.verifiers):
        early = EarlyStop(state, arm=arm, running=samples, lead=lead, verifiers=context.verifiers)
    asked = context.model(model)
    requests = wave_requests(
        state, context, model=asked, arm=arm, samples=samples, greedy_first=greedy_first
    )
    kind = state.answer_type
    return await _together(
        buy_candidates(
            context, request, model=asked, path=path, arm=arm, answer_type=kind, early=early
        )
        for request in requests
    )


async def _together(purchases: Iterable[Coroutine[Any, Any, Taken]]) -> Taken:
    """Make purchases side by side; when one raises, the others are cancelled, and so it is told."""
    first, *others = purchases
    if not others:
        return await first
    async with together() as group:
        tasks = [group.create_task(purchase) for purchase in (first, *others)]
    return sum((task.result() for task in tasks), Taken())


def prompt(state: State, context: Context, arm: str) -> tuple[Message, ...]:
    """The problem in the words of an arm, rendered once a solve."""
    if arm not in context.prompts:
        context.prompts[arm] = ask(arm, state.messages, state.answer_type)
    return context.prompts[arm]


def wave_requests(
    state: State, context: Context, *, model: Model, arm: str, samples: int, greedy_first: bool
) -> list[Request]:
    """The requests of one wave."""
    settings, can = context.settings, model.door.can
    base = Request(
        messages=prompt(state, context, arm),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        stop=settings.stop,
        schema=state.schema if can("structured") else None,
        logprobs=context.strategy.logprobs,
        top_logprobs=context.strategy.top_logprobs if can("top_logprobs") else 0,
    )
    requests = [replace(base, temperature=0.0, top_p=1.0)] if greedy_first else []
    warm = samples - len(requests)
    return requests + ([replace(base, n=warm)] if warm else [])


async def buy_candidates(
    context: Context,
    request: Request,
    *,
    path: str,
    arm: str,
    answer_type: AnswerType,
    model: Model | None = None,
    early: EarlyStop | None = None,
) -> Taken:
    """Buy one request whose samples are whole solutions."""
    asked = model or context.usual
    taken = await buy(context, request, purpose="generate", door=asked.door, early=early)
    samples = taken.samples
    said = await read_all(context, samples, arm=arm, answer_type=answer_type)
    strategy = f"{arm}@{request.temperature:g}"
    candidates = [
        candidate(context, sample, one, path=path, strategy=strategy, model=asked.name)
        for sample, one in zip(samples, said, strict=True)
    ]
    return replace(taken, candidates=tuple(candidates))


async def buy(
    context: Context,
    request: Request,
    *,
    purpose: str,
    door: MeteredBackend | None = None,
    early: EarlyStop | None = None,
) -> Taken:
    """Buy one request; that it does not fit the budget or the context is a result here.

    `door` pays from a path's own scope instead of from the whole budget. From a server that knows
    no `n` the samples are bought one by one, side by side.
    """
    door = door or context.door
    requests = one_by_one(door, with_effort(context.settings, door, request))
    return await _together(_buy_one(door, one, purpose, early) for one in requests)


async def _buy_one(
    door: MeteredBackend, request: Request, purpose: str, early: EarlyStop | None
) -> Taken:
    watch, decided = (early.see, early.signal) if early else (None, None)
    try:
        purchase = await door.buy(request, purpose=purpose, watch=watch, decided=decided)
    except BudgetExceeded as exceeded:
        return Taken(short_of=exceeded)
    except PromptTooLong as outgrown:
        return Taken(too_long=outgrown)
    return Taken(purchases=(purchase,))


def candidate(
    context: Context,
    sample: Sample,
    said: Said,
    *,
    path: str,
    strategy: str,
    model: str | None = None,
    turns: tuple[Message, ...] = (),
) -> Candidate:
    """Make a candidate of a sample and of what it says."""
    made = Candidate(
        id=f"c{len(context.paid) + 1}",
        text=said.text,
        turns=turns,
        thinking=said.thinking,
        answer=said.answer,
        path=path,
        strategy=strategy,
        finish=sample.finish,
        usage=sample.usage,
        model=context.usual.name if model is None else model,
        mean_logprob=sample.mean_logprob,
        signals=_signals(sample),
    )
    context.paid.append(made)
    context.emit(Sampled, candidate=made)
    return made


def _signals(sample: Sample) -> Mapping[str, float]:
    confidence = trace_confidence(sample.confidences)
    if not sample.thinking_tokens:
        return confidence
    return {**confidence, "thinking_tokens": sample.thinking_tokens}


def best_of(candidates: Sequence[Candidate]) -> Candidate | None:
    """The candidate to go on from: the surest one that has an answer."""
    answered = [c for c in candidates if c.answer is not None]
    return max(answered, key=lambda c: (c.confidence, c.mean_logprob or 0.0), default=None)
