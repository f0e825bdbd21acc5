"""What evidence is worth: log-odds that add up, from rates that were measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from its_agent.backends.account import Account
from its_agent.budget import Usage
from its_agent.errors import InvalidOption
from its_agent.verifiers.protocol import (
    Conversation,
    Examiner,
    Reading,
    Result,
    Scorer,
    Verifier,
)

LIMIT = 4.0
"""Most log-odds that one piece of evidence adds or takes, since every measurement is finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A scorer's scores as log-odds: slope × (score − neutral), within ±LIMIT.

    With both from a logistic regression of "it is right" on the score, `neutral` is the score at
    which right and wrong solutions are equally likely to be seen, prior odds left out.
    """

    slope: float
    neutral: float

    def log_odds(self, score: float) -> float:
        """What a score adds to the log-odds that the solution is right."""
        return max(-LIMIT, min(LIMIT, self.slope * (score - self.neutral)))


class Calibrated:
    """A scorer whose scores count as evidence, by a calibration that was measured for it."""

    def __init__(self, scorer: Scorer, *, slope: float, neutral: float) -> None:
        self._scorer = scorer
        self._calibration = Calibration(slope=slope, neutral=neutral)

    @property
    def name(self) -> str:
        """What reasons call it."""
        return self._scorer.name

    @property
    def meaning(self) -> str:
        """What its score stands for."""
        return self._scorer.meaning

    @property
    def compares(self) -> bool:
        """Scores hold among the solutions that were scored together."""
        return self._scorer.compares

    def typical(self, tokens: int) -> int:
        """Compute units that scoring one conversation usually costs."""
        return self._scorer.typical(tokens)

    def worst(self, tokens: int) -> Usage:
        """The most that scoring one conversation costs."""
        return self._scorer.worst(tokens)

    async def score(self, conversations: Sequence[Conversation], account: Account) -> list[Reading]:
        """Let the scorer score."""
        return await self._scorer.score(conversations, account)

    def log_odds(self, score: float) -> float:
        """What a score adds to the log-odds that the solution is right."""
        return self._calibration.log_odds(score)


class HitRates:
    """A verifier that can be wrong, with how often: of right answers it passes `passes_right`, of
    wrong ones `passes_wrong`. A pass multiplies the odds by their ratio, a fail by that of the
    rests.

    Raises InvalidOption for rates that are no shares between 0 and 1.
    """

    def __init__(
        self, verifier: Verifier | Examiner, *, passes_right: float, passes_wrong: float
    ) -> None:
        for name, rate in (("passes_right", passes_right), ("passes_wrong", passes_wrong)):
            if not 0 < rate < 1:
                raise InvalidOption(
                    f"{name} must be above 0 and below 1, got {rate!r}; what is never wrong is a "
                    "verifier by itself"
                )
        self._verifier = verifier
        self._pass = _within(math.log(passes_right / passes_wrong))
        self._fail = _within(math.log((1 - passes_right) / (1 - passes_wrong)))

    @property
    def name(self) -> str:
        """What reasons call it."""
        return self._verifier.name

    async def testify(self, answer: str) -> Result:
        """Ask the verifier."""
        if isinstance(self._verifier, Examiner):
            return await self._verifier.examine(answer)
        return self._verifier.check(answer)

    def log_odds(self, result: Result) -> float:
        """The logarithm of the likelihood ratio of what it said."""
        return {"pass": self._pass, "fail": self._fail}.get(result, 0.0)


def _within(log_odds: float) -> float:
    return max(-LIMIT, min(LIMIT, log_odds))
