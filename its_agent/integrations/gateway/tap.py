"""A backend that shows the text of one sample while it is made."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from its_agent.backends.protocol import (
    Backend,
    Delta,
    Offer,
    PromptBound,
    Request,
    StreamItem,
    count_text,
    prompt_bound,
)
from its_agent.errors import BackendLost
from its_agent.thinking.tags import OPEN


class Tap:
    """Another backend, whose single sample's text is kept as it comes.

    It is not asked again once text was shown: a second sample would not go on from the first.
    Closing the backend is its owner's business.
    """

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self._text = ""

    @property
    def relative_cost(self) -> float:
        """Compute units that one token of the model costs."""
        return self._inner.relative_cost

    @property
    def text(self) -> str:
        """What the sample says so far; nothing while it may be thinking."""
        begun = self._text.lstrip()
        may_think = begun.startswith(OPEN) or OPEN.startswith(begun)
        return "" if may_think else self._text

    async def offer(self) -> Offer:
        """Say what answers here."""
        return await self._inner.offer()

    async def count_prompt(self, request: Request) -> int:
        """Count the request's prompt tokens."""
        return await self._inner.count_prompt(request)

    def prompt_bound(self, request: Request) -> PromptBound | None:
        """Tell what is known of the prompt's length."""
        return prompt_bound(self._inner, request)

    async def count_text(self, text: str) -> int | None:
        """Count a text's tokens, where that can be done."""
        return await count_text(self._inner, text)

    async def supply(self, request: Request) -> int | None:
        """Say how many samples are to be had."""
        return await self._inner.supply(request)

    async def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        """Generate, and keep the text. Raises BackendLost for a second sample."""
        if self._text:
            raise BackendLost("the engine was lost in the middle of a streamed answer")
        async with aclosing(self._inner.stream(request)) as items:
            async for item in items:
                if isinstance(item, Delta):
                    self._text += item.text
                yield item

    async def aclose(self) -> None:
        """Do nothing."""
