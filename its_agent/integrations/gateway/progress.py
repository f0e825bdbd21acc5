"""What a stream tells before the answer, as comments that clients skip; never a text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from its_agent.events import Estimated, Event, Generating, Judged, Retrying, Routed, Sampled

EVERY_SECONDS = 1.0
"""Pieces that arrive are told no more often than this."""


class Progress:
    """Turns events into comments, and leaves most of the pieces out."""

    def __init__(self, clock: Callable[[], float], *, choice: int | None = None) -> None:
        """`choice` is told, too, where there are several."""
        self._clock = clock
        self._choice = {} if choice is None else {"choice": choice}
        self._told = clock()

    def comment(self, event: Event) -> str | None:
        """The line that tells it; None for what is not told."""
        details = _details(event)
        if details is None or (isinstance(event, Generating) and not self._is_due()):
            return None
        self._told = self._clock()
        told = {
            **details,
            **self._choice,
            "spent": event.spent.compute,
            "seconds": round(event.elapsed, 1),
        }
        return f": its {json.dumps(told)}\n\n"

    def _is_due(self) -> bool:
        return self._clock() - self._told >= EVERY_SECONDS


def _details(event: Event) -> Mapping[str, Any] | None:
    match event:
        case Estimated():
            return {"event": "estimate", "success": round(event.success, 3)}
        case Routed():
            return {"event": "route", "path": event.path, "samples": event.samples}
        case Generating():
            return {"event": "generate", "tokens": event.tokens, "running": event.running}
        case Retrying():
            return {"event": "retry", "wait": round(event.wait, 1)}
        case Sampled():
            return {"event": "sample", "finish": event.candidate.finish}
        case Judged():
            return {"event": "verify", "confidence": round(event.verdict.confidence, 3)}
        case _:
            return None
