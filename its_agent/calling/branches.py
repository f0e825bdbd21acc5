"""Attempts of several turns: those that have said and heard the same so far are one branch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from its_agent.backends.protocol import Request
from its_agent.backends.sample import Sample
from its_agent.solution import Message
from its_agent.thinking.tags import parted
from its_agent.tool_calls import ToolCall, call_id, meaning
from its_agent.tools import Ran, asking


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One of a wave's attempts."""

    number: int
    past: Sample | None = None
    """All that it has sampled in earlier turns, as one sample without a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Attempts with one conversation so far."""

    request: Request
    """That the wave began with."""
    attempts: tuple[Attempt, ...]
    turns: tuple[Message, ...] = ()
    """What they have said and heard since."""

    @property
    def number(self) -> int:
        """That of the first of them."""
        return self.attempts[0].number

    @property
    def asked(self) -> Request:
        """The request for one more sample of each."""
        messages = (*self.request.messages, *self.turns)
        return replace(self.request, messages=messages, n=len(self.attempts))

    @property
    def samples(self) -> int:
        """Those that each of them has made and gone on from."""
        return sum(turn["role"] == "assistant" for turn in self.turns)

    def saying(self, text: str, calls: Sequence[ToolCall]) -> Branch:
        """The branch after a turn that calls."""
        return replace(self, turns=(*self.turns, asking(text, calls)))

    def hearing(self, ran: Iterable[Ran]) -> Branch:
        """The branch after it was told what its calls came to."""
        return replace(self, turns=(*self.turns, *(one.message for one in ran)))


def forked(branch: Branch, said: Iterable[tuple[Attempt, Sample]]) -> list[tuple[Branch, Sample]]:
    """A branch for all attempts that have now said the same, with the first one's sample."""
    alike: dict[object, list[tuple[Attempt, Sample]]] = {}
    for attempt, sample in said:
        alike.setdefault(_key(sample), []).append((attempt, sample))
    forks: list[tuple[Branch, Sample]] = []
    for each in alike.values():
        attempts = tuple(replace(one, past=_past(one, sample)) for one, sample in each)
        forks.append((replace(branch, attempts=attempts), each[0][1]))
    return forks


def whole(attempt: Attempt, sample: Sample) -> Sample:
    """An attempt's last sample, with what its earlier ones were and cost counted in."""
    past = attempt.past
    if past is None:
        return sample
    return replace(
        sample,
        thinking=_paragraphs(past.thinking, sample.thinking),
        thinking_tokens=past.thinking_tokens + sample.thinking_tokens,
        usage=past.usage + sample.usage,
        logprobs=past.logprobs + sample.logprobs,
        first_top_logprobs=past.first_top_logprobs,
        confidences=past.confidences + sample.confidences,
    )


def with_ids(calls: Iterable[ToolCall]) -> tuple[ToolCall, ...]:
    """Calls, each with an id that its result can refer to."""
    return tuple(replace(one, id=call_id(one.id)) for one in calls)


def _past(attempt: Attempt, sample: Sample) -> Sample:
    thinking = _paragraphs(sample.thinking, parted(sample.text).thinking)
    return replace(whole(attempt, replace(sample, thinking=thinking)), text="", calls=())


def _key(sample: Sample) -> object:
    """The same for samples after which the conversation is the same."""
    asked = meaning(sample.calls, [one.name for one in sample.calls])
    written = tuple((one.name, one.arguments) for one in sample.calls)
    return parted(sample.text).answer, asked or written


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
