"""Reward models on a vLLM server that runs a pooling model: labels of a text, or of its tokens.

The server needs `--runner pooling`, and none of `--stream-interval`, with which vLLM 0.32 dies at
the first such request.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from its_agent.backends.connection import Connection, check_positive, checked_headers
from its_agent.backends.endpoint import Endpoint
from its_agent.backends.server import ModelServer
from its_agent.backends.wire import Classified, Detokenized, Pooled, PromptCount
from its_agent.budget import Usage, compute_units
from its_agent.errors import BackendGarbled
from its_agent.solution import Message

SILENCE_SECONDS = 600.0

Logits: TypeAlias = tuple[float, ...]
"""One number for each label, before softmax or sigmoid."""


class PoolingBackend:
    """A classifier of texts, such as a reward model, on a vLLM server with `--runner pooling`.

    `base_url`, `model`, `timeout`, `max_concurrency` and `relative_cost` are those of VLLMBackend.
    Texts go out as tokens, so that what is counted beforehand is what is read. Errors are
    PromptTooLong, UnknownModel and BackendErrors; nothing is retried. Raises InvalidOption.
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
        chat_template_kwargs: Mapping[str, Any] | None = None,
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
        self._asked_model = model
        self._relative_cost = relative_cost
        self._template = dict(chat_template_kwargs or {})

    def __repr__(self) -> str:
        return f"PoolingBackend({self._endpoint.shown!r}, model={self._asked_model!r})"

    @property
    def relative_cost(self) -> float:
        """Compute units that one token of this model costs."""
        return self._relative_cost

    def cost(self, tokens: int) -> Usage:
        """What one text of so many tokens costs."""
        compute = compute_units(
            prompt=tokens, cached=0, completion=0, relative_cost=self._relative_cost
        )
        return Usage(prompt_tokens=tokens, requests=1, compute=compute)

    async def tokenize(
        self, messages: Sequence[Message], *, whole: bool = False
    ) -> tuple[int, ...]:
        """The tokens of a conversation, which ends in the middle of its last message unless it is
        `whole`; costs nothing."""
        template = {"chat_template_kwargs": self._template} if self._template else {}
        return await self._server.tokenize(
            {
                "messages": [dict(message) for message in messages],
                "add_generation_prompt": False,
                "continue_final_message": not whole,
                **template,
            }
        )

    async def tokenize_mark(self, mark: str) -> tuple[int, ...]:
        """The tokens of a bare text, without template and special tokens; costs nothing."""
        return await self._server.tokenize({"prompt": mark, "add_special_tokens": False})

    async def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of tokens, special ones included; costs nothing."""
        body = {"tokens": list(tokens)}
        return (await self._server.ask("/detokenize", body, Detokenized, what="a text")).prompt

    async def label_tokens(self, tokens: Sequence[int]) -> tuple[tuple[Logits, ...], Usage]:
        """Label every token, by `/pooling` with the task `token_classify`.

        A model that vLLM pools by steps (`--pooler-config` with a `step_tag_id`) labels the tokens
        that end a step, and no others.
        """
        started = time.monotonic()
        body = {"input": list(tokens), "task": "token_classify", "use_activation": False}
        answer = await self._server.ask("/pooling", body, Pooled, what="labels of tokens")
        usage = self._usage(tokens, answer.usage, len(answer.data), started)
        return answer.data[0].data, usage

    async def label_text(self, tokens: Sequence[int]) -> tuple[Logits, Usage]:
        """Label the text, by `/classify`."""
        started = time.monotonic()
        body = {"input": list(tokens), "use_activation": False}
        answer = await self._server.ask("/classify", body, Classified, what="labels of a text")
        usage = self._usage(tokens, answer.usage, len(answer.data), started)
        return answer.data[0].probs, usage

    async def aclose(self) -> None:
        """Let go of connections; a later call opens new ones."""
        await self._connection.aclose()

    def _usage(self, tokens: Sequence[int], told: PromptCount, texts: int, started: float) -> Usage:
        if texts != 1 or told.prompt_tokens != len(tokens):
            raise BackendGarbled(
                f"{self._endpoint.shown} labelled {texts} texts of {told.prompt_tokens} tokens, "
                f"and was sent 1 of {len(tokens)}"
            )
        return self.cost(len(tokens)) + Usage(seconds=time.monotonic() - started)
