"""LangChain's standard tests of a chat model, on a scripted backend, on a real socket, and on a
LangChain chat model; no test is expected to fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from pydantic import SecretStr
from scripted_chat import chat
from scripted_server import served

from its_agent.backends.scripted import ScriptedBackend
from its_agent.integrations import ChatITS

DETAILS: dict[Literal["invoke", "stream"], list[Any]] = {
    "invoke": ["cache_read_input"],
    "stream": ["cache_read_input"],
}


class TestUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatITS

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"backend": "http://127.0.0.1:9", "model": "scripted"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        served_at = "http://engine.test:8000"
        expected = {"answered_by": f"VLLMBackend({served_at!r}, model=None)"}
        return {"ITS_BASE_URL": served_at}, {}, expected


class OnModel(ChatModelIntegrationTests):
    """What all the models behind have in common."""

    strategy: ClassVar[str] = "adaptive"

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatITS

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_model_override(self) -> bool:
        return False

    @property
    def supported_usage_metadata_details(self) -> dict[Literal["invoke", "stream"], list[Any]]:
        return DETAILS

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        model = self.chat_model_class(**self.chat_model_params)
        if not stream:
            return model.invoke("Hello")
        first, *others = model.stream("Hello")
        return sum(others, first)


class TestScripted(OnModel):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"backend": ScriptedBackend(chat), "strategy": self.strategy}


class TestSinglePass(TestScripted):
    strategy = "single_pass"


class TestSelfConsistency(TestScripted):
    strategy = "self_consistency"


class TestFunctionCalling(TestScripted):
    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": "function_calling"}


class TestOverHttp(OnModel):
    url: ClassVar[str]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls) -> Iterator[None]:
        with served(ScriptedBackend(chat), others=("another",)) as cls.url:
            yield

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"backend": self.url, "model": "scripted"}

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str | None:
        return "another"


class TestOnLangChain(OnModel):
    url: ClassVar[str]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls) -> Iterator[None]:
        with served(ScriptedBackend(chat)) as cls.url:
            yield

    @property
    def chat_model_params(self) -> dict[str, Any]:
        inner = ChatOpenAI(
            base_url=f"{self.url}/v1",
            api_key=SecretStr("EMPTY"),
            model="scripted",
            stream_usage=True,
            max_retries=0,
        )
        return {"backend": inner}

    @property
    def supports_json_mode(self) -> bool:
        return False
