"""What can judge an answer: exact checks, programs against tests in a sandbox, and how far programs
agree on generated tests and inputs."""

from its_agent.verifiers.code import CodeTests
from its_agent.verifiers.codet import CodeT
from its_agent.verifiers.equation import Equation
from its_agent.verifiers.exact import AnswerCheck
from its_agent.verifiers.game24 import Game24
from its_agent.verifiers.output_agreement import OutputAgreement
from its_agent.verifiers.pattern import Regex
from its_agent.verifiers.protocol import (
    Conversation,
    Examiner,
    Explains,
    Reading,
    Result,
    Scorer,
    Verifier,
)
from its_agent.verifiers.reasons import reasons
from its_agent.verifiers.sandbox import Limits, Ran, Sandbox
from its_agent.verifiers.schema import JsonSchema

__all__ = [
    "AnswerCheck",
    "CodeT",
    "CodeTests",
    "Conversation",
    "Equation",
    "Examiner",
    "Explains",
    "Game24",
    "JsonSchema",
    "Limits",
    "OutputAgreement",
    "Ran",
    "Reading",
    "Regex",
    "Result",
    "Sandbox",
    "Scorer",
    "Verifier",
    "reasons",
]
