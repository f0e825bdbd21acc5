"""Output agreement: programs vote by what they make of the same inputs, without any test."""

from __future__ import annotations

from collections.abc import Sequence

from its_agent.backends.account import Account
from its_agent.budget import Usage
from its_agent.verifiers.agreement import agreement_shares, behaviour_clusters
from its_agent.verifiers.asking import question_of, solution_of
from its_agent.verifiers.inputs import examples_in, mutated_calls
from its_agent.verifiers.protocol import Conversation, Reading
from its_agent.verifiers.sandbox import Sandbox
from its_agent.verifiers.trials import Trials


class OutputAgreement:
    """Scores a program by the share of programs with the same outputs on the same inputs, which
    costs no tokens.

    The inputs are the `calls` given, such as `f(1, 2)`; else `count` mutations of those in the
    `tests`; else of the assertions and doctests in the problem's text. Without any, "unknown".
    Raises MissingExtra without a sandbox.
    """

    def __init__(
        self,
        tests: Sequence[str] = (),
        *,
        calls: Sequence[str] = (),
        count: int = 16,
        seed: int = 0,
        sandbox: Sandbox | None = None,
        name: str = "output_agreement",
    ) -> None:
        self._tests = tuple(tests)
        self._calls = tuple(calls)
        self._count = count
        self._seed = seed
        self._trials = Trials(sandbox)
        self._name = name

    @property
    def name(self) -> str:
        """What reasons call it."""
        return self._name

    @property
    def meaning(self) -> str:
        """What its score stands for."""
        return "share of the programs with the same outputs on the same inputs"

    @property
    def compares(self) -> bool:
        """Programs are scored against each other."""
        return True

    def typical(self, tokens: int) -> int:
        """Nothing is asked."""
        return 0

    def worst(self, tokens: int) -> Usage:
        """Nothing is asked."""
        return Usage()

    async def score(self, conversations: Sequence[Conversation], account: Account) -> list[Reading]:
        """Run all programs on the inputs; one that fails on every input agrees with nobody."""
        calls = self.calls_for(question_of(conversations[0])) if conversations else ()
        if not calls:
            return ["unknown"] * len(conversations)
        trials = await self._trials.run([solution_of(c) for c in conversations], calls)
        shares = agreement_shares(behaviour_clusters(trials))
        return [
            "broken" if trial is None else share
            for trial, share in zip(trials, shares, strict=True)
        ]

    def calls_for(self, question: str) -> tuple[str, ...]:
        """The inputs for a problem, always the same."""
        if self._calls:
            return self._calls
        tests = self._tests or examples_in(question)
        return mutated_calls(tests, self._count, seed=self._seed)
