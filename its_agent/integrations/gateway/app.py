"""The gateway as an ASGI application: its pages, its gate, and what errors come to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from its_agent.agent import Agent
from its_agent.errors import ItsAgentError
from its_agent.integrations.gateway.chat import Chat
from its_agent.integrations.gateway.gate import Gate, refused
from its_agent.integrations.gateway.keys import Key
from its_agent.integrations.gateway.metrics import Metrics
from its_agent.integrations.gateway.options import GatewayOptions
from its_agent.integrations.gateway.pages import Pages
from its_agent.integrations.gateway.record import Record
from its_agent.integrations.gateway.refusal import Refusal, refusal_of
from its_agent.integrations.gateway.tenants import Tenants

CHAT_PATH = "/v1/chat/completions"


def gateway(
    agent: Agent,
    options: GatewayOptions | None = None,
    *,
    keys: Sequence[Key] = (),
    hosts: Collection[str] = (),
) -> ASGIApp:
    """Make an application that answers with this agent, and closes it at its end.

    Its settings hold where a request has none; its checks, scorers and profile hold for all.
    Without keys anybody may ask. `hosts` are the names that clients may call it by; without any
    all are taken.
    """
    metrics = Metrics()
    routes = _routes(agent, options or GatewayOptions(), metrics)
    failures = _Failures(metrics)

    @asynccontextmanager
    async def owning(app: Starlette) -> AsyncGenerator[None]:
        async with agent:
            yield

    inner = Starlette(
        routes=routes,
        lifespan=owning,
        exception_handlers={
            ItsAgentError: failures.known,
            HTTPException: failures.by_status,
            Exception: failures.unknown,
        },
    )
    paths = frozenset(route.path for route in routes)
    return Gate(inner, Tenants(keys), metrics, paths=paths, hosts=hosts)


def _routes(agent: Agent, options: GatewayOptions, metrics: Metrics) -> list[Route]:
    pages = Pages(agent.backend, metrics)
    return [
        Route(CHAT_PATH, Chat(agent, options, metrics), methods=["POST"]),
        Route("/v1/models", pages.models),
        Route("/v1/models/{model:path}", pages.model),
        Route("/health", pages.health),
        Route("/metrics", pages.metrics),
        Route("/openapi.json", pages.description),
    ]


class _Failures:
    """Answers what was not answered, in OpenAI's shape."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def known(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, ItsAgentError)
        refusal = refusal_of(error)
        if refusal.status >= 500:
            _record(request).failed(error)
        return refused(refusal, self._metrics)

    async def by_status(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        said = {404: "there is no such page", 405: "this page does not take that method"}
        message = said.get(error.status_code, error.detail)
        code = "not_found" if error.status_code == 404 else "invalid_request"
        answer = refused(Refusal(error.status_code, message, code=code), self._metrics)
        answer.headers.update(error.headers or {})
        return answer

    async def unknown(self, request: Request, error: Exception) -> Response:
        _record(request).failed(error)
        refusal = Refusal(500, "the gateway failed; its log has the request's id", code="internal")
        return refused(refusal, self._metrics)


def _record(request: Request) -> Record:
    record: Record = request.state.record
    return record
