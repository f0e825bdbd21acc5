"""The candidates of a solve as the page shows them, and the answers that they vote for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from its_agent.events import Event, Judged, Sampled, Solved, Started
from its_agent.normal_form import canonical
from its_agent.solution import AnswerType, Candidate
from its_agent.trace.requests import told
from its_agent.trace.rounds import Moment, Round, moment

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Every candidate, with the place of its answer among `groups`, most candidates first."""

    listed: list[Plain]
    groups: list[Plain]


def candidates(events: Sequence[Event], played: Iterable[Round]) -> Candidates:
    """As the verifier left them, where the solve came to its end."""
    found = _found(events)
    places, groups = _grouped(found.values(), _answer_type(events))
    steps = {id: one.step for one in played for id in one.candidates}
    came = {e.candidate.id: (moment(e), e.node) for e in events if isinstance(e, Sampled)}
    chosen = _chosen(events)
    return Candidates(
        listed=[
            _plain(one, steps, came) | {"group": place, "chosen": one.id == chosen}
            for one, place in zip(found.values(), places, strict=True)
        ],
        groups=groups,
    )


def _grouped(found: Iterable[Candidate], kind: AnswerType) -> tuple[list[int | None], list[Plain]]:
    """The place of each candidate's answer among the answers, and the answers, each in its first
    wording. Equal is what has one plain form, which is where the verifier's comparison begins."""
    keys: list[object] = []
    wordings: dict[object, str] = {}
    for one in found:
        key = None if one.answer is None else canonical(one.answer, kind)
        keys.append(key)
        if one.answer is not None:
            wordings.setdefault(key, one.answer)
    sizes = Counter(key for key in keys if key is not None)
    ranked = [key for key, _ in sizes.most_common()]
    place = {key: rank for rank, key in enumerate(ranked)}
    groups = [{"answer": wordings[key], "candidates": sizes[key]} for key in ranked]
    return [place.get(key) for key in keys], groups


def _answer_type(events: Iterable[Event]) -> AnswerType:
    kinds: list[AnswerType] = [e.answer_type for e in events if isinstance(e, Started)]
    return kinds[0] if kinds else "text"


def _found(events: Iterable[Event]) -> dict[str, Candidate]:
    found: dict[str, Candidate] = {}
    for event in events:
        if isinstance(event, Sampled):
            found[event.candidate.id] = event.candidate
        elif isinstance(event, Solved):
            found |= {one.id: one for one in event.solution.candidates}
    return found


def _chosen(events: Sequence[Event]) -> str | None:
    judged = [event for event in events if isinstance(event, Judged)]
    return judged[-1].verdict.candidate_id if judged else None


def _plain(
    one: Candidate, steps: Mapping[str, int], came: Mapping[str, tuple[Moment, str | None]]
) -> Plain:
    at, node = came.get(one.id, (None, None))
    return {
        "id": one.id,
        "answer": one.answer,
        "text": one.text,
        "turns": [told(turn) for turn in one.turns],
        "thinking": one.thinking,
        "model": one.model,
        "path": one.path,
        "strategy": one.strategy,
        "finish": one.finish,
        "tokens": one.usage.completion_tokens,
        "logprob": one.mean_logprob,
        "signals": dict(one.signals),
        "score": one.score,
        "confidence": one.confidence,
        "step": steps.get(one.id),
        "at": at,
        "node": node,
    }
