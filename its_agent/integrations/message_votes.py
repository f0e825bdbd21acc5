"""A vote among a model's answers: by the tools that they call, or by what they say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, BaseMessage

from its_agent.answers import extract_answer, infer_answer_type
from its_agent.normal_form import canonical, canonical_json
from its_agent.selection.stopping import beta_lead


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """Where a vote stands."""

    chosen: int
    """The answer's place: the first one that gave what most gave, or the very first."""
    votes: int
    runner_up: int

    @property
    def lead(self) -> float:
        """Beta lead of the chosen answer (arXiv 2305.11860)."""
        return beta_lead(self.votes, self.runner_up)

    def missing(self, confidence: float, at_most: int) -> int:
        """The least number of further votes with which it could lead so surely."""
        for more in range(1, at_most):
            if beta_lead(self.votes + more, self.runner_up) >= confidence:
                return more
        return at_most


def vote(answers: Sequence[AIMessage], question: str) -> Vote:
    """Count equal answers; the first of the most frequent ones is chosen. An answer whose calls
    cannot be made has no vote."""
    meant = [meant_by(answer, question) for answer in answers]
    counts = Counter(one for one in meant if one is not None).most_common()
    if not counts:
        return Vote(chosen=0, votes=0, runner_up=0)
    (best, votes), *others = counts
    return Vote(chosen=meant.index(best), votes=votes, runner_up=others[0][1] if others else 0)


def meant_by(answer: AIMessage, question: str) -> tuple[str, object] | None:
    """What is equal for equal answers: calls by their names and the JSON values of their arguments,
    in order; JSON by value; other text by the final answer in it."""
    if answer.invalid_tool_calls:
        return None
    if answer.tool_calls:
        calls = [{"name": one["name"], "arguments": one["args"]} for one in answer.tool_calls]
        return ("calls", canonical_json(json.dumps(calls, default=str)))
    text = str(answer.text)
    if (value := canonical_json(text)) is not None:
        return ("json", value)
    kind = infer_answer_type(question)
    said = extract_answer(text, kind)
    return None if said is None else ("answer", canonical(said, kind))


def question_in(messages: Sequence[BaseMessage]) -> str:
    """The last thing that a person said."""
    asked = [message for message in messages if message.type == "human"]
    return str(asked[-1].text) if asked else ""
