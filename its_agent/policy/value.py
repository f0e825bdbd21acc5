"""Value of computation: more samples are bought while what they are expected to bring is worth
their price (Russell and Wefald 1991; Hay et al., arXiv 1207.5879, on looking several steps ahead).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from its_agent.difficulty.answer_belief import AnswerBelief
from its_agent.difficulty.prospects import Prospect, prospects
from its_agent.policy.fixed import WAVE
from its_agent.policy.protocol import Buy, Situation, Stop
from its_agent.selection.judgement import AGREED

PRICE = 0.02
"""Rise of the chance to be right for which all that is left would be spent: the price of a unit
rises as the budget shrinks. Chosen on recorded grade-school samples of a 0.5B model."""
LEAST_GAIN = 0.021
"""Rise of the chance to be right that a sample has to bring however much is left. Chosen on such
samples, too: what none of sixteen solves gets at most two fifths of what votes give it."""


def price(situation: Situation) -> float:
    """Chance to be right that a compute unit has to bring: the market's, where there is one, else
    by what is left; 0 where compute has no limit."""
    if situation.unit_price is not None:
        return situation.unit_price
    left = situation.remaining.compute
    return 0.0 if left is None else PRICE / max(1, left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Samples of one arm of one model, some of which may be bought next."""

    seen: Situation
    """As it is for this model's samples."""
    arm: str
    at_most: int
    least_gain: float
    """Rise of the chance to be right that each has to bring, however little it costs; votes alone
    bring little at a time, and do not tell what is hopeless from what takes many of them."""

    def bids(self, outlook: AnswerBelief, *, seed: int) -> list[Bid]:
        """What 1, 2, 4 or 8 of them are expected to bring, and at what price."""
        seen = self.seen
        tally = outlook.tallies[seen.model or outlook.first]
        least = self.least_gain if tally.habits.trust else 0.0
        prompt = seen.first_price - seen.sample_price if seen.model and not seen.samples else 0.0
        found = prospects(
            outlook,
            model=seen.model or None,
            weight=seen.warm_weight,
            at_most=self.at_most,
            seed=seed,
        )
        return [
            Bid(
                lot=self,
                worth=one,
                price=max(
                    price(seen) * (prompt + seen.sample_price * one.samples),
                    least * one.samples,
                ),
            )
            for one in found
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """A number of samples of a lot, what they bring and what they cost, both in chance to be
    right."""

    lot: Lot
    worth: Prospect
    price: float

    @property
    def profit(self) -> float:
        """What they bring beyond their price."""
        return self.worth.gain - self.price


def worth(situation: Situation, lots: Iterable[Lot]) -> Buy | Stop:
    """A wave of the samples that bring most beyond their price, or a stop. What many samples are
    worth is a reason to buy some of them, and to look again."""
    outlook = situation.outlook
    assert outlook is not None
    # Were it the number of samples, one lucky draw would do for all problems.
    seed = situation.sample_tokens
    bids = [bid for lot in lots for bid in lot.bids(outlook, seed=seed)]
    best = max(bids, key=lambda bid: bid.profit, default=None)
    sure = f"P(right) {outlook.best[1]:.2f}"
    if best is None:
        return Stop(reason="no_gain", why=f"{sure}; nothing more is to be had")
    seen, samples = best.lot.seen, best.worth.samples
    whose = f" of {seen.model}" if seen.model else ""
    told = (
        f"{sure}; {samples} more{whose} are expected to add {best.worth.gain:.3f}, "
        f"their price is {best.price:.3f}"
    )
    if best.profit <= 0:
        return Stop(reason="confident" if outlook.best[1] >= AGREED else "no_gain", why=told)
    return Buy(
        path="attempts",
        arm=best.lot.arm,
        samples=min(samples, WAVE),
        model=seen.model,
        greedy_first=bool(seen.model) and not seen.samples,
        until_decided=True,
        why=told,
    )
