"""What is known of a solution from outside the model: whether it is right, and why it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from its_agent.graphs.context import Context
from its_agent.graphs.examination import examined
from its_agent.prompts import render
from its_agent.selection.checking import decide
from its_agent.solution import Candidate
from its_agent.timers import TimeLimit
from its_agent.verifiers import Explains, ExplainsSlowly, Grades

Standing: TypeAlias = Literal["no_answer", "fail", "unknown", "pass"]
RANKS: Mapping[Standing, int] = MappingProxyType(
    {"no_answer": 0, "fail": 1, "unknown": 2, "pass": 3}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """How a solution stands, and what to tell the model of it."""

    standing: Standing = "unknown"
    grade: float = 0.0
    """How far a solution that fails has come, from 0 to 1."""
    text: str = ""
    """What is wrong; empty where nothing outside says that anything is."""

    def is_better_than(self, other: Feedback) -> bool:
        """Whether it stands strictly higher, or fails with a higher grade."""
        ours, theirs = (RANKS[self.standing], self.grade), (RANKS[other.standing], other.grade)
        return ours > theirs


async def feedback_on(candidate: Candidate, context: Context) -> Feedback:
    """Hear the checks and the examiners, as far as the time goes. Nothing is bought."""
    if candidate.answer is None:
        template = "cut_off" if candidate.finish == "length" else "no_answer"
        return Feedback(standing="no_answer", text=render(template))
    within = context.ledger.seconds_left
    verifiers = await examined(context, [candidate.answer], within=within)
    decision = decide(candidate.answer, verifiers)
    if decision.result == "pass":
        return Feedback(standing="pass")
    if decision.result != "fail":
        return Feedback()
    grade, why = await _details(candidate.answer, decision.name, context)
    failed = render("check_failed", check=decision.name)
    return Feedback(standing="fail", grade=grade, text=f"{failed}\n\n{why}" if why else failed)


async def _details(answer: str, name: str, context: Context) -> tuple[float, str | None]:
    """The grade and the reason, of whoever fails the answer and can tell them."""
    checks = (v for v in context.verifiers if v.name == name)
    why = next((v.explain(answer) for v in checks if isinstance(v, Explains)), None)
    grade: float | None = None
    try:
        async with TimeLimit(context.ledger.seconds_left):
            for examiner in context.examiners:
                if examiner.name == name and isinstance(examiner, ExplainsSlowly):
                    why = await examiner.explain(answer)
                if examiner.name == name and isinstance(examiner, Grades):
                    grade = await examiner.grade(answer)
    except TimeoutError:
        context.notes.append("the time was up before it was clear why an answer fails")
    return grade or 0.0, why
