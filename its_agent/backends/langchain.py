"""Any LangChain chat model as a backend: one call a sample, counted by the model's own usage."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextvars import Context
from typing import Any, Literal

from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, convert_to_messages
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.runnables import Runnable
from pydantic import ValidationError

from its_agent.backends.endpoint import retry_after
from its_agent.backends.estimate import estimate_prompt, estimate_tokens
from its_agent.backends.protocol import Capability, Delta, Offer, Request, StreamItem, Tokens
from its_agent.backends.wire import Logprobs
from its_agent.errors import (
    BackendError,
    BackendGarbled,
    BackendLost,
    BackendRefused,
    BackendUnreachable,
    InvalidOption,
    ItsAgentError,
    PromptTooLong,
)
from its_agent.receipt import Fingerprint
from its_agent.tool_calls import CallPiece

_REASONS = ("finish_reason", "stop_reason", "done_reason", "stopReason")
_CUT_OFF = frozenset(
    {"length", "max_tokens", "max_output_tokens", "model_length", "content_filter"}
)
_EXCERPT = 200


class LangChainBackend:
    """Samples from a chat model, which stays the caller's: it is neither configured nor closed.

    A request sets `temperature`, `max_tokens`, `stop`, its tools, and what is in its `sampling`;
    `top_p` is the model's own, unless it is there. Chat models
    cut a stop string off, so it is not part of the text here. Give the model `max_retries=0`, as
    nobody counts what a hidden retry used, and ChatOpenAI `stream_usage=True`: without usage the
    tokens are estimated. Calls do not inherit the host's callbacks, such as those of
    `get_usage_metadata_callback`, since a host that reports what a solve used would count them
    twice; callbacks of the model itself see them. Closing a stream cancels its call, which a
    model without async code notices only at its next piece. Raises InvalidOption.
    """

    def __init__(
        self,
        chat_model: BaseChatModel,
        *,
        relative_cost: float = 1.0,
        context_length: int | None = None,
    ) -> None:
        """`context_length` is in tokens; None where it is not known."""
        if not 0 < relative_cost < float("inf"):
            raise InvalidOption(f"relative_cost must be greater than 0, got {relative_cost!r}")
        self.relative_cost = relative_cost
        self._chat_model = chat_model
        self._fingerprint = Fingerprint(
            model=_name(chat_model), backend="langchain", context_length=context_length
        )

    def __repr__(self) -> str:
        return f"LangChainBackend({self._fingerprint.model!r})"

    async def offer(self) -> Offer:
        """Say what the chat model is; it tells log-probabilities if its `logprobs` is set."""
        tells = bool(getattr(self._chat_model, "logprobs", None))
        capabilities: frozenset[Capability] = frozenset({"logprobs"} if tells else ())
        return Offer(fingerprint=self._fingerprint, capabilities=capabilities)

    async def count_prompt(self, request: Request) -> int:
        """Estimate the prompt's tokens from above; the usage of the answer tells the true number.

        LangChain's own counters download a vocabulary, or use that of another model.
        """
        return estimate_prompt(request.messages, request.tools)

    async def supply(self, request: Request) -> int | None:
        """Tell of no limit."""
        return None

    async def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        """Yield the pieces of one sample, then the counts if the model tells them.

        Raises InvalidOption for what chat models have no common way to ask for, PromptTooLong, or
        a BackendError with the model's own error as its cause.
        """
        _check(request)
        pieces: asyncio.Queue[AIMessage | None] = asyncio.Queue()
        call = asyncio.create_task(self._call(request, pieces.put_nowait), context=Context())
        call.add_done_callback(lambda _: pieces.put_nowait(None))
        answer = _Answer(request)
        try:
            while (piece := await pieces.get()) is not None:
                delta = answer.take(piece)
                if delta.text or delta.calls or delta.logprobs:
                    yield delta
            await call
        finally:
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        yield answer.end
        if answer.tokens is not None:
            yield answer.tokens

    async def aclose(self) -> None:
        """Do nothing: the chat model belongs to the caller."""

    async def _call(self, request: Request, put: Callable[[AIMessage], None]) -> None:
        """Run in a task of its own, so that a cancellation meets the model and not our `yield`."""
        try:
            async for piece in _with_tools(self._chat_model, request).astream(
                convert_to_messages([dict(message) for message in request.messages]),
                stop=list(request.stop) or None,
                temperature=request.temperature,
                max_tokens=request.max_tokens,
                **request.sampling,
            ):
                put(piece)
        except Exception as error:  # Integrations share no base class of errors.
            raise _translated(error, self._fingerprint.model) from error


class _Answer:
    """Reads the pieces of one answer."""

    def __init__(self, request: Request) -> None:
        self._most = request.max_tokens
        self._usage: UsageMetadata | None = None
        self._counted = 0
        self._uncounted = 0
        self._reason: str | None = None

    def take(self, piece: AIMessage) -> Delta:
        """Return what one piece adds. Raises BackendGarbled."""
        text, logprobs = str(piece.text), _logprobs(piece.response_metadata)
        calls = _call_pieces(piece)
        self._reason = _reason(piece.response_metadata) or self._reason
        self._counted += len(logprobs)
        written = text + "".join(call.name + call.arguments for call in calls)
        self._uncounted += 0 if logprobs else estimate_tokens(written)
        if piece.usage_metadata is not None:
            self._add(piece.usage_metadata)
        return self._delta(text=text, calls=calls, logprobs=logprobs)

    @property
    def end(self) -> Delta:
        """How the sample ended. One that does not tell and is as long as it may be was cut off."""
        full = self._reason is None and self._counted >= self._most
        return self._delta(finish="length" if full or self._reason in _CUT_OFF else "stop")

    @property
    def tokens(self) -> Tokens | None:
        """The model's own count; None where it told none, or one without a prompt."""
        usage = self._usage
        if usage is None or not usage["input_tokens"]:
            return None
        return Tokens(
            prompt=usage["input_tokens"],
            cached_prompt=usage.get("input_token_details", {}).get("cache_read") or 0,
            completion=usage["output_tokens"],
        )

    def _add(self, usage: UsageMetadata) -> None:
        """Pieces tell their own part, and one of them the prompt; a piece that tells the prompt
        once more tells all so far."""
        known = self._usage
        again = known is not None and known["input_tokens"] and usage["input_tokens"]
        self._usage = usage if again else add_usage(known, usage)
        if self._usage["output_tokens"]:
            self._counted, self._uncounted = self._usage["output_tokens"], 0

    def _delta(
        self,
        *,
        text: str = "",
        calls: tuple[CallPiece, ...] = (),
        logprobs: tuple[float, ...] = (),
        finish: Literal["stop", "length"] | None = None,
    ) -> Delta:
        estimate = min(self._counted + self._uncounted, self._most)
        return Delta(
            index=0,
            text=text,
            calls=calls,
            logprobs=logprobs,
            tokens=max(self._counted, estimate),
            estimated=bool(self._uncounted) or not self._counted,
            finish=finish,
        )


