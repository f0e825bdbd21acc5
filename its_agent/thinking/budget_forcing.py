"""Budget forcing (s1, arXiv 2501.19393): an end that comes too early is taken back, and one that
does not come in time is put there."""

from __future__ import annotations

from dataclasses import dataclass, replace

from its_agent.answers import extract_answer
from its_agent.solution import AnswerType
from its_agent.thinking.tags import CLOSE, OPEN, is_open
from its_agent.thinking.trace import Ask, Piece, Trace, ended, statement

LEAST_TOKENS = 16
"""Room without which thinking does not go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetForcing:
    """Thinks for up to `thinking_tokens`, and answers within `max_tokens` in all.

    Thinking is what stands between tags, or all of a text without them. An end before that is
    replaced by `wait`, up to `waits` times, in a text without tags once. At the limit thinking is
    closed, and the answer begun with `after_thinking`; without tags with `therefore`, and so is one
    that ends without an answer.
    """

    max_tokens: int
    thinking_tokens: int
    answer_type: AnswerType = "math"
    waits: int = 2
    wait: str = "Wait"
    after_thinking: str = "Final Answer:"
    therefore: str = "Therefore, the final answer is \\boxed{"

    def ask(self, trace: Trace) -> Ask:
        """Think on, or write the answer."""
        if trace.stage == "answering":
            return Ask(text=trace.text, max_tokens=max(1, self.max_tokens - trace.tokens))
        room = max(1, self.thinking_tokens - trace.tokens)
        return Ask(text=trace.text, max_tokens=room, stop=(CLOSE,))

    def tell(self, trace: Trace, piece: Piece) -> Trace:
        """Take back an end that comes too early, or go on to the answer."""
        grown = replace(trace, text=trace.text + piece.text, tokens=trace.tokens + piece.tokens)
        if piece.finish == "aborted":
            return ended(grown, "aborted")
        if trace.stage == "answering":
            return self._answered(trace, grown, piece)
        if grown.text.endswith(CLOSE):
            return self._closed(grown)
        if piece.finish == "length" or is_open(grown.text):
            return self._concluded(grown)
        is_answer = extract_answer(grown.text, self.answer_type) is not None
        whole = replace(grown, fallback=grown.text) if is_answer else grown
        if self._may_wait(whole, min(1, self.waits)):
            return self._waiting(whole, grown.text, "\n\n")
        return ended(whole, "stop") if is_answer else self._concluded(whole)

    def hasten(self, trace: Trace) -> Trace:
        """Take the end that was taken back, or have the answer come now."""
        if trace.fallback is not None:
            return ended(trace, "length")
        if trace.stage != "thinking":
            return trace
        return self._concluded(trace) if trace.text else replace(trace, stage="answering")

    def _concluded(self, trace: Trace) -> Trace:
        if is_open(trace.text):
            text = f"{trace.text.rstrip()}\n{CLOSE}\n\n{self.after_thinking}"
        else:
            text = f"{trace.text.rstrip()}\n\n{self.therefore}"
        return replace(trace, text=text, stage="answering")

    def _closed(self, trace: Trace) -> Trace:
        thought = trace.text.removesuffix(CLOSE).rstrip()
        if OPEN not in thought:
            # Its template has written the tag into the prompt, where a continuation lacks it.
            thought = f"{OPEN}\n{thought.lstrip()}"
        if self._may_wait(trace, self.waits):
            return self._waiting(trace, thought, "\n")
        return replace(trace, text=f"{thought}\n{CLOSE}\n\n", stage="answering")

    def _may_wait(self, trace: Trace, waits: int) -> bool:
        return trace.waits < waits and self.thinking_tokens - trace.tokens >= LEAST_TOKENS

    def _waiting(self, trace: Trace, text: str, gap: str) -> Trace:
        return replace(trace, text=f"{text.rstrip()}{gap}{self.wait}", waits=trace.waits + 1)

    def _answered(self, before: Trace, grown: Trace, piece: Piece) -> Trace:
        if before.text.endswith("{"):
            stated = statement(before.text, piece.text)
            if stated is not None:
                return replace(grown, text=before.text + stated, stage="done", finish="stop")
        return ended(grown, piece.finish)
