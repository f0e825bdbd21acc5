"""What can judge an answer: exact checks, programs against tests in a sandbox, and scorers that ask
a second model: process and outcome rewards, density ratio."""

from its_agent.verifiers.code import CodeTests
from its_agent.verifiers.density_ratio import DensityRatio
from its_agent.verifiers.exact import AnswerCheck
from its_agent.verifiers.outcome_reward import OutcomeReward
from its_agent.verifiers.process_reward import ProcessReward
from its_agent.verifiers.protocol import (
    Conversation,
    Examiner,
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
    "DensityRatio",
    "Examiner",
    "Limits",
    "OutcomeReward",
    "ProcessReward",
    "Ran",
    "Reading",
    "Result",
    "Sandbox",
    "Scorer",
    "Verifier",
]
