"""CodeT: the model writes tests, and programs are scored by who passes the same of them."""

from __future__ import annotations

from collections.abc import Sequence

from its_agent.backends.account import Account
from its_agent.backends.protocol import Request
from its_agent.backends.sample import Sample
from its_agent.budget import Usage
from its_agent.errors import BackendError
from its_agent.prompts import render
from its_agent.verifiers.agreement import consensus_scores
from its_agent.verifiers.asking import question_of, solution_of
from its_agent.verifiers.inputs import assertions_in
from its_agent.verifiers.protocol import Conversation, Reading
from its_agent.verifiers.sandbox import Sandbox
from its_agent.verifiers.trials import Outcome, Trials

MAX_TOKENS = 512
PROMPT_TOKENS = 80
"""What asking for tests adds to a problem."""
TYPICAL_TOKENS = 250
_KEPT = 256


class CodeT:
    """Asks the solving model once for tests of a problem, runs every program on every test, and
    scores it by CodeT's formula (arXiv 2207.10397).

    The problem is that of the first conversation; conversations that are scored together are of
    one problem. Its tests are kept for later waves. Raises MissingExtra without a sandbox.
    """

    def __init__(
        self, *, tests: int = 12, sandbox: Sandbox | None = None, name: str = "codet"
    ) -> None:
        self._count = tests
        self._trials = Trials(sandbox)
        self._name = name
        self._known: dict[str, tuple[str, ...]] = {}

    @property
    def name(self) -> str:
        """What reasons call it."""
        return self._name

    @property
    def meaning(self) -> str:
        """What its score stands for."""
        return "programs that pass the same generated tests, times those tests"

    @property
    def compares(self) -> bool:
        """Programs are scored against each other."""
        return True

    def typical(self, tokens: int) -> int:
        """Compute units for the tests, which only the first conversation of a problem costs."""
        return tokens // 2 + PROMPT_TOKENS + TYPICAL_TOKENS

    def worst(self, tokens: int) -> Usage:
        """The most that the tests cost."""
        prompt = tokens + PROMPT_TOKENS
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=MAX_TOKENS,
            requests=1,
            compute=prompt + MAX_TOKENS,
        )

    async def score(self, conversations: Sequence[Conversation], account: Account) -> list[Reading]:
        """Score every program; one that is not written to its end passes nothing."""
        if not conversations:
            return []
        try:
            tests = await self._tests(question_of(conversations[0]), account)
        except BackendError as error:
            account.notes.append(str(error))
            return ["broken"] * len(conversations)
        if not tests:
            return ["unknown"] * len(conversations)
        return scores(await self._trials.run([solution_of(c) for c in conversations], tests))

    async def _tests(self, question: str, account: Account) -> tuple[str, ...]:
        if question not in self._known:
            samples = await account.ask(self._request(question))
            if not samples:
                return ()
            self._known[question] = _tests_of(samples[0])[: 2 * self._count]
            while len(self._known) > _KEPT:
                self._known.pop(next(iter(self._known)))
        return self._known[question]

    def _request(self, question: str) -> Request:
        prompt = render("code_tests", problem=question, count=str(self._count))
        return Request(
            messages=({"role": "user", "content": prompt},),
            max_tokens=MAX_TOKENS,
            temperature=0.0,
            top_p=1.0,
            logprobs=False,
        )


def _tests_of(sample: Sample) -> tuple[str, ...]:
    found = assertions_in(sample.text)
    # The end of a text that was cut off may read as another test than the one meant.
    return found[:-1] if sample.finish == "length" else found


def scores(trials: Sequence[Sequence[Outcome] | None]) -> list[Reading]:
    """CodeT's scores of those that ran."""
    passed = [
        frozenset(i for i, outcome in enumerate(trial) if not outcome.raised)
        for trial in trials
        if trial is not None
    ]
    found = iter(consensus_scores(passed))
    return ["broken" if trial is None else float(next(found)) for trial in trials]
