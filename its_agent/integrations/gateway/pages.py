"""The pages beside the chat: models, health, metrics, and what the gateway says of itself."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from its_agent.backends.protocol import Backend
from its_agent.backends.protocol import Request as Samples
from its_agent.errors import BackendError, ItsAgentError
from its_agent.integrations.gateway.metrics import CONTENT_TYPE, Metrics
from its_agent.integrations.gateway.openapi import openapi
from its_agent.integrations.gateway.refusal import Refusal, refusal_of

HEALTH_SECONDS = 5.0
"""An engine that takes longer to count a few tokens does not answer."""


class Pages:
    """What can be read of a gateway."""

    def __init__(self, backend: Backend, metrics: Metrics) -> None:
        self._backend = backend
        self._metrics = metrics
        self._openapi = openapi()

    async def models(self, request: Request) -> Response:
        """List the model that is served."""
        return JSONResponse({"object": "list", "data": [await self._model()]})

    async def model(self, request: Request) -> Response:
        """Tell of one model. Raises Refusal for any but the one that is served."""
        model = await self._model()
        if request.path_params["model"] != model["id"]:
            raise Refusal(
                404, "model: there is no such model", code="model_not_found", param="model"
            )
        return JSONResponse(model)

    async def health(self, request: Request) -> Response:
        """Say whether the engine answers."""
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                await self._backend.offer()
                # A prompt that nobody has counted yet, so that the engine itself is asked.
                asked = ({"role": "user", "content": uuid.uuid4().hex},)
                await self._backend.count_prompt(Samples(messages=asked, max_tokens=1))
        except TimeoutError:
            raise refusal_of(BackendError("silent")) from None
        except ItsAgentError as error:
            raise Refusal(
                503, str(refusal_of(error)), code="engine_unavailable", retry_after=5
            ) from error
        return JSONResponse({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """Tell all counters."""
        return Response(self._metrics.page(), headers={"Content-Type": CONTENT_TYPE})

    async def description(self, request: Request) -> Response:
        """Tell what may be asked."""
        return JSONResponse(self._openapi)

    async def _model(self) -> dict[str, Any]:
        engine = (await self._backend.offer()).fingerprint
        length = engine.context_length
        return {
            "id": engine.model,
            "object": "model",
            "created": 0,
            "owned_by": "its_agent",
            **({} if length is None else {"max_model_len": length}),
        }
