"""What can judge an answer: exact checks."""

from its_agent.verifiers.exact import AnswerCheck
from its_agent.verifiers.protocol import Result, Verifier

__all__ = ["AnswerCheck", "Result", "Verifier"]
