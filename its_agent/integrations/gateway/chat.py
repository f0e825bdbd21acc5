"""POST /v1/chat/completions: from a request to an answer, whole or streamed."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, aclosing, contextmanager

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from its_agent.agent import Agent
from its_agent.errors import ItsAgentError
from its_agent.integrations.gateway.body import read_body
from its_agent.integrations.gateway.completion import Completion, Ended
from its_agent.integrations.gateway.hang_up import HungUp, unless_hung_up
from its_agent.integrations.gateway.metrics import Metrics
from its_agent.integrations.gateway.options import GatewayOptions
from its_agent.integrations.gateway.order import Order, order_of
from its_agent.integrations.gateway.parameters import read_request
from its_agent.integrations.gateway.record import Record
from its_agent.integrations.gateway.refusal import Refusal
from its_agent.integrations.gateway.side_by_side import side_by_side
from its_agent.integrations.gateway.solving import Books, Entry, Solving, solving
from its_agent.integrations.gateway.stream import Stream
from its_agent.integrations.gateway.tenants import Tenant

BUSY_SECONDS = 1
HUNG_UP = 499
"""What the log calls a request whose client did not wait."""


class Chat:
    """Solves for clients, as many at once as the operator allows."""

    def __init__(self, agent: Agent, options: GatewayOptions, metrics: Metrics) -> None:
        self._agent = agent
        self._options = options
        self._books = Books(metrics)
        self._taken = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises Refusal or another ItsAgentError."""
        request = Request(scope, receive)
        tenant: Tenant = request.state.tenant
        record: Record = request.state.record
        try:
            with self._place():
                tenant.admit()
                body = await self._body(request)
                await unless_hung_up(receive, self._answer(body, request, tenant, record, send))
        except HungUp:
            record.status = HUNG_UP

    async def _body(self, request: Request) -> bytes:
        options = self._options
        return await read_body(request, most=options.body_bytes, seconds=options.body_seconds)

    async def _answer(
        self, body: bytes, request: Request, tenant: Tenant, record: Record, send: Send
    ) -> None:
        order = await self._order(body, request)
        solves = [solving(self._agent, order, tenant) for _ in range(order.choices)]
        with ExitStack() as books:
            entries = [books.enter_context(self._books.entry(one, record)) for one in solves]
            if order.stream:
                stream = Stream(solves, entries, record, keep_alive=self._options.keep_alive)
                await stream.tell(send)
                return
            answer = await _whole(solves, entries, order)
        await answer(request.scope, request.receive, send)

    async def _order(self, body: bytes, request: Request) -> Order:
        asked = read_request(body)
        offer = await self._agent.backend.offer()
        return order_of(asked, request.headers, self._options, model=offer.fingerprint.model)

    @contextmanager
    def _place(self) -> Generator[None]:
        if self._taken >= self._options.concurrency:
            raise Refusal(
                503,
                f"{self._taken} requests are being answered, and that is the most; try again",
                code="too_many_requests_at_once",
                retry_after=BUSY_SECONDS,
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


async def _whole(solves: Sequence[Solving], entries: Sequence[Entry], order: Order) -> JSONResponse:
    ended = Ended(order=order)
    async with aclosing(side_by_side(solves)) as coming:
        async for told in coming:
            entry = entries[told.choice]
            try:
                if (solved := entry.take(told.what())) is not None:
                    ended.take(told.choice, solved)
            except ItsAgentError as error:
                entry.failed(error)
                ended.fail(told.choice, error)
    return JSONResponse(Completion(order=order).whole(ended))
