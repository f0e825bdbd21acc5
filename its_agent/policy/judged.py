"""Judges are paid before a solve ends: where scores can still change what is chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace

from its_agent.policy.protocol import Buy, Decision, Policy, Situation, Stop

SEEN = Stop(reason="complete", why="the judges have seen all that the budget pays for")


def decide(policy: Policy, situation: Situation) -> Decision:
    """What the policy decides; where it stops without being confident, and judges have not seen
    everything, they look first. What they have looked at is not added to."""
    if situation.bought.get("judging", 0) and not isinstance(policy, EachWave):
        return judging(situation) or SEEN
    decision = policy(situation)
    if isinstance(decision, Buy) or decision.reason == "confident":
        return decision
    return judging(situation) or decision


def judging(situation: Situation) -> Buy | None:
    """Show the samples to the first scorer that has not seen them all, if it can matter: one answer
    alone, or one that a check passes, stays what it is."""
    if situation.verified or situation.answers < 2:
        return None
    for one in situation.scoring:
        left = situation.remaining.compute
        if one.unseen and (left is None or left >= one.at_once):
            return Buy(
                path="judging",
                arm=one.scorer,
                samples=one.unseen,
                why=f"{situation.answers} answers, and {one.scorer} has not seen {one.unseen}",
            )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """Samples come first: a judge gets what they leave of the budget."""

    policy: Policy

    def __call__(self, situation: Situation) -> Decision:
        return self.policy(replace(situation, scoring=()))


@dataclass(frozen=True, slots=True, kw_only=True)
class EachWave:
    """Scores every wave before the next is decided on, for rules that stop by scores."""

    policy: Policy

    def __call__(self, situation: Situation) -> Decision:
        first = next(iter(situation.scoring), None)
        left = situation.remaining.compute
        if first and first.unseen and not situation.verified:
            if left is None or left >= first.at_once:
                return Buy(
                    path="judging",
                    arm=first.scorer,
                    samples=first.unseen,
                    why=f"{first.scorer} has not seen {first.unseen} samples",
                )
            return Stop(reason="budget", why="what is left does not pay for scoring")
        return self.policy(situation)
