"""Chat completions on the wire: the body of a request, and its streamed answer read back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from pydantic import ValidationError

from its_agent.backends.endpoint import Endpoint
from its_agent.backends.estimate import estimate_tokens
from its_agent.backends.protocol import Delta, Request, Tokens
from its_agent.backends.wire import Choice, ChosenToken, Chunk, ErrorBody, UsageCount
from its_agent.errors import InvalidOption, ItsAgentError

_FINISH: Mapping[str, Literal["stop", "length"]] = {
    "stop": "stop",
    "tool_calls": "stop",
    "length": "length",
    "repetition": "length",
    "content_filter": "length",
}
_DONE = "[DONE]"


def prompt_body(request: Request, template: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that decides the prompt's tokens. Raises InvalidOption for a continuation of
    something that is not an assistant message."""
    last = request.messages[-1].get("role") if request.messages else None
    if request.continue_partial and last != "assistant":
        raise InvalidOption(
            f"continue_partial continues an assistant message, but the last role is {last!r}"
        )
    if request.thinking is not None:
        template = {**template, "enable_thinking": request.thinking}
    return {
        "messages": [dict(message) for message in request.messages],
        "add_generation_prompt": not request.continue_partial,
        "continue_final_message": request.continue_partial,
        **({"tools": [dict(tool) for tool in request.tools]} if request.tools else {}),
        **({"chat_template_kwargs": dict(template)} if template else {}),
    }


def chat_body(
    request: Request,
    *,
    sampling: Mapping[str, Any],
    template: Mapping[str, Any],
    lacks: Collection[str] = (),
) -> dict[str, Any]:
    """The JSON of a streamed request, without the model; `sampling` is the caller's own, `lacks`
    names what the server has refused before.

    Raises InvalidOption for a request with both choices and a schema.
    """
    return {
        "top_p": request.top_p,
        **sampling,
        **request.sampling,
        **prompt_body(request, template),
        "temperature": request.temperature,
        "n": request.n,
        # A server that knows only one of the two would ignore the other and never end.
        "max_tokens": request.max_tokens,
        "max_completion_tokens": request.max_tokens,
        "stream": True,
        **_usage_and_logprobs(request, lacks),
        **_thinking_budget(request, lacks),
        **_stops(request),
        **_structure(request),
        **_calling(request),
    }


