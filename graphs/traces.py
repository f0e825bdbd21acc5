"""The traces of a thinking as they are kept in the state, and the ways of thinking by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from its_agent.budget import Usage
from its_agent.graphs.context import Context
from its_agent.graphs.state import Plain, State, flat
from its_agent.prompts import render
from its_agent.thinking.budget_forcing import BudgetForcing
from its_agent.thinking.early_exit import EarlyExit
from its_agent.thinking.trace import Forcing, Trace

ANSWER_SHARE = 0.25
"""Part of a sample's tokens that budget forcing keeps for the answer, ANSWER_TOKENS at most."""
ANSWER_TOKENS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A trace with what it has cost, and what its tokens were like."""

    id: int
    trace: Trace = Trace()
    usage: Usage = Usage()
    logprob: float = 0.0
    scored: int = 0
    """Tokens whose log-probability is known."""
    thinking_tokens: int = 0

    def to_plain(self) -> Plain:
        """Write it as plain data."""
        return flat(self) | {"trace": self.trace.to_plain(), "usage": flat(self.usage)}

    @classmethod
    def from_plain(cls, plain: Plain) -> Written:
        """Read it back."""
        values: Plain = {
            **plain,
            "trace": Trace.from_plain(plain["trace"]),
            "usage": Usage(**plain["usage"]),
        }
        return cls(**values)


def budget_forcing(state: State, context: Context) -> Forcing:
    """Budget forcing within the tokens of one sample."""
    most = context.settings.max_tokens
    return BudgetForcing(
        max_tokens=most,
        answer_type=state.answer_type,
        thinking_tokens=max(1, most - min(ANSWER_TOKENS, int(most * ANSWER_SHARE))),
        wait=render("wait"),
        after_thinking=render("after_thinking"),
        therefore=render("therefore", answer_type=state.answer_type),
    )


def early_exit(state: State, context: Context) -> Forcing:
    """Early exit within the tokens of one sample."""
    return EarlyExit(
        max_tokens=context.settings.max_tokens,
        answer_type=state.answer_type,
        cue=render("probe", answer_type=state.answer_type),
    )


FORCINGS: Mapping[str, Callable[[State, Context], Forcing]] = {
    "budget_forcing": budget_forcing,
    "early_exit": early_exit,
}
