"""One model of a vLLM server, and what it is asked that is not streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from its_agent.backends.connection import Connection
from its_agent.backends.endpoint import Endpoint
from its_agent.backends.wire import ModelList, ServedModel, TokenList, Wire
from its_agent.errors import UnknownModel

_Shape = TypeVar("_Shape", bound=Wire)
_NOT_FOUND = 404


class ModelServer:
    """Finds the model that is meant, and asks it; `asked` defaults to the only one served."""

    def __init__(self, connection: Connection, endpoint: Endpoint, asked: str | None) -> None:
        self._connection = connection
        self._endpoint = endpoint
        self._asked = asked
        self._model: ServedModel | None = None

    async def model(self) -> ServedModel:
        """The model that is meant; looked up once. Raises UnknownModel, or a BackendError."""
        if self._model is None:
            self._model = self._chosen(await self._served())
        return self._model

    async def name(self) -> str:
        """The name under which the model is asked."""
        return self._asked or (await self.model()).id

    async def ask(
        self, path: str, body: Mapping[str, Any], shape: type[_Shape], *, what: str
    ) -> _Shape:
        """Post and read the answer. Raises PromptTooLong, UnknownModel, or a BackendError."""
        named = {"model": await self.name(), **body}
        text = await self._connection.post(path, named, refuse=self.refuse)
        return self._endpoint.read(shape, text, what=what)

    async def tokenize(self, body: Mapping[str, Any]) -> tuple[int, ...]:
        """The tokens of a conversation or a text, by the server's own tokenizer and template."""
        return (await self.ask("/tokenize", body, TokenList, what="a list of tokens")).tokens

    async def refuse(self, status: int, body: str, wait: float | None) -> None:
        """Raise the error for an answer with this status."""
        await self.check_model(status)
        raise self._endpoint.refusal(status, body, retry_after=wait)

    async def check_model(self, status: int) -> None:
        """Raise UnknownModel where a status of 404 is about the model."""
        if status == _NOT_FOUND and self._asked is not None:
            self._chosen(await self._served())

    async def _served(self) -> tuple[ServedModel, ...]:
        page = await self._connection.get("/v1/models")
        if not page.is_success:
            raise self._endpoint.refusal(page.status, page.text)
        return self._endpoint.read(ModelList, page.text, what="a list of models").data

    def _chosen(self, served: tuple[ServedModel, ...]) -> ServedModel:
        names = ", ".join(model.id for model in served) or "none"
        wanted = [m for m in served if self._asked in (m.id, None)]
        if len(wanted) == 1:
            return wanted[0]
        if self._asked is None:
            raise UnknownModel(
                f"{self._endpoint.shown} serves {len(served)} models; name one of: {names}"
            )
        raise UnknownModel(
            f"{self._endpoint.shown} has no model {self._asked!r}; it serves: {names}"
        )
