"""Early exit (Dynasor-CoT, arXiv 2412.20993): the answer is asked for on the way, and thinking ends
once it stays the same."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from its_agent.answers import canonical, extract_answer
from its_agent.solution import AnswerType
from its_agent.thinking.tags import CLOSE, is_open
from its_agent.thinking.trace import Ask, Piece, Trace, ended, statement

HEDGES = re.compile(r"\b(?:wait|hmm|not sure|let me|but)\b", re.IGNORECASE)
"""Words by which a probe takes its answer back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyExit:
    """Thinks for up to `max_tokens`, and asks for the answer by `cue` after every `every` of them;
    `window` equal answers in a row end it. An answer with a hedge beside it breaks the row."""

    max_tokens: int
    answer_type: AnswerType = "math"
    cue: str = "**Final Answer**\n\\boxed{"
    every: int = 64
    window: int = 3
    probe_tokens: int = 32

    def ask(self, trace: Trace) -> Ask:
        """Think on, or probe."""
        if trace.stage == "probing":
            return Ask(text=self._cued(trace), max_tokens=self.probe_tokens, is_probe=True)
        room = max(1, self.max_tokens - trace.tokens)
        return Ask(
            text=trace.text,
            max_tokens=room if trace.stage == "answering" else min(self.every, room),
        )

    def tell(self, trace: Trace, piece: Piece) -> Trace:
        """Take in a stretch of thinking, or what the probe says."""
        if trace.stage == "probing":
            return self._probed(trace, piece)
        grown = replace(trace, text=trace.text + piece.text, tokens=trace.tokens + piece.tokens)
        if piece.finish == "stop" and is_open(grown.text):
            return ended(grown, "length")
        if piece.finish != "length" or trace.stage == "answering":
            return ended(grown, piece.finish)
        return replace(grown, stage="probing")

    def hasten(self, trace: Trace) -> Trace:
        """Take the last probe's answer, or have the next probe be the last piece."""
        if trace.fallback is not None:
            return ended(trace, "length")
        if not trace.text:
            return replace(trace, stage="answering")
        return replace(trace, stage="probing", tokens=self.max_tokens)

    def _probed(self, trace: Trace, piece: Piece) -> Trace:
        answer = None
        stated = None if piece.finish == "aborted" else statement(self.cue, piece.text)
        if stated is not None:
            answer = extract_answer(f"{self.cue}{stated}", self.answer_type)
        if answer is not None:
            trace = replace(trace, fallback=f"{self._cued(trace)}{stated}")
        hedged = HEDGES.search(piece.text) is not None
        probes = (*trace.probes, None if hedged else answer)
        trace = replace(trace, probes=probes)
        over = piece.finish == "aborted" or trace.tokens >= self.max_tokens
        if over or self._agree(probes):
            return ended(trace, "aborted" if piece.finish == "aborted" else "length")
        return replace(trace, stage="thinking")

    def _agree(self, probes: tuple[str | None, ...]) -> bool:
        last = [canonical(p, self.answer_type) for p in probes[-self.window :] if p is not None]
        return len(last) == self.window and len(set(last)) == 1

    def _cued(self, trace: Trace) -> str:
        closing = f"\n{CLOSE}" if is_open(trace.text) else ""
        return f"{trace.text.rstrip()}{closing}\n\n{self.cue}"
