"""One solve for one client: its agent, its account, and what is written down of it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial

from its_agent.agent import Agent
from its_agent.calling.turn import call, policy_for_calls, request_with_tools
from its_agent.errors import (
    BudgetTooSmall,
    InvalidOption,
    ItsAgentError,
    MissingExtra,
    SolveFailed,
)
from its_agent.event_stream import events_of
from its_agent.events import Event, Sink, Solved
from its_agent.integrations.gateway.metrics import Metrics
from its_agent.integrations.gateway.order import GREEDY, Order
from its_agent.integrations.gateway.record import Record
from its_agent.integrations.gateway.refusal import bad
from its_agent.integrations.gateway.tap import Tap
from its_agent.integrations.gateway.tenants import Tenant
from its_agent.integrations.gateway.tools import Tools
from its_agent.ledger import Ledger
from its_agent.run_options import RunOptions

_ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Solving:
    """A solve that can be begun."""

    agent: Agent
    order: Order
    tenant: Tenant
    tap: Tap | None
    ledger: Ledger

    @property
    def text(self) -> str:
        """What the answer says so far, where it is one sample that is shown as it comes."""
        return self.tap.text if self.tap else ""

    async def events(self) -> AsyncGenerator[Event, None]:
        """Solve; the last event carries the solution. Raises what `Agent.astream` raises, and
        Refusal where it is the key's compute that does not suffice."""
        try:
            async with aclosing(self._told()) as events:
                async for event in events:
                    yield event
        except BudgetTooSmall:
            asked, left = self.order.budget.compute, self.tenant.left
            if asked is not None and left is not None and left < asked:
                raise self.tenant.spent() from None
            raise

    def _told(self) -> AsyncGenerator[Event, None]:
        order = self.order
        if order.tools is None:
            return self.agent.astream(
                order.problem, max_compute_budget=order.budget, ledger=self.ledger
            )
        return events_of(partial(self._calling, order.tools))

    async def _calling(self, tools: Tools, sink: Sink) -> None:
        order, solver = self.order, self.agent.solver
        request = request_with_tools(
            solver,
            order.problem,
            tools.functions,
            tool_choice=tools.choice,
            parallel_calls=tools.parallel,
        )
        options = RunOptions(sinks=(*self.agent.sinks, sink), ledger=self.ledger)
        await call(solver, order.problem, request, order.budget, options)


def solving(agent: Agent, order: Order, tenant: Tenant) -> Solving:
    """Make ready to solve. Raises Refusal for a strategy that this machine cannot run, and tools
    with one that has no say over calls."""
    is_shown = order.stream and order.strategy == GREEDY and order.problem.schema is None
    tap = Tap(agent.backend) if is_shown else None
    try:
        own = agent.variant(
            backend=tap,
            strategy=order.strategy,
            max_tokens=order.max_tokens,
            temperature=order.temperature,
            top_p=order.top_p,
        )
    except MissingExtra:
        raise bad("strategy", f"{order.strategy} cannot be run on this machine") from None
    if order.tools is not None:
        _check_calls(own)
    ledger = tenant.ledger(order.budget)
    return Solving(agent=own, order=order, tenant=tenant, tap=tap, ledger=ledger)


def _check_calls(agent: Agent) -> None:
    try:
        policy_for_calls(agent.solver)
    except InvalidOption as error:
        raise bad("tools", str(error).removeprefix("tools: ")) from None


class Books:
    """Writes a solve down, in the metrics and in the record, however it ends."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    @contextmanager
    def entry(self, solve: Solving, record: Record) -> Generator[Entry]:
        """Count a solve as under way, and write it down at its end."""
        entry = Entry()
        started = time.monotonic()
        try:
            with self._metrics.in_flight.track_inprogress():
                yield entry
        except ItsAgentError as error:
            if entry.status == _ABORTED:
                entry.failed(error)
            raise
        finally:
            compute, order = solve.ledger.spent.compute, solve.order
            self._metrics.solved(
                strategy=order.strategy,
                status=entry.status,
                stopped_because=entry.stopped_because,
                compute=compute,
                seconds=time.monotonic() - started,
            )
            before = record.details.get("compute", 0)
            record.details |= {"strategy": order.strategy, "solve": entry.status}
            record.details |= {"stopped": entry.stopped_because, "compute": before + compute}
            record.details |= {"user": order.user} if order.user else {}


@dataclass(slots=True)
class Entry:
    """How a solve ended; without a word of it the client has hung up."""

    status: str = _ABORTED
    stopped_because: str = "none"

    def take(self, event: Event) -> Solved | None:
        """Look for the end."""
        if not isinstance(event, Solved):
            return None
        self.status = event.solution.status
        self.stopped_because = event.solution.receipt.stopped_because
        return event

    def failed(self, error: ItsAgentError) -> None:
        """Note that there is no answer."""
        self.status = "failed"
        if isinstance(error, SolveFailed):
            self.stopped_because = error.receipt.stopped_because
