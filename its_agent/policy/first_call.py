"""What `adaptive` buys where tools can be called."""

from __future__ import annotations

from dataclasses import dataclass

from its_agent.policy.fixed import WAVE, Once, Repeat
from its_agent.policy.protocol import Decision, Policy, Situation, Stop
from its_agent.selection.stop_rules import BetaLead


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCall:
    """The greedy sample, whose calls are made as they are: where it was measured, votes found no
    more right calls for more compute (docs/benchmarks.md). Answers that can be compared are voted
    on, and more is taken while no sample can be used."""

    first: Policy = Once()
    more: Policy = Repeat(wave=WAVE, until=BetaLead())

    def __call__(self, situation: Situation) -> Decision:
        """Decide what to buy next."""
        if not situation.samples:
            return self.first(situation)
        if situation.votes and situation.calls:
            return Stop(reason="complete", why="what it calls can be called")
        if situation.votes and situation.answer_type == "text":
            return Stop(reason="complete", why="free texts have no votes in common")
        return self.more(situation)
