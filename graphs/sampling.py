"""Takes samples of one arm and makes candidates of them; shared by the paths."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from its_agent.answers import extract_answer
from its_agent.backends.bill import Sample
from its_agent.backends.metered import MeteredBackend, Purchase
from its_agent.backends.protocol import Request
from its_agent.budget import SOLVE, Usage
from its_agent.errors import BackendError, BudgetExceeded, PromptTooLong
from its_agent.events import Sampled
from its_agent.graphs.context import Context
from its_agent.graphs.state import State
from its_agent.prompts import ask
from its_agent.receipt import StopReason
from its_agent.solution import AnswerType, Candidate


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
        if self.failure is not None:
            return "backend_lost"
        if any(p.out_of_time for p in self.purchases):
            return "deadline"
        if self.short_of is not None and self.short_of.scope == SOLVE:
            return "deadline" if self.short_of.limit == "seconds" else "budget"
        return None

    def __add__(self, other: Taken) -> Taken:
        return Taken(
            purchases=self.purchases + other.purchases,
            candidates=self.candidates + other.candidates,
            short_of=self.short_of or other.short_of,
            too_long=self.too_long or other.too_long,
        )


async def attempt(
    state: State,
    context: Context,
    *,
    path: str,
    arm: str,
    samples: int,
    greedy_first: bool,
) -> Taken:
    """Take samples of one prompt arm: warm ones in one request, a greedy one beside them."""
    messages = ask(arm, state.messages, state.answer_type)
    settings = context.settings
    base = Request(
        messages=messages,
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        schema=state.schema,
    )
    requests = [replace(base, temperature=0.0, top_p=1.0)] if greedy_first else []
    warm = samples - len(requests)
    requests += [replace(base, n=warm)] if warm else []
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                buy_candidates(context, request, path=path, arm=arm, answer_type=state.answer_type)
            )
            for request in requests
        ]
    return sum((task.result() for task in tasks), Taken())


async def buy_candidates(
    context: Context, request: Request, *, path: str, arm: str, answer_type: AnswerType
) -> Taken:
    """Buy one request whose samples are whole solutions."""
    taken = await buy(context, request, purpose="generate")
    candidates = [
        candidate(
            context,
            sample,
            path=path,
            strategy=f"{arm}@{request.temperature:g}",
            answer_type=answer_type,
        )
        for purchase in taken.purchases
        for sample in purchase.samples
    ]
    return replace(taken, candidates=tuple(candidates))


async def buy(
    context: Context, request: Request, *, purpose: str, door: MeteredBackend | None = None
) -> Taken:
    """Buy one request; that it does not fit the budget or the context is a result here.

    `door` pays from a path's own scope instead of from the whole budget.
    """
    try:
        purchase = await (door or context.door).buy(request, purpose=purpose)
    except BudgetExceeded as exceeded:
        return Taken(short_of=exceeded)
    except PromptTooLong as outgrown:
        return Taken(too_long=outgrown)
    return Taken(purchases=(purchase,))


def candidate(
    context: Context, sample: Sample, *, path: str, strategy: str, answer_type: AnswerType
) -> Candidate:
    """Make a candidate of a sample; only a finished one has an answer."""
    made = Candidate(
        id=f"c{len(context.paid) + 1}",
        text=sample.text,
        answer=extract_answer(sample.text, answer_type) if sample.finish == "stop" else None,
        path=path,
        strategy=strategy,
        finish=sample.finish,
        usage=sample.usage,
        mean_logprob=sample.mean_logprob,
    )
    context.paid.append(made)
    context.emit(Sampled, candidate=made)
    return made


def best_of(candidates: Sequence[Candidate]) -> Candidate | None:
    """The candidate to go on from: the surest one that has an answer."""
    answered = [c for c in candidates if c.answer is not None]
    return max(answered, key=lambda c: (c.confidence, c.mean_logprob or 0.0), default=None)