def _name(chat_model: BaseChatModel) -> str:
    named: object = getattr(chat_model, "model_name", None) or getattr(chat_model, "model", None)
    return str(named or type(chat_model).__name__)


def _check(request: Request) -> None:
    asked = {
        "several samples (n)": request.n != 1,
        "a schema": request.schema is not None,
        "choices": bool(request.choices),
        "top_logprobs": request.top_logprobs > 0,
        "continue_partial": request.continue_partial,
    }
    impossible = ", ".join(name for name, is_asked in asked.items() if is_asked)
    if impossible:
        raise InvalidOption(
            f"a LangChain chat model cannot be asked for {impossible}; use a vLLM server for it"
        )


def _with_tools(
    chat_model: BaseChatModel, request: Request
) -> Runnable[LanguageModelInput, AIMessage]:
    """The model with the request's tools, chosen among in the words that integrations share."""
    if not request.tools:
        return chat_model
    choice = request.tool_choice
    named: object = choice["function"]["name"] if isinstance(choice, Mapping) else choice
    asked = {
        "tool_choice": "any" if named == "required" else named,
        "parallel_tool_calls": request.parallel_calls,
    }
    said: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    return chat_model.bind_tools([dict(tool) for tool in request.tools], **said)


def _call_pieces(piece: AIMessage) -> tuple[CallPiece, ...]:
    """The calls in a piece; a model that does not stream tells them whole."""
    if isinstance(piece, AIMessageChunk):
        return tuple(
            CallPiece(
                index=place if isinstance(place := chunk["index"], int) else at,
                id=chunk["id"] or "",
                name=chunk["name"] or "",
                arguments=chunk["args"] or "",
            )
            for at, chunk in enumerate(piece.tool_call_chunks)
        )
    whole = [(one["id"], one["name"], json.dumps(one["args"])) for one in piece.tool_calls]
    broken = [(one["id"], one["name"], one["args"]) for one in piece.invalid_tool_calls]
    return tuple(
        CallPiece(index=at, id=id or "", name=name or "", arguments=arguments or "")
        for at, (id, name, arguments) in enumerate([*whole, *broken])
    )


def _logprobs(metadata: Mapping[str, Any]) -> tuple[float, ...]:
    """Log-probabilities in OpenAI's form; no other is read. Raises BackendGarbled."""
    told = metadata.get("logprobs")
    if not isinstance(told, dict):
        return ()
    try:
        content = Logprobs.model_validate(told, strict=False).content
    except ValidationError as error:
        raise BackendGarbled(
            f"the chat model told no log-probabilities but {told!r:.200}"
        ) from error
    return tuple(token.logprob for token in content or ())


def _reason(metadata: Mapping[str, Any]) -> str | None:
    """Why an answer ended, whatever the integration calls it."""
    details = metadata.get("incomplete_details")
    told = [metadata.get(name) for name in _REASONS]
    told += [details.get("reason")] if isinstance(details, dict) else []
    return next((str(reason).lower() for reason in told if reason), None)


def _translated(error: Exception, model: str) -> ItsAgentError:
    said = " ".join(f"{type(error).__name__}: {error}".split())[:_EXCERPT]
    if isinstance(error, ContextOverflowError):
        return PromptTooLong(f"{model} refused the prompt: {said}; shorten the problem")
    status: object = getattr(error, "status_code", None)
    if isinstance(status, int):
        headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
        wait = retry_after(headers.get("retry-after"))
        return BackendRefused(
            f"{model} answered with status {status}: {said}", status=status, retry_after=wait
        )
    causes = tuple(_causes(error))
    if any(isinstance(cause, (ConnectionRefusedError, socket.gaierror)) for cause in causes):
        return BackendUnreachable(f"nothing answers where {model} is looked for: {said}")
    if any(isinstance(cause, OSError) for cause in causes):
        return BackendLost(f"{model} went away in the middle of an answer: {said}")
    return BackendError(f"{model} failed: {said}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
