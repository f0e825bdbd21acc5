"""The gate: every request gets an id and a line in the log, and none comes in unasked."""

from __future__ import annotations

import time
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from its_agent.integrations.gateway.metrics import Metrics
from its_agent.integrations.gateway.record import Record, request_id
from its_agent.integrations.gateway.refusal import Refusal
from its_agent.integrations.gateway.tenants import Tenants

OPEN_PATHS = ("/health", "/openapi.json")
"""Pages that need no key."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


class Gate:
    """Lets requests through to `app` that show a key, where keys are asked for.

    `hosts` are the names that clients may call the gateway by; without any all are taken. With
    them a page of somebody else's cannot reach a gateway of this machine under a name of its own.
    """

    def __init__(
        self,
        app: ASGIApp,
        tenants: Tenants,
        metrics: Metrics,
        *,
        paths: Collection[str],
        hosts: Collection[str] = (),
    ) -> None:
        self._app = app
        self._tenants = tenants
        self._metrics = metrics
        self._paths = paths
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = self._record(scope)
        started = time.monotonic()

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = record.id
            await send(message)

        try:
            await self._admitted(scope, receive, stamped, record)
        finally:
            record.tell(time.monotonic() - started)

    def _record(self, scope: Scope) -> Record:
        path, method = scope["path"], scope["method"]
        return Record(
            id=request_id(Headers(scope=scope).get("x-request-id")),
            method=method if method in METHODS else "other",
            path=path if path in self._paths else "other",
        )

    async def _admitted(self, scope: Scope, receive: Receive, send: Send, record: Record) -> None:
        headers = Headers(scope=scope)
        try:
            self._check_host(headers.get("host", ""))
            if scope["path"] not in OPEN_PATHS:
                tenant = self._tenants.of(headers.get("authorization"))
                record.details["key"] = tenant.name.replace(" ", "_")
                scope.setdefault("state", {})["tenant"] = tenant
        except Refusal as refusal:
            answer = refused(refusal, self._metrics)
            await answer(scope, receive, send)
            return
        scope.setdefault("state", {})["record"] = record
        await self._app(scope, receive, send)

    def _check_host(self, host: str) -> None:
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        if self._hosts and name.lower() not in self._hosts:
            raise Refusal(
                403, "this gateway goes by another name: call it localhost", code="unknown_host"
            )


def refused(refusal: Refusal, metrics: Metrics) -> JSONResponse:
    """The answer that a refusal is, counted."""
    metrics.refused(refusal.status, refusal.code)
    return JSONResponse(refusal.body, refusal.status, headers=refusal.headers)
