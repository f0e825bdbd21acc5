"""What a model is asked first about a problem, before any strategy has had its say."""

from __future__ import annotations

from dataclasses import dataclass, replace

from its_agent.backends.protocol import Request
from its_agent.bench.problems import BenchProblem
from its_agent.budget import Budget
from its_agent.preflight import initial_state
from its_agent.prompts import ask
from its_agent.solution import AnswerType, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Posed:
    """A problem in the words that the product itself puts it in."""

    messages: tuple[Message, ...]
    arm: str
    answer_type: AnswerType

    @classmethod
    def of(cls, problem: BenchProblem, arm: str | None = None) -> Posed:
        """Put a problem in the words of an arm, without one in the usual ones."""
        state = initial_state(problem.posed, Budget(compute=1), "single_pass")
        words = arm or ("plain" if state.answer_type == "text" else "step_by_step")
        messages = ask(words, state.messages, state.answer_type)
        return cls(messages=messages, arm=words, answer_type=state.answer_type)


def first_request(problem: BenchProblem, sampling: Request) -> Request:
    """The prompt of a plain attempt, with the settings of `sampling`."""
    return replace(sampling, messages=Posed.of(problem).messages)


def answer_type(problem: BenchProblem) -> AnswerType:
    """What kind of answer a solver takes the problem to ask for."""
    return Posed.of(problem).answer_type