def _usage_and_logprobs(request: Request, lacks: Collection[str]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if "stream_options" not in lacks:
        body["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
    # Where no usage is streamed they are what tokens are counted by.
    wanted = request.logprobs or request.top_logprobs or "stream_options" in lacks
    if wanted and "logprobs" not in lacks:
        body["logprobs"] = True
        body["top_logprobs"] = request.top_logprobs
    return body


def _thinking_budget(request: Request, lacks: Collection[str]) -> dict[str, Any]:
    if request.thinking_tokens is None or "thinking_budget" in lacks:
        return {}
    return {"thinking_token_budget": request.thinking_tokens}


def _stops(request: Request) -> dict[str, Any]:
    if not request.stop:
        return {}
    return {"stop": list(request.stop), "include_stop_str_in_output": True}


def _calling(request: Request) -> dict[str, Any]:
    asked = {
        "tool_choice": request.tool_choice,
        "parallel_tool_calls": request.parallel_calls,
    }
    return {name: value for name, value in asked.items() if request.tools and value is not None}


def _structure(request: Request) -> dict[str, Any]:
    if request.choices and request.schema is not None:
        raise InvalidOption("a request takes either choices or a schema, not both")
    if request.choices:
        return {"structured_outputs": {"choice": list(request.choices)}}
    if request.schema is None:
        return {}
    named = {"name": "answer", "schema": dict(request.schema), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


class ChatReader:
    """Reads the events of one streamed answer; `tokens` ends it."""

    def __init__(self, request: Request, endpoint: Endpoint) -> None:
        self.system_fingerprint: str | None = None
        self._request = request
        self._endpoint = endpoint
        self._counts = [0] * request.n
        self._last_events = [""] * request.n
        self._counted_by_server: dict[int, UsageCount] = {}
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._usage: UsageCount | None = None
        self._prompts_told: set[int] = set()
        self._done = False

    def read(self, event: str) -> Iterable[Delta]:
        """Return what one event adds. Raises BackendGarbled, or what its error object says."""
        if event == _DONE:
            self._done = True
            return ()
        chunk = self._chunk(event)
        self.system_fingerprint = chunk.system_fingerprint or self.system_fingerprint
        if not chunk.choices:
            self._usage = chunk.usage or self._usage
        if chunk.usage is not None:
            self._prompts_told.add(chunk.usage.prompt_tokens)
        counted = chunk.usage if len(chunk.choices) == 1 else None
        deltas = (
            self._delta(choice, counted, event)
            for choice in chunk.choices
            if not self._is_repeated(choice, counted, event)
        )
        return [d for d in deltas if d.text or d.thinking or d.calls or d.logprobs or d.finish]

    @property
    def is_whole(self) -> bool:
        """Nothing more is to come, although the server may keep the connection open."""
        return self._usage is not None and len(self._finished) == self._request.n

    @property
    def prompt_tokens(self) -> int | None:
        """Tokens of the prompt as every event has them that tells any; None where there is none, or
        they disagree."""
        return next(iter(self._prompts_told)) if len(self._prompts_told) == 1 else None

    def tokens(self) -> Tokens | None:
        """The engine's count of the whole request; None where it told none.

        Raises BackendLost for a cut-off answer. A server that knows only one choice may have
        answered with that one.
        """
        n = self._request.n
        expected = max(1, len(self._seen)) if self._done else n
        if not (self._done or self.is_whole) or len(self._finished) < expected:
            raise self._endpoint.lost(f"{len(self._finished)} of {n} samples were finished")
        if self._usage is not None:
            details = self._usage.prompt_tokens_details
            return Tokens(
                prompt=self._usage.prompt_tokens,
                cached_prompt=(details.cached_tokens or 0) if details else 0,
                completion=self._usage.completion_tokens,
            )
        each = self._counted_by_server
        if len(each) < len(self._seen):
            return None
        prompt = max(count.prompt_tokens for count in each.values())
        return Tokens(
            prompt=prompt,
            cached_prompt=0,
            completion=sum(count.completion_tokens for count in each.values()),
        )

    def _is_repeated(self, choice: Choice, counted: UsageCount | None, event: str) -> bool:
        """Whether this was seen before: some proxies send a piece twice."""
        if not 0 <= choice.index < self._request.n:
            return False
        if choice.index in self._finished:
            return True
        # Without the running count of tokens, twice the same piece may be twice the same token.
        same = event == self._last_events[choice.index]
        self._last_events[choice.index] = event
        return same and counted is not None and counted.completion_tokens > 0

    def _chunk(self, event: str) -> Chunk:
        try:
            return Chunk.model_validate_json(event)
        except ValidationError as error:
            raise self._failure(event) from error

    def _failure(self, event: str) -> ItsAgentError:
        try:
            failed = ErrorBody.model_validate_json(event).error
        except ValidationError:
            return self._endpoint.garbled("a chat completion chunk", event)
        if isinstance(failed.code, int) and 400 <= failed.code < 500:
            return self._endpoint.refusal(failed.code, event)
        return self._endpoint.lost(self._endpoint.quote(failed.message))

    def _delta(self, choice: Choice, usage: UsageCount | None, event: str) -> Delta:
        if not 0 <= choice.index < self._request.n:
            raise self._endpoint.garbled(f"one of the {self._request.n} choices asked for", event)
        chosen = (choice.logprobs and choice.logprobs.content) or ()
        text, thinking, calls = (
            choice.delta.content or "",
            choice.delta.thinking,
            choice.delta.calls,
        )
        written = thinking + text + "".join(call.name + call.arguments for call in calls)
        self._seen.add(choice.index)
        if usage is not None:
            self._counted_by_server[choice.index] = usage
        estimated = usage is None and not chosen and bool(written)
        self._counts[choice.index] = self._count(choice.index, written, len(chosen), usage)
        return Delta(
            index=choice.index,
            text=text,
            thinking=thinking,
            calls=calls,
            logprobs=tuple(token.logprob for token in chosen),
            top_logprobs=self._alternatives(chosen),
            lengths=tuple(len(token.token) for token in chosen),
            tokens=self._counts[choice.index],
            estimated=estimated,
            finish=self._finish(choice, event),
        )

    def _count(self, index: int, text: str, chosen: int, usage: UsageCount | None) -> int:
        """Tokens of this choice so far: the server's count, else log-probabilities, else an upper
        estimate, which does not accuse the server of going too far."""
        before = self._counts[index]
        if usage is not None and usage.completion_tokens >= before:
            return usage.completion_tokens
        if chosen or not text:
            return before + chosen
        return max(before, min(self._request.max_tokens, before + estimate_tokens(text)))

    def _alternatives(self, chosen: Iterable[ChosenToken]) -> tuple[Mapping[str, float], ...]:
        return tuple(map(_by_text, chosen)) if self._request.top_logprobs else ()

    def _finish(self, choice: Choice, event: str) -> Literal["stop", "length"] | None:
        if choice.finish_reason is None:
            return None
        if choice.finish_reason == "abort":
            raise self._endpoint.lost("the engine aborted a sample")
        if choice.finish_reason not in _FINISH:
            raise self._endpoint.garbled(f"a finish_reason of {', '.join(_FINISH)}", event)
        self._finished.add(choice.index)
        return _FINISH[choice.finish_reason]


def _by_text(token: ChosenToken) -> Mapping[str, float]:
    """Log-probability by text; of tokens that read the same, the likeliest counts."""
    listed = sorted(token.top_logprobs or (), key=lambda alternative: alternative.logprob)
    return {alternative.token: alternative.logprob for alternative in listed}
