"""Any vLLM server, through its OpenAI-compatible API: streamed, counted, and aborted by closing."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

from its_agent.backends.chat import ChatReader, chat_body, prompt_body
from its_agent.backends.connection import Connection, check_positive, checked_headers
from its_agent.backends.endpoint import Endpoint
from its_agent.backends.estimate import estimate_prompt
from its_agent.backends.prompt_counts import PromptCounts
from its_agent.backends.prompt_logprobs import read_prompt, tokenized_text
from its_agent.backends.protocol import (
    ALL_CAPABILITIES,
    Offer,
    PromptBound,
    Request,
    StreamItem,
)
from its_agent.backends.sampling import checked_sampling
from its_agent.backends.server import ModelServer
from its_agent.backends.text_reader import TextRead, TextTokens
from its_agent.backends.wire import TokenCount, Version
from its_agent.backends.written_calls import WrittenCalls, may_call
from its_agent.errors import BackendGarbled, BackendRefused, CannotDo
from its_agent.receipt import Fingerprint
from its_agent.solution import Message

SILENCE_SECONDS = 600.0
"""Long enough for a request that waits in the engine's queue."""
_NO_PAGE = (404, 405, 501)
_REFUSALS = (400, 422)
_UNABLE: Mapping[str, re.Pattern[str]] = {
    "stream_options": re.compile(r"stream_options|continuous_usage_stats"),
    "top_logprobs": re.compile(r"top_logprobs"),
    "logprobs": re.compile(r"logprobs"),
    "thinking_budget": re.compile(r"thinking_token_budget"),
    "structured": re.compile(r"response_format|structured_outputs|json_schema"),
    "continue_partial": re.compile(r"continue_final_message"),
    "n": re.compile(r"\bn\b"),
}
"""What a server's refusal speaks of when it lacks a capability."""
_OF_A_SCHEMA = re.compile(r"grammar|json schema|invalid (json )?schema", re.IGNORECASE)
"""What a refusal speaks of that is about one schema, which it may quote, and not about all."""


