"""What a policy is: a function from the situation of a solve to its next purchase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from its_agent.difficulty import Belief
from its_agent.ledger import Remaining
from its_agent.receipt import StopReason
from its_agent.solution import AnswerType

Path = Literal["single_pass", "attempts", "refine", "search"]

TYPICAL_TOKENS = 300
"""Length of a worked answer, until samples of this problem say better."""
WORTHWHILE = 0.85
"""Share of the typical length below which a sample would most likely be cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buy:
    """The next purchase: `samples` on one path, and why."""

    path: Path
    arm: str
    """A prompt template; for "search" the algorithm's name."""
    samples: int
    why: str
    greedy_first: bool = False
    """The first sample is taken at temperature 0."""
    until_decided: bool = False
    """What still runs is aborted once the vote is decided."""
    share: float = 1.0
    """Part of what is left that a refinement or a search may use at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Nothing more is worth its price, or affordable."""

    reason: StopReason
    why: str


Decision: TypeAlias = Buy | Stop


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
    token_cost: float = 1.0
    """Compute units a token of this model costs."""
    bought: Mapping[Path, int]
    """Purchases so far, by path."""
    samples: int = 0
    """Samples that have ended so far, those without an answer included."""
    sample_tokens: int = 0
    """Tokens of all samples so far."""
    leading: int = 0
    """Votes for the leading answer."""
    agreeing: int = 0
    """Samples of the last purchase, if all of them gave the same answer; else 0."""
    settled: bool = False
    verified: bool = False
    """A check passes the leading answer."""
    has_checks: bool = False
    """There is a verifier that can tell a right answer."""
    can_search: bool = True
    """The backend continues partial answers and tells log-probabilities."""
    refined_to_an_end: bool = False
    """Nothing speaks against the solution any more, or its rounds are used up."""
    supply: Mapping[str, int | None]
    """Samples to be had of an arm, "NAME" warm and "NAME@0" greedy; None or absent: no limit."""

    @property
    def usual_arm(self) -> str:
        """The prompt that suits the answer type: free text is not reasoned about step by step."""
        return "plain" if self.answer_type == "text" else "step_by_step"

    @property
    def typical_tokens(self) -> float:
        """Mean length of this problem's samples, or TYPICAL_TOKENS before the first."""
        return self.sample_tokens / self.samples if self.samples else TYPICAL_TOKENS

    def room(self, *, prompts: int = 1) -> int:
        """How many samples of full length are affordable in `prompts` requests together.

        One that would be a little short still counts as 1.
        """
        units = self.remaining.compute
        if self.remaining.requests is not None and self.remaining.requests < prompts:
            return 0
        if units is None:
            return MOST_AT_ONCE
        tokens = int(units / self.token_cost) - prompts * self.prompt_tokens
        whole = tokens // self.max_tokens
        if whole == 0 and tokens >= WORTHWHILE * min(self.typical_tokens, self.max_tokens):
            return 1
        return max(0, min(whole, MOST_AT_ONCE))

    def left(self, arm: str) -> int:
        """How many samples of an arm are to be had."""
        supply = self.supply.get(arm)
        return MOST_AT_ONCE if supply is None else supply


MOST_AT_ONCE = 64


class Policy(Protocol):
    """Decides what to buy next. Pure: the same situation gives the same decision."""

    def __call__(self, situation: Situation) -> Decision: ...
