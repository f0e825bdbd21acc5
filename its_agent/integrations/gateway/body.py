"""The body of a request, as far as it is small enough and comes in time."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from its_agent.integrations.gateway.hang_up import HungUp
from its_agent.integrations.gateway.refusal import Refusal


async def read_body(request: Request, *, most: int, seconds: float) -> bytes:
    """Read it. Raises Refusal for one that is no JSON by its header, too large or too slow, and
    HungUp."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        # A page in a browser can send anything else here without asking first.
        raise Refusal(
            415, "send JSON, with Content-Type: application/json", code="unsupported_media_type"
        )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(seconds):
            return await _read(request, most)
    except TimeoutError:
        raise Refusal(408, f"the body did not come within {seconds:g} s", code="timeout") from None
    except ClientDisconnect:
        raise HungUp from None


async def _read(request: Request, most: int) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise _too_large(most)
    return bytes(body)


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"the body is larger than {most:,} bytes", code="request_too_large")