class VLLMBackend:
    """Samples from a vLLM server; closing a stream closes its connection, which aborts it.

    `base_url` is taken with or without `/v1`. `model` defaults to the only one served. `sampling`
    goes out with every request as it is, but a request's own temperature wins. `timeout` is the
    longest silence in seconds, waiting in the engine's queue included, `max_concurrency` the most
    streams open at once, and the most solves of one agent under way; further ones wait. Nothing is
    retried here, and no `seed` is ever sent. What the server refuses because it lacks a capability
    is not asked for again; that it refuses one schema says nothing of others. Raises InvalidOption.
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
    ) -> None:
        check_positive(
            timeout=timeout, relative_cost=relative_cost, max_concurrency=max_concurrency
        )
        key = api_key.strip() if api_key else None
        self._endpoint = Endpoint(base_url, secret=key)
        self._connection = Connection(
            self._endpoint,
            headers=checked_headers(headers, key),
            timeout=timeout,
            max_concurrency=max_concurrency,
        )
        self._server = ModelServer(self._connection, self._endpoint, model)
        self._max_concurrency = max_concurrency
        self._asked_model = model
        self._relative_cost = relative_cost
        self._sampling = checked_sampling(sampling)
        self._template = dict(chat_template_kwargs or {})
        self._dtype = dtype
        self._offer: Offer | None = None
        self._system_fingerprint: str | None = None
        self._counts = PromptCounts()
        self._lacks: set[str] = set()

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
            fingerprint = await self._fingerprint()
            self._offer = Offer(
                fingerprint=fingerprint,
                capabilities=frozenset(c for c in ALL_CAPABILITIES if c not in self._lacks),
                concurrency=self._max_concurrency,
            )
        if self._offer.fingerprint.system_fingerprint != self._system_fingerprint:
            stamped = replace(self._offer.fingerprint, system_fingerprint=self._system_fingerprint)
            self._offer = replace(self._offer, fingerprint=stamped)
        return self._offer

    async def count_prompt(self, request: Request) -> int:
        """Count the request's prompt tokens by `/tokenize`, chat template included, unless they are
        known; estimate them where the server has no such page."""
        if "count_prompt" in self._lacks:
            return estimate_prompt(request.messages, request.tools)
        count = self._counts.of(request)
        if count is None:
            count = await self._tokenize(prompt_body(request, self._template))
            if count is None:
                return estimate_prompt(request.messages, request.tools)
            self._counts.keep(request, count)
        return count

    def prompt_bound(self, request: Request) -> PromptBound | None:
        """Tell the prompt's tokens where they are known, else a bound that follows from a prompt
        that was counted and differs in the last message alone."""
        return self._counts.bound(request)

    async def count_text(self, text: str) -> int | None:
        """Count a text's tokens by `/tokenize`; None where the server has no such page."""
        if "count_prompt" in self._lacks:
            return None
        return await self._tokenize({"prompt": text, "add_special_tokens": False})

    async def supply(self, request: Request) -> int | None:
        """An engine has no end of samples."""
        return None

    async def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        """Generate; yields Deltas, then Tokens where the server tells them. What a reasoning parser
        splits off is told as thinking, and calls that were written as text as calls.

        Raises PromptTooLong, UnknownModel, InvalidOption or a BackendError.
        """
        body = chat_body(
            request, sampling=self._sampling, template=self._template, lacks=self._lacks
        )
        named = {"model": await self._server.name(), **body}
        refuse = partial(self._refuse, request)
        reader = ChatReader(request, self._endpoint)
        answer = self._connection.events(
            "/v1/chat/completions", named, refuse=refuse, is_whole=lambda: reader.is_whole
        )
        calls = WrittenCalls() if may_call(request) else None
        try:
            async with aclosing(answer) as events:
                async for event in events:
                    for delta in reader.read(event):
                        yield calls.read(delta) if calls else delta
        finally:
            if reader.prompt_tokens is not None:
                self._counts.told(request, reader.prompt_tokens)
        self._system_fingerprint = reader.system_fingerprint or self._system_fingerprint
        tokens = reader.tokens()
        if tokens is not None:
            yield tokens

    async def tokenize_text(
        self, messages: Sequence[Message], *, end_of_turn: bool = False
    ) -> TextTokens:
        """Find the tokens of the last message, by this model's own chat template."""
        return await tokenized_text(self._server, messages, self._template, end_of_turn=end_of_turn)

    async def read_text(self, text: TextTokens) -> TextRead:
        """Tell the log-probabilities of the answer's tokens.

        Raises PromptTooLong, UnknownModel or a BackendError.
        """
        return await read_prompt(
            self._server, self._endpoint, text, relative_cost=self._relative_cost
        )

    async def aclose(self) -> None:
        """Let go of connections; a later call opens new ones."""
        await self._connection.aclose()

    async def _refuse(self, request: Request, status: int, body: str, wait: float | None) -> None:
        await self._server.check_model(status)
        refusal = self._endpoint.refusal(status, body, retry_after=wait)
        if status in _REFUSALS and isinstance(refusal, BackendRefused):
            said = str(refusal)
            if _is_structured(request) and _OF_A_SCHEMA.search(said):
                raise CannotDo(said, status=status, capability="structured")
            unable = self._unable(request, said)
            if unable is not None:
                self._lack(unable)
                raise CannotDo(said, status=status, capability=unable)
        raise refusal

    def _unable(self, request: Request, said: str) -> str | None:
        """Name the capability that a refusal speaks of, if this request made use of it."""
        used = {
            "stream_options": True,
            "top_logprobs": request.top_logprobs > 0,
            "logprobs": request.logprobs,
            "thinking_budget": request.thinking_tokens is not None,
            "structured": _is_structured(request),
            "continue_partial": request.continue_partial,
            "n": request.n > 1,
        }
        for capability, pattern in _UNABLE.items():
            if used[capability] and capability not in self._lacks and pattern.search(said):
                return capability
        return None

    def _lack(self, capability: str) -> None:
        self._lacks.add(capability)
        if self._offer is not None:
            left = frozenset(c for c in self._offer.capabilities if c != capability)
            self._offer = replace(self._offer, capabilities=left)

    async def _fingerprint(self) -> Fingerprint:
        model = await self._server.model()
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
        page = await self._connection.get("/version")
        if not page.is_success:
            return None
        try:
            told = self._endpoint.read(Version, page.text, what="a version")
        except BackendGarbled:
            return None
        return f"vllm {told.version}"

    async def _tokenize(self, body: Mapping[str, Any]) -> int | None:
        try:
            told = await self._server.ask("/tokenize", body, TokenCount, what="a token count")
        except BackendRefused as error:
            if error.status not in _NO_PAGE:
                raise
            self._lack("count_prompt")
            return None
        return told.count


def _is_structured(request: Request) -> bool:
    return bool(request.choices) or request.schema is not None
