"""Any vLLM server, through its OpenAI-compatible API: streamed, counted, and aborted by closing."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import httpx

from its_agent.backends.chat import ChatReader, chat_body, prompt_body
from its_agent.backends.connection import Connection, checked_headers, encoded
from its_agent.backends.endpoint import Endpoint
from its_agent.backends.protocol import Offer, Request, StreamItem
from its_agent.backends.sampling import checked_sampling
from its_agent.backends.wire import ModelList, ServedModel, TokenCount, Version
from its_agent.errors import BackendGarbled, BackendRefused, InvalidOption, UnknownModel
from its_agent.receipt import Fingerprint

SILENCE_SECONDS = 120.0
_COUNTS_KEPT = 4_096
_NOT_FOUND = 404


class VLLMBackend:
    """Samples from a vLLM server; closing a stream closes its connection, which aborts it.

    `base_url` is taken with or without `/v1`. `model` defaults to the only one served. `sampling`
    goes out with every request as it is, but a request's own temperature wins. `timeout` is the
    longest silence in seconds, `max_concurrency` the most streams open at once; further ones
    wait. Nothing is retried, and no `seed` is ever sent. Raises InvalidOption.
    """

    def __init__(
        self,
        base_url: str,
        model: str | None = None,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = SILENCE_SECONDS,
        max_concurrency: int = 64,
        relative_cost: float = 1.0,
        sampling: Mapping[str, Any] | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        dtype: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        _check_positive(
            timeout=timeout, relative_cost=relative_cost, max_concurrency=max_concurrency
        )
        key = api_key.strip() if api_key else None
        self._endpoint = Endpoint(base_url, secret=key)
        self._connection = Connection(
            self._endpoint,
            headers=checked_headers(headers, key),
            timeout=timeout,
            max_concurrency=max_concurrency,
            transport=transport,
        )
        self._asked_model = model
        self._relative_cost = relative_cost
        self._sampling = checked_sampling(sampling)
        self._template = dict(chat_template_kwargs or {})
        self._dtype = dtype
        self._offer: Offer | None = None
        self._system_fingerprint: str | None = None
        self._counts: OrderedDict[bytes, int] = OrderedDict()

    def __repr__(self) -> str:
        return f"VLLMBackend({self._endpoint.shown!r}, model={self._asked_model!r})"

    @property
    def relative_cost(self) -> float:
        """Compute units that one token of this model costs."""
        return self._relative_cost

    @property
    def system_fingerprint(self) -> str | None:
        """What the engine stamped on its last whole answer."""
        return self._system_fingerprint

    async def offer(self) -> Offer:
        """Say what answers here; asked once, but for the system fingerprint.

        Raises BackendUnreachable, UnknownModel, or another BackendError for a wrong server.
        """
        if self._offer is None:
            self._offer = Offer(fingerprint=await self._fingerprint())
        stamped = replace(self._offer.fingerprint, system_fingerprint=self._system_fingerprint)
        return replace(self._offer, fingerprint=stamped)

    async def count_prompt(self, request: Request) -> int:
        """Count the request's prompt tokens by `/tokenize`, chat template included.

        Raises BackendRefused when the server has no such page.
        """
        body = prompt_body(request, self._template)
        key = hashlib.sha256(encoded(body)).digest()
        if key not in self._counts:
            self._counts[key] = await self._tokenize(body)
        self._counts.move_to_end(key)
        if len(self._counts) > _COUNTS_KEPT:
            self._counts.popitem(last=False)
        return self._counts[key]

    async def supply(self, request: Request) -> int | None:
        """An engine has no end of samples."""
        return None

    async def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        """Generate; yields Deltas, then Tokens. Text that a reasoning parser splits off is
        counted but not part of it.

        Raises PromptTooLong, UnknownModel, InvalidOption or a BackendError.
        """
        body = chat_body(request, sampling=self._sampling, template=self._template)
        named = {"model": await self._model(), **body}
        answer = self._connection.events("/v1/chat/completions", named, refuse=self._refuse)
        reader = ChatReader(request, self._endpoint)
        async with aclosing(answer) as events:
            async for event in events:
                for item in reader.read(event):
                    yield item
        self._system_fingerprint = reader.system_fingerprint or self._system_fingerprint
        yield reader.tokens()

    async def aclose(self) -> None:
        """Let go of connections; a later call opens new ones."""
        await self._connection.aclose()

    async def _refuse(self, status: int, body: str) -> None:
        if status == _NOT_FOUND and self._asked_model is not None:
            self._chosen(await self._served())
        raise self._endpoint.refusal(status, body)

    async def _served(self) -> tuple[ServedModel, ...]:
        response = await self._connection.get("/v1/models")
        if not response.is_success:
            raise self._endpoint.refusal(response.status_code, response.text)
        return self._endpoint.read(ModelList, response.text, what="a list of models").data

    def _chosen(self, served: tuple[ServedModel, ...]) -> ServedModel:
        names = ", ".join(model.id for model in served) or "none"
        wanted = [m for m in served if self._asked_model in (m.id, None)]
        if len(wanted) == 1:
            return wanted[0]
        if self._asked_model is None:
            raise UnknownModel(
                f"{self._endpoint.shown} serves {len(served)} models; name one of: {names}"
            )
        raise UnknownModel(
            f"{self._endpoint.shown} has no model {self._asked_model!r}; it serves: {names}"
        )

    async def _model(self) -> str:
        return self._asked_model or (await self.offer()).fingerprint.model

    async def _fingerprint(self) -> Fingerprint:
        model = self._chosen(await self._served())
        template = {"chat_template_kwargs": dict(self._template)} if self._template else {}
        return Fingerprint(
            model=model.id,
            backend="vllm",
            engine=await self._engine(),
            context_length=model.max_model_len,
            dtype=self._dtype,
            sampling={**self._sampling, **template},
        )

    async def _engine(self) -> str | None:
        response = await self._connection.get("/version")
        if not response.is_success:
            return None
        try:
            told = self._endpoint.read(Version, response.text, what="a version")
        except BackendGarbled:
            return None
        return f"vllm {told.version}"

    async def _tokenize(self, body: Mapping[str, Any]) -> int:
        named = {"model": await self._model(), **body}
        try:
            text = await self._connection.post("/tokenize", named, refuse=self._refuse)
        except BackendRefused as error:
            if error.status != _NOT_FOUND:
                raise
            raise BackendRefused(
                f"{self._endpoint.shown} has no /tokenize page, so prompts cannot be counted "
                "before they are paid for; give the address of vLLM itself",
                status=error.status,
            ) from error
        return self._endpoint.read(TokenCount, text, what="a token count").count


def _check_positive(**options: float) -> None:
    for name, value in options.items():
        if not (math.isfinite(value) and value > 0):
            raise InvalidOption(f"{name} must be greater than 0, got {value!r}")
