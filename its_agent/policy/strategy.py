"""What a strategy is: a policy, and the rule that picks the answer from its candidates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from its_agent.policy.protocol import Policy
from its_agent.selection import rules
from its_agent.selection.rules import Rule
from its_agent.verifiers import Scorer

LOGPROBS = "log-probabilities"
ALTERNATIVES = "20 alternatives a token"
CONTINUATION = "continuing a partial answer"
STEPS = "continuing a partial answer, log-probabilities"
SANDBOX = "a sandbox (bubblewrap)"
JUDGE = f"{ALTERNATIVES}, or a scorer"
SCORE = "score"
"""The signal that holds the score of the first scorer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How to spend a budget, and how to choose from what it bought."""

    name: str
    summary: str
    """What it does, in one line, with its source."""
    policy: Policy
    rule: Rule = rules.weighted_vote
    estimates: bool = False
    """Ask for the difficulty first; fixed strategies have no use for it."""
    logprobs: bool = True
    """Log-probabilities of its samples are read: for the vote, and for a better confidence."""
    top_logprobs: int = 0
    """Alternatives that are read for every token of a sample."""
    runs_programs: bool = False
    """Its samples are programs, which are run in a sandbox."""
    needs: str = "nothing"
    """What the backend must be able to do, or the machine must have."""
    cost: str = "the whole budget"
    """What it uses of a budget."""
    scorers: tuple[Callable[[], Scorer], ...] = ()
    """What makes the judges of its candidates, unless the agent has scorers of its own."""
    scored_rule: Rule | None = None
    """The rule where there are scorers, if it is another one."""

    def rule_with(self, *, scored: bool) -> Rule:
        """The rule that chooses, with scores at hand or without."""
        return self.scored_rule if scored and self.scored_rule else self.rule
