"""The samples of one request, whole."""

from __future__ import annotations

from contextlib import aclosing

from its_agent.backends.protocol import Backend, Request, Tokens


async def texts_of(backend: Backend, request: Request) -> tuple[list[str | None], Tokens]:
    """The texts in their order, None for one that was cut off, and the counts."""
    texts, ended = [""] * request.n, [False] * request.n
    counts = Tokens(prompt=0, cached_prompt=0, completion=0)
    async with aclosing(backend.stream(request)) as items:
        async for item in items:
            if isinstance(item, Tokens):
                counts = item
                continue
            texts[item.index] += item.text
            ended[item.index] = ended[item.index] or item.finish == "stop"
    return [text if whole else None for text, whole in zip(texts, ended, strict=True)], counts
