"""What a model is asked first about a problem, before any strategy has had its say."""

from __future__ import annotations

from dataclasses import replace

from its_agent.backends.protocol import Request
from its_agent.bench.problems import BenchProblem
from its_agent.budget import Budget
from its_agent.preflight import initial_state
from its_agent.prompts import ask
from its_agent.solution import AnswerType


def first_request(problem: BenchProblem, sampling: Request) -> Request:
    """The prompt of a plain attempt, with the settings of `sampling`."""
    state = initial_state(problem.posed, Budget(compute=1), "single_pass")
    arm = "plain" if state.answer_type == "text" else "step_by_step"
    return replace(sampling, messages=ask(arm, state.messages, state.answer_type))


def answer_type(problem: BenchProblem) -> AnswerType:
    """What kind of answer a solver takes the problem to ask for."""
    return initial_state(problem.posed, Budget(compute=1), "single_pass").answer_type
