"""What a policy is: a function from the situation of a solve to its next purchase."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from its_agent.difficulty import Belief
from its_agent.difficulty.answer_belief import AnswerBelief
from its_agent.ledger import Remaining
from its_agent.receipt import StopReason
from its_agent.selection.judgement import SETTLED
from its_agent.selection.stop_rules import Progress
from its_agent.solution import AnswerType

SamplingPath = Literal["single_pass", "attempts", "refine", "search", "thinking"]
Path: TypeAlias = SamplingPath | Literal["judging"]

TYPICAL_TOKENS = 300
"""Length of a worked answer, until samples of this problem say better."""
WORTHWHILE = 0.85
"""Share of the typical length below which a sample would most likely be cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buy:
    """The next purchase: `samples` on one path, and why."""

    path: Path
    arm: str
    """A prompt template; for "search" and "thinking" the algorithm's name, for "judging" the
    scorer's."""
    samples: int
    why: str
    model: str = ""
    """Whose samples; empty for the usual model."""
    greedy_first: bool = False
    """The first sample is taken at temperature 0."""
    until_decided: bool = False
    """What still runs is aborted once the vote is decided."""
    lead: float = SETTLED
    """Beta lead at which it is."""
    share: float = 1.0
    """Part of what is left that a path of several steps may use at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Nothing more is worth its price, or affordable."""

    reason: StopReason
    why: str


Decision: TypeAlias = Buy | Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What a scorer is yet to see, and its price in compute units."""

    scorer: str
    unseen: int
    """Candidates with an answer that it has not scored."""
    each: int
    """What one of full length usually costs."""
    at_once: int
    """What must be free while one is scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that a policy may look at."""

    question: str
    answer_type: AnswerType
    belief: Belief
    remaining: Remaining
    prompt_tokens: int
    """Tokens of the usual prompt."""
    max_tokens: int
    """Most tokens a sample may have."""
    unit_price: float | None = None
    """Chance to be right that a compute unit has to bring, where solves share a market."""
    token_cost: float = 1.0
    """Compute units a token of this model costs."""
    bought: Mapping[Path, int]
    """Purchases so far, by path."""
    tried: frozenset[str] = frozenset()
    """Arms that something was bought of."""
    samples: int = 0
    """Samples that have ended so far, those without an answer included."""
    sample_tokens: int = 0
    """Tokens of all samples so far."""
    answers: int = 0
    """Different answers so far; counted where there is a scorer to tell them apart."""
    leading: int = 0
    """Votes for the leading answer."""
    agreeing: int = 0
    """Samples of the last purchase, if all of them gave the same answer; else 0."""
    outlook: AnswerBelief | None = None
    """Which answer is right, as the samples so far have it; for strategies that estimate."""
    warm_weight: float = 1.0
    """Votes that a warm sample of the usual prompt counts as."""
    votes: tuple[float, ...] = ()
    """Votes for each answer: the chosen one's first, then the others', most first."""
    settled: bool = False
    calls: bool = False
    """The leading candidate calls tools in place of an answer."""
    verified: bool = False
    """A check passes the leading answer."""
    has_checks: bool = False
    """There is a verifier that can tell a right answer."""
    can_continue: bool = True
    """The backend continues partial answers."""
    can_search: bool = True
    """The backend continues partial answers, and tells what the step score reads of them."""
    scoring: tuple[Scoring, ...] = ()
    """What judges are to be paid for, in the order of their weight."""
    scores: tuple[float, ...] = ()
    """Scores of the samples so far, by the first scorer."""
    refined_to_an_end: bool = False
    """Nothing speaks against the solution any more, or its rounds are used up."""
    supply: Mapping[str, int | None]
    """Samples to be had of an arm, "NAME" warm and "NAME@0" greedy; None or absent: no limit."""
    model: str = ""
    """The one of several models whose prices, supply and samples these are; empty where the prices
    and the supply are the usual model's, and the samples those of all."""
    by_model: tuple[Situation, ...] = ()
    """The same for the samples of each model alone, where there are several; the usual one's
    first."""

    @property
    def usual_arm(self) -> str:
        """The prompt that suits the answer type: free text is not reasoned about step by step."""
        return "plain" if self.answer_type == "text" else "step_by_step"

    @property
    def typical_tokens(self) -> float:
        """Mean length of this problem's samples, or TYPICAL_TOKENS before the first."""
        return self.sample_tokens / self.samples if self.samples else TYPICAL_TOKENS

    @property
    def sample_price(self) -> float:
        """Compute units that another sample, and what scores it, typically cost; its prompt is
        cached by then."""
        return self.typical_tokens * self.token_cost + sum(one.each for one in self.scoring)

    @property
    def first_price(self) -> float:
        """The same for the first sample of a model, whose prompt is yet to be read."""
        return self.sample_price + self.prompt_tokens * self.token_cost

    @property
    def progress(self) -> Progress:
        """What stop rules may look at."""
        return Progress(
            samples=self.samples,
            votes=self.votes,
            agreeing=self.agreeing,
            scores=self.scores,
            sample_price=self.sample_price,
            left=self.room(),
        )

    def room(self, *, prompts: int = 1) -> int:
        """How many samples of full length are affordable in `prompts` requests together.

        One that would be a little short still counts as 1.
        """
        units = self._unclaimed
        if self.remaining.requests is not None and self.remaining.requests < prompts:
            return 0
        if units is None:
            return MOST_AT_ONCE
        tokens = int(units / self.token_cost) - prompts * self.prompt_tokens
        whole = tokens // (self.max_tokens + self._scoring_tokens)
        if whole == 0 and tokens >= WORTHWHILE * min(self.typical_tokens, self.max_tokens):
            return 1
        return max(0, min(whole, MOST_AT_ONCE))

    @property
    def _unclaimed(self) -> int | None:
        """Compute units left, without what scoring the samples so far will take."""
        if self.remaining.compute is None:
            return None
        claimed = sum(one.unseen * one.each for one in self.scoring)
        slack = max((one.at_once for one in self.scoring), default=0)
        return max(0, self.remaining.compute - claimed - slack)

    @property
    def _scoring_tokens(self) -> int:
        """What scoring one more sample costs, in tokens of the model that solves."""
        return math.ceil(sum(one.each for one in self.scoring) / self.token_cost)

    def of(self, model: str) -> Situation:
        """The situation as it is for samples of a model."""
        return next((one for one in self.by_model if one.model == model), self)

    @property
    def views(self) -> tuple[Situation, ...]:
        """The situation as it is for the samples of each model, the usual one's first."""
        return self.by_model or (self,)

    def left(self, arm: str) -> int:
        """How many samples of an arm are to be had."""
        supply = self.supply.get(arm)
        return MOST_AT_ONCE if supply is None else supply


MOST_AT_ONCE = 64


class Policy(Protocol):
    """Decides what to buy next. Pure: the same situation gives the same decision."""

    def __call__(self, situation: Situation) -> Decision: ...
