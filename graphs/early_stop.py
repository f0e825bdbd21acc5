"""Ends a wave once the samples still running cannot change its vote."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from its_agent.answers import canonical
from its_agent.backends.sample import Sample
from its_agent.graphs.reading import read
from its_agent.graphs.state import State, candidates_of
from its_agent.selection.checking import decide
from its_agent.selection.judgement import SETTLED
from its_agent.selection.rules import reliability
from its_agent.selection.stopping import decided
from its_agent.solution import AnswerType
from its_agent.stop_signal import StopSignal
from its_agent.verifiers import Verifier


class EarlyStop:
    """Watches the samples of a wave end, and sets `signal` when the vote is decided, or at the
    first answer that a verifier passes.

    A sample that still runs counts as a vote for the runner-up, so that short answers gain nothing
    by being first. Answers are compared by their plain form alone, which can only delay the stop.
    """

    def __init__(
        self,
        state: State,
        *,
        arm: str,
        running: int,
        lead: float = SETTLED,
        verifiers: Sequence[Verifier] = (),
    ) -> None:
        self.signal = StopSignal()
        self._verifiers = verifiers
        self._kind: AnswerType = state.answer_type
        self._weight = reliability(arm)
        self._running = running
        self._lead = lead
        self._votes: dict[str | Fraction, float] = {}
        for candidate in candidates_of(state):
            self._add(candidate.answer, reliability(candidate.strategy))

    def see(self, sample: Sample) -> None:
        """Count a sample that has just ended."""
        self._running -= 1
        answer = read(sample, self._kind).answer
        if self._running > 0 and (self._wins(answer) or self._is_decided(answer)):
            self.signal.set()

    def _wins(self, answer: str | None) -> bool:
        return answer is not None and decide(answer, self._verifiers).result == "pass"

    def _is_decided(self, answer: str | None) -> bool:
        self._add(answer, self._weight)
        if self._verifiers:
            return False
        return decided(self._votes.values(), self._running * self._weight, self._lead)

    def _add(self, answer: str | None, weight: float) -> None:
        if answer is not None:
            vote = canonical(answer, self._kind)
            self._votes[vote] = self._votes.get(vote, 0.0) + weight
