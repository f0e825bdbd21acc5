"""What can judge an answer: exact checks, programs against tests in a sandbox, judges and reward
models that are asked, and what their word is worth."""

from its_agent.verifiers.calibration import Calibrated, Calibration, HitRates
from its_agent.verifiers.code import CodeTests
from its_agent.verifiers.density_ratio import DensityRatio
from its_agent.verifiers.exact import AnswerCheck
from its_agent.verifiers.generative import GenerativeVerifier
from its_agent.verifiers.judge import Rating
from its_agent.verifiers.outcome_reward import OutcomeReward
from its_agent.verifiers.process_reward import ProcessReward
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
    Witness,
)
from its_agent.verifiers.sandbox import Limits, Ran, Sandbox
from its_agent.verifiers.self_evaluation import PTrue

__all__ = [
    "AnswerCheck",
    "Calibrated",
    "Calibration",
    "CodeTests",
    "Conversation",
    "DensityRatio",
    "Examiner",
    "Explains",
    "ExplainsSlowly",
    "GenerativeVerifier",
    "Grades",
    "HitRates",
    "Limits",
    "PTrue",
    "OutcomeReward",
    "ProcessReward",
    "Ran",
    "Rating",
    "Reading",
    "Result",
    "Sandbox",
    "Scorer",
    "Verifier",
    "Witness",
]
