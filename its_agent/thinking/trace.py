"""One answer that is written in pieces, and what a way of thinking makes of it: ask/tell, pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias

from its_agent.solution import Finish

Stage: TypeAlias = Literal["thinking", "probing", "answering", "done"]
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The text so far, thinking included, and where it stands."""

    text: str = ""
    tokens: int = 0
    """Tokens of it that were generated; those of probes are not part of it."""
    stage: Stage = "thinking"
    waits: int = 0
    """How often an end was taken back."""
    probes: tuple[str | None, ...] = ()
    """Answers that were asked for on the way."""
    fallback: str | None = None
    """A whole text that can stand for this one if it cannot be brought to its end."""
    finish: Finish = "stop"
    """How it ended, once it is done."""

    def to_plain(self) -> dict[str, Any]:
        """Write it as plain data."""
        return asdict(self) | {"probes": list(self.probes)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Trace:
        """Read it back."""
        values: dict[str, Any] = {**plain, "probes": tuple(plain["probes"])}
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The next piece: how the text is to be continued."""

    text: str
    """What the assistant has said so far; empty at the beginning."""
    max_tokens: int
    stop: tuple[str, ...] = ()
    is_probe: bool = False
    """Asked at temperature 0; what comes is no part of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What came."""

    text: str
    tokens: int
    finish: Finish


class Forcing(Protocol):
    """A way of thinking. The state is the caller's; the same state asks for the same."""

    def ask(self, trace: Trace) -> Ask:
        """Say how a trace that is not done goes on."""
        ...

    def tell(self, trace: Trace, piece: Piece) -> Trace:
        """Take in what came of it."""
        ...

    def hasten(self, trace: Trace) -> Trace:
        """Have the next piece be the last one, as nothing more can be paid for."""
        ...


def ended(trace: Trace, finish: Finish) -> Trace:
    """The trace, done; one that was cut off ends as what can stand for it, if there is anything."""
    if finish != "stop" and trace.fallback is not None:
        return replace(trace, text=trace.fallback, stage="done", finish="stop")
    return replace(trace, stage="done", finish=finish)


def statement(cue: str, said: str) -> str | None:
    """What a text says right after a cue: up to the brace that closes the cue's own, else the first
    line. None where that does not come."""
    if not cue.endswith("{"):
        lines = said.strip().splitlines()
        return lines[0].strip() if lines else None
    depth = 1
    for token in _BRACES.finditer(said):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return said[: token.end()]
    return None
