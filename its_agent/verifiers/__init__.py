"""What can judge an answer: exact checks, and programs against tests in a sandbox."""

from its_agent.verifiers.code import CodeTests
from its_agent.verifiers.exact import AnswerCheck
from its_agent.verifiers.protocol import (
    Conversation,
    Examiner,
    Explains,
    ExplainsSlowly,
    Grades,
    Reading,
    Result,
    Scorer,
    Verifier,
)
from its_agent.verifiers.sandbox import Limits, Ran, Sandbox

__all__ = [
    "AnswerCheck",
    "CodeTests",
    "Conversation",
    "Examiner",
    "Explains",
    "ExplainsSlowly",
    "Grades",
    "Limits",
    "Ran",
    "Reading",
    "Result",
    "Sandbox",
    "Scorer",
    "Verifier",
]
