"""What can judge an answer: exact checks, programs against tests and against one another in a
sandbox, judges and reward models that are asked, and what their word is worth."""

from its_agent.verifiers.calibration import Calibrated, Calibration, HitRates
from its_agent.verifiers.code import CodeTests
from its_agent.verifiers.codet import CodeT
from its_agent.verifiers.density_ratio import DensityRatio
from its_agent.verifiers.equation import Equation
from its_agent.verifiers.exact import AnswerCheck
from its_agent.verifiers.game24 import Game24
from its_agent.verifiers.generative import GenerativeVerifier
from its_agent.verifiers.judge import Rating
from its_agent.verifiers.outcome_reward import OutcomeReward
from its_agent.verifiers.output_agreement import OutputAgreement
from its_agent.verifiers.pattern import Regex
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
from its_agent.verifiers.schema import JsonSchema
from its_agent.verifiers.self_evaluation import PTrue

__all__ = [
    "AnswerCheck",
    "Calibrated",
    "Calibration",
    "CodeT",
    "CodeTests",
    "Conversation",
    "DensityRatio",
    "Equation",
    "Examiner",
    "Explains",
    "ExplainsSlowly",
    "Game24",
    "GenerativeVerifier",
    "Grades",
    "HitRates",
    "JsonSchema",
    "Limits",
    "OutcomeReward",
    "OutputAgreement",
    "PTrue",
    "ProcessReward",
    "Ran",
    "Rating",
    "Reading",
    "Regex",
    "Result",
    "Sandbox",
    "Scorer",
    "Verifier",
    "Witness",
]
