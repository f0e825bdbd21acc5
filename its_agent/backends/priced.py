"""What a token of another model costs: the ratio of the parameter counts that their names tell."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from its_agent.backends.protocol import (
    Backend,
    Offer,
    PromptBound,
    Request,
    StreamItem,
    count_text,
    prompt_bound,
)
from its_agent.errors import InvalidOption

_SIZE = re.compile(r"(?<![a-z\d.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![a-z\d])", re.I)
_BILLIONS: Mapping[str, float] = {"b": 1.0, "m": 1e-3}


@dataclass(frozen=True, slots=True)
class Priced:
    """A backend at another price."""

    backend: Backend
    relative_cost: float

    async def offer(self) -> Offer:
        """Say what answers here."""
        return await self.backend.offer()

    async def count_prompt(self, request: Request) -> int:
        """Count the request's prompt tokens."""
        return await self.backend.count_prompt(request)

    def prompt_bound(self, request: Request) -> PromptBound | None:
        """Tell what is known of the prompt's length."""
        return prompt_bound(self.backend, request)

    async def count_text(self, text: str) -> int | None:
        """Count a text's tokens, where that can be done."""
        return await count_text(self.backend, text)

    async def supply(self, request: Request) -> int | None:
        """Say how many samples of this kind are to be had."""
        return await self.backend.supply(request)

    def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        """Generate."""
        return self.backend.stream(request)

    async def aclose(self) -> None:
        """Let go of connections."""
        await self.backend.aclose()


def parameters(model: str) -> float | None:
    """Billions of parameters that a model's name tells, such as 0.5 of "Qwen2.5-Coder-0.5B", all
    experts of a mixture counted; None where it tells none. Of several sizes the first counts: the
    1M of "Qwen2.5-7B-Instruct-1M" is its context."""
    found = _SIZE.search(model.rpartition("/")[2])
    if found is None:
        return None
    experts, size, unit = found.groups()
    return int(experts or 1) * float(size) * _BILLIONS[unit.lower()]


def cost_beside(model: str, usual: str) -> float:
    """What a token of a model costs where one of the usual model costs 1. Raises InvalidOption."""
    sizes = parameters(model), parameters(usual)
    if sizes[0] is None or sizes[1] is None:
        raise InvalidOption(
            f"the names {model!r} and {usual!r} do not tell how much dearer the one is; give each "
            "as VLLMBackend(url, relative_cost=…)"
        )
    return sizes[0] / sizes[1]
