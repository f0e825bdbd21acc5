"""The conversation that a candidate stands in: a question about it goes on from there."""

from __future__ import annotations

from its_agent.graphs.context import Context
from its_agent.graphs.sampling import prompt
from its_agent.graphs.state import State
from its_agent.prompts import ARMS
from its_agent.solution import Candidate, Message

ANSWER_TURN_TOKENS = 16
"""What marks the assistant's turn in a chat template, at most."""


def usual_arm(state: State) -> str:
    """The prompt that suits the answer type."""
    return "plain" if state.answer_type == "text" else "step_by_step"


def conversation(state: State, context: Context, candidate: Candidate) -> tuple[Message, ...]:
    """The problem as it was put, and the candidate as the assistant's answer."""
    arm = candidate.strategy.partition("@")[0]
    question = prompt(state, context, arm if arm in ARMS else usual_arm(state))
    return (*question, {"role": "assistant", "content": candidate.text})


def conversation_tokens(state: State, candidate: Candidate) -> int:
    """About how many tokens it has: no less than the engine counts for the usual prompt."""
    return state.prompt_tokens + candidate.usage.completion_tokens + ANSWER_TURN_TOKENS
