"""Value of computation: more samples are bought while what they are expected to bring is worth
their price (Russell and Wefald 1991; Hay et al., arXiv 1207.5879, on looking several steps ahead).
"""

from __future__ import annotations

from its_agent.policy.fixed import WAVE
from its_agent.policy.protocol import Buy, Situation, Stop
from its_agent.selection.judgement import AGREED

PRICE = 0.05
"""Rise of the chance to be right for which all that is left would be spent: the price of a unit
rises as the budget shrinks. Chosen on recorded grade-school samples of a 0.5B model."""


def price(situation: Situation) -> float:
    """Chance to be right that a compute unit has to bring: the market's, where there is one, else
    by what is left; 0 where compute has no limit."""
    if situation.unit_price is not None:
        return situation.unit_price
    left = situation.remaining.compute
    return 0.0 if left is None else PRICE / max(1, left)


def worth(situation: Situation, *, arm: str, at_most: int) -> Buy | Stop:
    """A wave of the number of further samples that brings most beyond its price, or a stop. What
    many samples are worth is a reason to buy some of them, and to look again."""
    outlook = situation.outlook
    assert outlook is not None
    each = price(situation) * situation.sample_price
    prospects = outlook.prospects(
        weight=situation.warm_weight, at_most=at_most, seed=situation.samples
    )
    best = max(prospects, key=lambda one: one.gain - each * one.samples, default=None)
    sure = f"P(right) {outlook.best[1]:.2f}"
    if best is None:
        return Stop(reason="no_gain", why=f"{sure}; nothing more is to be had")
    told = (
        f"{sure}; {best.samples} more are expected to add {best.gain:.3f}, "
        f"their price is {each * best.samples:.3f}"
    )
    if best.gain <= each * best.samples:
        return Stop(reason="confident" if outlook.best[1] >= AGREED else "no_gain", why=told)
    samples = min(best.samples, WAVE)
    return Buy(path="attempts", arm=arm, samples=samples, until_decided=True, why=told)
