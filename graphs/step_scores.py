"""What a step is worth: by the model's own tokens, by a scorer, or by a function of the caller."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, TypeAlias, runtime_checkable

from its_agent.backends.account import Account
from its_agent.backends.protocol import Capability
from its_agent.backends.sample import Sample
from its_agent.budget import Usage
from its_agent.errors import InvalidOption
from its_agent.graphs.scales import Scale
from its_agent.selection.self_certainty import TOP
from its_agent.verifiers import Conversation, PTrue, Reading, Scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """A partial solution, and the step that it ends with."""

    problem: str
    text: str
    """From the first step to the last."""
    conversation: Conversation
    """The problem as it was put, and the text as the assistant's last message."""
    step: Sample
    likelihood: float | None
    """Mean log-probability of the tokens that the algorithm goes by, where the engine tells it."""


@runtime_checkable
class StepScore(Protocol):
    """Says what a step is worth, higher for better."""

    @property
    def name(self) -> str:
        """What the receipt calls it."""
        ...

    @property
    def scale(self) -> Scale:
        """What its numbers stand for."""
        ...

    @property
    def needs(self) -> tuple[Capability, ...]:
        """What the model that solves must be able to do."""
        ...

    @property
    def top_logprobs(self) -> int:
        """Alternatives that it reads of every token of a step."""
        ...

    def worst(self, tokens: int) -> Usage:
        """The most that one partial solution costs, in a conversation of so many tokens."""
        ...

    async def read(self, partials: Sequence[Partial], account: Account) -> list[Reading]:
        """Score each, in their order. Raises nothing but cancellation: "unknown" for a step that
        it has nothing to say of, "broken" where it failed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """Mean log-probability, of the step or of the whole path as the algorithm goes by it."""

    name: str = "logprob"
    scale: Scale = "log_probability"
    needs: tuple[Capability, ...] = ("logprobs",)
    top_logprobs: int = 0

    def worst(self, tokens: int) -> Usage:
        """Nothing: it came with the step."""
        return Usage()

    async def read(self, partials: Sequence[Partial], account: Account) -> list[Reading]:
        """Look it up; "unknown" where the engine told no log-probabilities."""
        return [
            "unknown" if one.likelihood is None else min(0.0, one.likelihood) for one in partials
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCertainty:
    """Mean confidence of the step's tokens, from 20 alternatives (`token_confidence`; 2502.18581,
    and 2603.07159 for single steps). It has no upper end, and is taken for odds: particles are
    drawn in proportion to it."""

    name: str = "self_certainty"
    scale: Scale = "odds"
    needs: tuple[Capability, ...] = ("logprobs", "top_logprobs")
    top_logprobs: int = TOP

    def worst(self, tokens: int) -> Usage:
        """Nothing: it came with the step."""
        return Usage()

    async def read(self, partials: Sequence[Partial], account: Account) -> list[Reading]:
        """Look it up; "unknown" where the engine told no alternatives."""
        return [_mean(one.step.confidences) for one in partials]


@dataclass(frozen=True, slots=True, kw_only=True)
class ByScorer:
    """The reading of a scorer of solutions, made of the partial one. Equal ones are read once.

    Its numbers are taken for probabilities, unless `scale` says otherwise. Raises InvalidOption for
    a scorer that compares: a search weighs steps that were not scored together.
    """

    scorer: Scorer
    scale: Scale = "probability"
    needs: tuple[Capability, ...] = ()
    top_logprobs: int = 0

    def __post_init__(self) -> None:
        if self.scorer.compares:
            raise InvalidOption(
                f"{self.scorer.name!r} cannot score steps: its scores hold only among the "
                "solutions that were scored together, and a search compares steps of many waves"
            )

    @property
    def name(self) -> str:
        """The scorer's."""
        return self.scorer.name

    def worst(self, tokens: int) -> Usage:
        """What the scorer says."""
        return self.scorer.worst(tokens)

    async def read(self, partials: Sequence[Partial], account: Account) -> list[Reading]:
        """Ask the scorer."""
        distinct = {one.text: one.conversation for one in partials}
        readings = await self.scorer.score(list(distinct.values()), account)
        by_text = dict(zip(distinct, readings, strict=True))
        return [by_text[one.text] for one in partials]


StepFunction: TypeAlias = Callable[[str, str], float]
"""From the problem and a partial solution to what it is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByFunction:
    """A function of the caller, in a thread of its own: one that takes long holds up nothing but
    its search, and is no longer waited for once the time is up. Whatever it raises is "broken"."""

    function: StepFunction
    scale: Scale = "probability"
    needs: tuple[Capability, ...] = ()
    top_logprobs: int = 0

    @property
    def name(self) -> str:
        """The function's."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def worst(self, tokens: int) -> Usage:
        """Nothing that an engine makes."""
        return Usage()

    async def read(self, partials: Sequence[Partial], account: Account) -> list[Reading]:
        """Call it for each."""

        async def called() -> tuple[list[Reading], Usage]:
            return await asyncio.to_thread(lambda: [self._of(one) for one in partials]), Usage()

        readings = await account.read(called, worst=Usage())
        return ["unknown" for _ in partials] if readings is None else readings

    def _of(self, one: Partial) -> Reading:
        try:
            return float(self.function(one.problem, one.text))
        except Exception:  # noqa: BLE001
            # Somebody else's code may raise anything; the steps it scores are paid for.
            return "broken"


LIKELIHOOD = Likelihood()
STEP_SCORES: Mapping[str, StepScore] = MappingProxyType(
    {
        "logprob": LIKELIHOOD,
        "self_certainty": SelfCertainty(),
        "p_true": ByScorer(scorer=PTrue(), needs=("top_logprobs",)),
    }
)


def step_score_of(asked: str | Scorer | StepScore | StepFunction) -> StepScore:
    """Find the step score of that name, or make one of a scorer or a function. Raises
    InvalidOption, which lists the known names."""
    if isinstance(asked, str):
        if asked not in STEP_SCORES:
            raise InvalidOption(f"unknown step score {asked!r}; known: {', '.join(STEP_SCORES)}")
        return STEP_SCORES[asked]
    if isinstance(asked, type) or inspect.iscoroutinefunction(asked):
        raise InvalidOption(f"step_score={asked!r}; give a scorer, or a function that is not async")
    if isinstance(asked, StepScore):
        return asked
    if isinstance(asked, Scorer):
        return ByScorer(scorer=asked)
    if callable(asked):
        return ByFunction(function=asked)
    raise InvalidOption(
        f"step_score={asked!r}; give one of {', '.join(STEP_SCORES)}, a Scorer, or a function of "
        "the problem and a partial solution"
    )


def _mean(values: Sequence[float]) -> Reading:
    return sum(values) / len(values) if values else "unknown"
