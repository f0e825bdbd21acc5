"""What the nodes of one solve share: live objects, which never enter the checkpointed state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from its_agent.backends.metered import MeteredBackend
from its_agent.backends.protocol import Backend, Offer
from its_agent.difficulty import SOURCES
from its_agent.difficulty.profile import Profile
from its_agent.equality import AnswerEquality
from its_agent.events import Emitter
from its_agent.graphs.step_scores import LIKELIHOOD, StepScore
from its_agent.graphs.steps import PARAGRAPHS, Steps
from its_agent.ledger import Ledger
from its_agent.policy import Strategy
from its_agent.policy.market import Market
from its_agent.solution import Candidate, Message
from its_agent.verifiers import Examiner, Result, Scorer, Verifier, Witness
from its_agent.verifiers.programs import Programs


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How samples are taken; the same on every path."""

    max_tokens: int = 512
    """Most tokens of one sample."""
    temperature: float = 0.8
    """Of warm samples; greedy ones are at 0."""
    top_p: float = 0.95
    stop: tuple[str, ...] = ()
    """Strings that end a whole solution, of which they stay the end; steps of a search and what is
    asked about a solution do not know them."""
    sampling: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further sampling settings, for every request to the model that solves."""
    thinking: bool | None = None
    """Whether a reasoning model is to think; None leaves it to the model."""
    thinking_tokens: int | None = None
    """Most tokens of its thinking, where the server holds it to that."""
    step_tokens: int = 128
    """Most tokens of one step of a search, unless `steps` counts them."""
    steps: Steps = PARAGRAPHS
    """Where a search cuts a solution."""
    step_score: StepScore = LIKELIHOOD
    """What a search goes by."""
    sources: frozenset[str] = frozenset(SOURCES)
    """Sources of difficulty that may be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model that samples can be bought of."""

    name: str = ""
    """As the agent's caller named it; empty for a lone one."""
    backend: Backend
    door: MeteredBackend
    offer: Offer
    profile: Profile | None = None
    """How its samples behave; for strategies that estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The live side of one solve."""

    models: Mapping[str, Model]
    """By name; the first is the usual one, that every path can go to."""
    ledger: Ledger
    emit: Emitter
    equality: AnswerEquality
    strategy: Strategy
    settings: Settings
    verifiers: tuple[Verifier, ...] = ()
    examiners: tuple[Examiner, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    scorers: tuple[Scorer, ...] = ()
    """The first one's scores are what a strategy ranks by."""
    found: dict[tuple[str, str], Result] = field(default_factory=dict[tuple[str, str], Result])
    """What examiners, by name, have found out about answers."""
    programs: Programs | None = None
    """Runs samples that are programs; there is one where the strategy asks for them."""
    market: Market | None = None
    """Says what compute has to bring, where solves share a total."""
    durable: bool = False
    """The state is checkpointed, so that the run can be resumed."""
    notes: list[str] = field(default_factory=list[str])
    """What went wrong outside of the state, for the receipt."""
    prompts: dict[str, tuple[Message, ...]] = field(default_factory=dict[str, tuple[Message, ...]])
    """The problem in the words of each arm that was asked for."""
    paid: list[Candidate] = field(default_factory=list[Candidate])
    """Every candidate as it arrives, so that none is lost when the run is cut off."""
    lost: set[str] = field(default_factory=set[str])
    """Models, other than the usual one, that have failed for good, or have no room for the
    problem."""

    @property
    def usual(self) -> Model:
        """The model that every path can go to."""
        return next(iter(self.models.values()))

    def model(self, name: str) -> Model:
        """The model of a name; the usual one where none is named."""
        return self.models[name] if name else self.usual

    @property
    def backend(self) -> Backend:
        """The usual model's."""
        return self.usual.backend

    @property
    def door(self) -> MeteredBackend:
        """The usual model's."""
        return self.usual.door

    @property
    def offer(self) -> Offer:
        """The usual model's."""
        return self.usual.offer

    @property
    def profiles(self) -> dict[str, Profile]:
        """What is known of each model's samples; nothing where the strategy does not estimate."""
        return {name: one.profile for name, one in self.models.items() if one.profile is not None}

    @property
    def profile(self) -> Profile | None:
        """The usual model's."""
        return self.usual.profile
