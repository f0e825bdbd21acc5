"""ChatITS: solves behind LangChain's chat model interface, each answer inside one budget."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr
from typing_extensions import override

from its_agent import loop
from its_agent.agent import Agent
from its_agent.backends.connect import connect_all
from its_agent.backends.langchain import LangChainBackend
from its_agent.backends.protocol import Backend
from its_agent.backends.vllm import VLLMBackend
from its_agent.budget import DEFAULT_COMPUTE, Budget
from its_agent.calling.turn import call, policy_for_calls
from its_agent.calling.votes import Called
from its_agent.errors import InvalidOption
from its_agent.events import Event, Sink
from its_agent.integrations.apart import begun_apart
from its_agent.integrations.chat_call import ChatCall, content_of, limited, read_call
from its_agent.integrations.chat_messages import last_chunk, reply
from its_agent.integrations.chat_options import checked_options, connected
from its_agent.integrations.closing import ClosedWithLoop
from its_agent.integrations.live_answer import LiveAnswer
from its_agent.integrations.progress import heartbeat
from its_agent.integrations.structured import Method, Schema, choice_of, function_of, structured
from its_agent.ledger import Ledger
from its_agent.run_options import RunOptions


class ChatITS(BaseChatModel):
    """A chat model whose every answer is a solve.

    `backend` is what Agent takes: a base URL (with `model` and `api_key`), a Backend or any
    LangChain chat model; None takes ITS_BASE_URL, else a running embedded engine. `agent` options
    of the same names go to the Agent: verifiers, exemplars, thinking, estimate, steps, step_score,
    prices, on_event, and `calibrated_profile` for its `profile`.

    With tools bound, samples are taken within the budget and vote on what to call. What a call
    asks for is used or refused with an InvalidOption that names it. The receipt, as plain data, is
    in `response_metadata["receipt"]`; `usage_metadata` has every token of the solve. A strategy of
    a single pass streams its text; the others stream empty pieces and `its_progress` events while
    they work, and then the answer. Connections end with their event loop, or with `aclose`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    backend: Any = None
    model: str | None = None
    """Name of a model at a base URL; the only one served, where none is given."""
    api_key: SecretStr | None = None
    strategy: str = "adaptive"
    max_compute_budget: int | Budget = DEFAULT_COMPUTE
    """Compute units of one answer, or a Budget."""
    max_tokens: int = 512
    """Most tokens of one sample."""
    temperature: float | None = None
    """Of warm samples, and of a single pass, which is greedy without it."""
    top_p: float | None = None
    stop: list[str] | None = None
    timeout: float | None = None
    """Seconds that an answer may take; the best one so far is given then."""
    max_retries: int = 2
    """What breaks is tried again twice; nothing else can be asked for."""
    streaming: bool = False
    sampling: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Further sampling settings, by the names that vLLM has for them."""
    ledger: Ledger | None = None
    """A budget that all answers share, with others too."""
    agent_options: dict[str, Any] = Field(default_factory=dict[str, Any])

    _agent: Agent = PrivateAttr()
    _sinks: tuple[Sink, ...] = PrivateAttr(default=())
    _others: dict[str, Backend] = PrivateAttr(default_factory=dict[str, Backend])
    _closing: ClosedWithLoop = PrivateAttr()

    def __init__(self, backend: Any = None, **options: Any) -> None:
        """Raises InvalidOption, UnknownStrategy, InvalidBudget or NoEngine."""
        fields, agent_options = checked_options(options, frozenset(type(self).model_fields))
        own: dict[str, Any] = {"backend": backend, "agent_options": agent_options, **fields}
        super().__init__(**own)
        Budget.of(self.max_compute_budget)
        given: dict[str, Any] = {"temperature": self.temperature, "top_p": self.top_p}
        on_event: Sink | None = agent_options.get("on_event")
        self._sinks = () if on_event is None else (on_event,)
        self._agent = Agent(
            connected(backend, self.model, self.api_key),
            strategy=self.strategy,
            max_tokens=self.max_tokens,
            **{name: value for name, value in given.items() if value is not None},
            **{name: value for name, value in agent_options.items() if name != "on_event"},
        )

        self._closing = ClosedWithLoop(partial(_close, self._agent, self._others))

    @property
    def answered_by(self) -> str:
        """The backend that answers, wherever it was named."""
        return repr(self._agent.solver.backend)

    @property
    def _llm_type(self) -> str:
        return "its_agent"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        names = ("model", "strategy", "max_tokens", "temperature", "top_p", "stop", "sampling")
        own = {name: getattr(self, name) for name in names}
        others = {name: repr(value) for name, value in self.agent_options.items()}
        budget = repr(self.max_compute_budget)
        return {"backend": self.answered_by, "budget": budget, **own, **others}

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        known = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        known["ls_provider"] = "its_agent"
        inner: object = getattr(self.backend, "model_name", None)
        known.setdefault("ls_model_name", str(inner or type(self).__name__))
        return known

    @override
    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | bool | Mapping[str, Any] | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Let the model call these. Raises InvalidOption for a tool that is no function, a choice
        that is not among them, and a strategy or verifiers that have no say over calls."""
        functions = [function_of(tool, strict=strict) for tool in tools]
        if not functions:
            return self.bind(**kwargs)
        policy_for_calls(self._agent.solver)
        choice = choice_of(tool_choice, functions)
        asked = {"tool_choice": choice, "parallel_tool_calls": parallel_tool_calls}
        given = {name: value for name, value in asked.items() if value is not None}
        return self.bind(tools=functions, **given, **kwargs)

    @override
    def with_structured_output(
        self,
        schema: Schema,
        *,
        include_raw: bool = False,
        method: Method | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Answer in the form of a schema: held to it by the server and checked, with votes among
        equal values ("json_schema", "json_mode"), or by calling a tool ("function_calling", which
        is what a LangChain chat model can do)."""
        if kwargs:
            raise InvalidOption(f"with_structured_output takes no {', '.join(sorted(kwargs))}")
        by_call = isinstance(self._agent.solver.backend, LangChainBackend)
        usual: Method = "function_calling" if by_call else "json_schema"
        return structured(
            self, schema, method=method or usual, include_raw=include_raw, strict=strict
        )

    def close(self) -> None:
        """Do what `aclose` does, for a model that was used synchronously."""
        loop.run(self.aclose())

    async def aclose(self) -> None:
        """Close connections and worker processes; a LangChain chat model stays open."""
        await _close(self._agent, self._others)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return loop.run(self._agenerate(messages, stop, None, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        asked = self._read(messages, stop, kwargs)
        called = await begun_apart(self._called(asked))
        message = reply(called, content=content_of(asked, called))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        yield from loop.iterate(self._chunks(self._read(messages, stop, kwargs)))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self._chunks(self._read(messages, stop, kwargs))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _chunks(self, asked: ChatCall) -> AsyncGenerator[ChatGenerationChunk, None]:
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        solving = begun_apart(self._called(asked, events.put_nowait))
        solving.add_done_callback(lambda _: events.put_nowait(None))
        live = LiveAnswer(stop=asked.stop) if asked.is_live else None
        try:
            while (event := await events.get()) is not None:
                piece = await heartbeat(event) if live is None else live.take(event)
                if piece is not None:
                    yield ChatGenerationChunk(message=piece)
            called = await solving
        finally:
            solving.cancel()
            await asyncio.wait([solving])
        content = content_of(asked, called)
        rest = content if live is None else live.rest(called, content)
        # A stream reads half an argument as a whole one, so that a call that was cut is not shown.
        has_none = called.is_cut or (live is not None and live.shows_calls)
        calls = () if has_none else called.calls
        yield ChatGenerationChunk(message=last_chunk(called, content=rest, calls=calls))

    async def _called(self, asked: ChatCall, *sinks: Sink) -> Called:
        await self._closing.used()
        options = RunOptions(sinks=(*self._sinks, *sinks), ledger=self.ledger)
        if asked.tools is not None:
            return await call(asked.solver, asked.problem, asked.tools, asked.budget, options)
        solution = await asked.solver.solve(asked.problem, asked.budget, options)
        return Called(solution=solution, calls=())

    def _read(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, given: dict[str, Any]
    ) -> ChatCall:
        own = {"temperature": self.temperature, "top_p": self.top_p, **self.sampling}
        named = {name: value for name, value in given.items() if value is not None}
        solver = self._agent.solver
        if named.get("model") not in (None, self.model):
            solver = replace(solver, backends=connect_all(self._other(str(named["model"]))))
        return read_call(
            solver,
            messages,
            budget=limited(Budget.of(self.max_compute_budget), self.timeout),
            stop=(self.stop or ()) if stop is None else stop,
            parameters={**own, **named},
        )

    def _other(self, model: str) -> Backend:
        """Another model at the same base URL."""
        if not isinstance(self.backend, str):
            raise InvalidOption(
                f"model: {model!r} can only be asked for at a base URL; this ChatITS was given "
                f"{self.backend!r}"
            )
        if model not in self._others:
            key = self.api_key.get_secret_value() if self.api_key else None
            self._others[model] = VLLMBackend(self.backend, model, api_key=key)
        return self._others[model]


async def _close(agent: Agent, others: Mapping[str, Backend]) -> None:
    for other in others.values():
        await other.aclose()
    await agent.aclose()
