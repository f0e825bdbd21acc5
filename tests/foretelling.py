"""A scripted backend that knows bounds of prompts as a vLLM server's backend does."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from its_agent.backends.prompt_counts import PromptCounts
from its_agent.backends.protocol import PromptBound, Request, StreamItem
from its_agent.backends.scripted import ScriptedBackend


class ForetellingBackend(ScriptedBackend):
    """Is asked for a count where it does not know it yet, and says how often."""

    asked = 0
    known: PromptCounts | None = None

    async def meet(self) -> None:
        """Count a prompt, and hear of its usage, as if it had been sent."""
        asked = Request(messages=({"role": "user", "content": "Hello."},), max_tokens=1)
        count = await self.count_prompt(asked)
        for samples in (1, 2):
            self._known.told(replace(asked, n=samples), count)

    async def count_prompt(self, request: Request) -> int:
        count = self._known.of(request)
        if count is None:
            self.asked += 1
            count = await super().count_prompt(request)
            self._known.keep(request, count)
        return count

    def prompt_bound(self, request: Request) -> PromptBound | None:
        return self._known.bound(request)

    async def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        async with aclosing(super().stream(request)) as items:
            async for item in items:
                # An engine tells it with every piece.
                self._known.told(request, await super().count_prompt(request))
                yield item

    @property
    def _known(self) -> PromptCounts:
        if self.known is None:
            self.known = PromptCounts()
        return self.known
