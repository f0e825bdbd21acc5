"""When enough is sampled, against numbers from the papers' formulas and from integration."""

from __future__ import annotations

import importlib
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from its_agent.backends.sample import Sample
from its_agent.budget import Budget, Usage
from its_agent.difficulty import Belief
from its_agent.errors import InvalidOption
from its_agent.graphs.early_stop import EarlyStop
from its_agent.graphs.state import new_state
from its_agent.ledger import Remaining
from its_agent.policy import Buy, Situation, Stop
from its_agent.policy.fixed import Repeat
from its_agent.selection.optscale import (
    LEAST_SPREAD,
    OptScale,
    TruncatedNormal,
    fit,
    samples_needed,
)
from its_agent.selection.pandora import Pandora, Predictive, Prior, reservation_value
from its_agent.selection.stop_rules import BetaLead, Fixed, Progress, StopRule, UnanimousWave

# scipy has no types; through import_module it is Any to the type checkers.
scipy_integrate: Any = importlib.import_module("scipy.integrate")
scipy_optimize: Any = importlib.import_module("scipy.optimize")
scipy_stats: Any = importlib.import_module("scipy.stats")

unit = st.floats(0, 1)


# Votes


def test_a_fixed_number_stops_there_and_asks_for_what_is_missing() -> None:
    assert Fixed(samples=8)(Progress(samples=7)) is None
    assert Fixed(samples=8).ahead(Progress(samples=5)) == 3
    assert Fixed(samples=8)(Progress(samples=8)) == "8 samples are taken"


def test_a_window_of_five_stops_when_all_of_it_agree() -> None:
    assert UnanimousWave()(Progress(samples=10, agreeing=4)) is None
    assert UnanimousWave()(Progress(samples=10, agreeing=5)) == "the last 5 samples agree"
    assert UnanimousWave().ahead(Progress()) == 5


@pytest.mark.parametrize(
    ("votes", "confidence", "stops"),
    [
        ((), 0.95, False),
        ((3.0,), 0.95, False),  # .9375
        ((3.0,), 0.9, True),
        ((4.0,), 0.95, True),  # .96875
        ((6.0, 1.0), 0.95, True),
        ((5.0, 1.0), 0.95, False),
        ((1.0, 6.0), 0.95, False),  # the chosen answer does not lead
    ],
)
def test_a_vote_is_settled_by_the_beta_lead_of_the_chosen_answer(
    votes: tuple[float, ...], confidence: float, stops: bool
) -> None:
    told = BetaLead(confidence=confidence)(Progress(votes=votes))
    assert told == ("the vote is settled" if stops else None)


@pytest.mark.parametrize("rule", [Fixed(samples=1), UnanimousWave(), BetaLead(), Pandora(price=1)])
def test_nothing_stops_before_the_first_sample(rule: StopRule) -> None:
    assert rule(Progress(sample_price=300.0)) is None


def test_impossible_options_are_refused() -> None:
    with pytest.raises(InvalidOption, match="samples=0"):
        Fixed(samples=0)
    with pytest.raises(InvalidOption, match="window=1"):
        UnanimousWave(window=1)
    with pytest.raises(InvalidOption, match=r"confidence 1\.0"):
        BetaLead(confidence=1.0)
    with pytest.raises(InvalidOption, match="price 0"):
        Pandora(price=0)
    with pytest.raises(InvalidOption, match="threshold 1"):
        OptScale(threshold=1, quantile=0.1)
    with pytest.raises(InvalidOption, match="shape above"):
        Prior(shape=0.5)


# Pandora's box


def expected_gain(law: Predictive, best: float) -> float:
    """E[max(0, r − best)] by numeric integration."""
    if math.isinf(law.freedom):
        frozen = scipy_stats.norm(law.centre, law.scale)
    else:
        frozen = scipy_stats.t(law.freedom, law.centre, law.scale)

    def gain(score: float) -> float:
        return (score - best) * float(frozen.pdf(score))

    return float(scipy_integrate.quad(gain, best, math.inf)[0])


@pytest.mark.parametrize("freedom", [2.0, 3.0, 7.5, math.inf])
@pytest.mark.parametrize("best", [0.1, 0.5, 0.6, 1.4])
def test_the_expected_gain_is_the_integral(freedom: float, best: float) -> None:
    law = Predictive(centre=0.5, scale=0.2, freedom=freedom)
    assert law.gain(best) == pytest.approx(expected_gain(law, best), rel=1e-6)


@pytest.mark.parametrize("freedom", [2.0, 5.0, math.inf])
@pytest.mark.parametrize("price", [1e-4, 0.01, 0.2, 3.0])
def test_at_the_reservation_value_the_gain_is_the_price(freedom: float, price: float) -> None:
    law = Predictive(centre=0.5, scale=0.2, freedom=freedom)
    value = reservation_value(law, price)
    assert expected_gain(law, value) == pytest.approx(price, rel=1e-5)


def test_the_reservation_value_of_a_standard_normal_law_by_hand() -> None:
    # At τ = 0 the gain is φ(0) = 1/√(2π); at τ = 1 it is φ(1) − (1 − Φ(1)) = .24197 − .15866.
    law = Predictive(centre=0.0, scale=1.0)
    assert reservation_value(law, 1 / math.sqrt(2 * math.pi)) == pytest.approx(0.0, abs=1e-9)
    assert reservation_value(law, 0.0833155) == pytest.approx(1.0, abs=1e-5)


@given(unit, st.floats(0.01, 1), st.floats(1e-6, 1), st.floats(1e-6, 1))
def test_dearer_samples_have_a_lower_reservation_value(
    centre: float, scale: float, one: float, other: float
) -> None:
    law = Predictive(centre=centre, scale=scale, freedom=4.0)
    cheap, dear = sorted((one, other))
    assert reservation_value(law, dear) <= reservation_value(law, cheap)


def test_scores_move_the_prior_as_its_conjugate_says() -> None:
    # κ = 1 + 2, α = 1 + 1, β = .05 + .02/2 = .06: centre ½, variance .06·4/(2·3) = .04, 4 freedoms.
    law = Prior(mean=0.5, strength=1, shape=1, spread=0.05).predictive([0.4, 0.6])
    assert (law.centre, law.scale, law.freedom) == pytest.approx((0.5, 0.2, 4.0))
    # One score of .9: κ = 2, centre .7, β = .05 + ½·½·.4² = .09, variance .09·3/(1.5·2) = .09.
    law = Prior(mean=0.5, strength=1, shape=1, spread=0.05).predictive([0.9])
    assert (law.centre, law.scale, law.freedom) == pytest.approx((0.7, 0.3, 3.0))


def test_pandora_goes_on_while_another_sample_is_worth_its_price() -> None:
    progress = Progress(samples=4, scores=(0.2, 0.5, 0.3, 0.4), sample_price=200.0)
    assert Pandora(price=1e-5)(progress) is None
    best = replace(progress, scores=(0.2, 0.5, 0.3, 0.99))
    assert Pandora(price=1e-4)(progress) is None
    assert Pandora(price=1e-4)(best) is not None
    assert Pandora(price=1e-2)(progress) is not None
    assert Pandora(price=1e-2)(replace(progress, scores=())) is None


def test_pandora_stops_exactly_at_the_reservation_value() -> None:
    scores = (0.3, 0.4, 0.8)
    gain = Prior().predictive(scores).gain(0.8)
    progress = Progress(scores=scores, sample_price=100.0)
    assert Pandora(price=gain / 100 * 1.001)(progress) is not None
    assert Pandora(price=gain / 100 * 0.999)(progress) is None


# OptScale


@settings(deadline=None, max_examples=50)
@given(unit, st.floats(0.02, 1), st.floats(0, 1))
def test_a_truncated_normal_law_is_scipys(mean: float, spread: float, score: float) -> None:
    law = TruncatedNormal(mean=mean, spread=spread)
    scipys = scipy_stats.truncnorm(-mean / spread, (1 - mean) / spread, mean, spread)
    assert law.average == pytest.approx(scipys.mean(), abs=1e-6)
    assert law.above(score) == pytest.approx(scipys.sf(score), abs=1e-9)
    assert law.log_likelihood([score]) == pytest.approx(scipys.logpdf(score), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    "scores",
    [(0.2, 0.5, 0.6), (0.7, 0.9, 0.95, 0.99), (0.01, 0.02, 0.3, 0.1), (0.45, 0.5, 0.55, 0.48)],
)
def test_the_fitted_law_is_the_likeliest_within_its_bounds(scores: tuple[float, ...]) -> None:
    def unlikelihood(parameters: tuple[float, float]) -> float:
        mean, spread = parameters
        a, b = -mean / spread, (1 - mean) / spread
        return -float(sum(scipy_stats.truncnorm.logpdf(scores, a, b, mean, spread)))

    best = scipy_optimize.minimize(unlikelihood, (0.5, 0.3), bounds=[(0, 1), (LEAST_SPREAD, 1)])
    law = fit(scores)
    assert law.log_likelihood(scores) == pytest.approx(-best.fun, abs=1e-4)
    assert (law.mean, law.spread) == pytest.approx(tuple(best.x), abs=0.02)


def test_the_number_of_samples_by_hand() -> None:
    # Half of a symmetric law is above its middle: 1 − 2^−N ≥ .9 from N = 4, ≥ .875 from N = 3.
    law = TruncatedNormal(mean=0.5, spread=0.2)
    assert samples_needed(law, 0.5, 0.1) == 4
    assert samples_needed(law, 0.5, 0.125) == 3
    assert samples_needed(law, 0.5, 0.6) == 1
    # One standard deviation above a narrow law: F = .84134, ln .05 / ln .84134 = 17.34.
    assert samples_needed(TruncatedNormal(mean=0.5, spread=0.05), 0.55, 0.05) == 18
    assert samples_needed(TruncatedNormal(mean=0.5, spread=0.01), 0.99, 0.05) == math.inf
    assert samples_needed(TruncatedNormal(mean=0.9, spread=0.01), 0.1, 0.05) == 1


def test_optscale_peeks_and_then_asks_for_as_many_as_it_takes() -> None:
    rule = OptScale(threshold=0.5, quantile=0.1, peek=3)
    assert rule.ahead(Progress()) == 3
    assert rule(Progress(samples=2, scores=(0.4, 0.6))) is None
    peeked = Progress(samples=3, scores=(0.4, 0.5, 0.6))
    assert rule(peeked) is None
    assert rule.ahead(peeked) == 1
    assert rule(replace(peeked, samples=4, scores=(0.4, 0.5, 0.6, 0.5))) is not None


def test_optscale_stops_at_once_where_all_is_good_and_never_where_nothing_can_be() -> None:
    rule = OptScale(threshold=0.5, quantile=0.1)
    assert rule(Progress(scores=(0.9, 0.95, 0.92))) is not None
    hopeless = Progress(scores=(0.1,) * 60)
    assert rule(hopeless) is None
    assert rule.ahead(hopeless) is None


def test_scores_that_follow_another_law_do_not_stop_it() -> None:
    rule = OptScale(threshold=0.5, quantile=0.1)
    assert rule(Progress(scores=(3.0, 4.0, 5.0, 4.0, 3.0))) is None
    with pytest.raises(InvalidOption, match="from 0 to 1"):
        fit([3.0])


@settings(deadline=None, max_examples=25)
@given(st.lists(unit, min_size=3, max_size=8), st.floats(0.05, 0.95))
def test_nothing_needs_fewer_samples_than_perfect_scores(
    scores: list[float], threshold: float
) -> None:
    perfect = samples_needed(fit([1.0] * len(scores)), threshold, 0.05)
    assert perfect <= samples_needed(fit(scores), threshold, 0.05)


# The policy that repeats until a rule stops it


SITUATION = Situation(
    question="How many eggs are there in 3 boxes of 6?",
    answer_type="math",
    belief=Belief(),
    remaining=Remaining(compute=20_000, requests=None, seconds=None, usd=None),
    prompt_tokens=100,
    max_tokens=500,
    bought={},
    supply={},
)


def after(samples: int, scores: tuple[float, ...] = ()) -> Situation:
    return replace(SITUATION, samples=samples, sample_tokens=200 * samples, scores=scores)


def test_a_repetition_buys_what_its_rule_asks_for_and_no_more_than_a_wave() -> None:
    def width(policy: Repeat, situation: Situation) -> int:
        decision = policy(situation)
        assert isinstance(decision, Buy)
        return decision.samples

    assert width(Repeat(until=Fixed(samples=10)), SITUATION) == 10
    assert width(Repeat(until=Fixed(samples=10), wave=4), after(8)) == 2
    assert width(Repeat(until=UnanimousWave(window=5)), SITUATION) == 5
    assert width(Repeat(until=OptScale(threshold=0.9, quantile=0.05)), SITUATION) == 3
    assert width(Repeat(until=BetaLead()), SITUATION) == SITUATION.room() > 10


def test_the_receipt_s_reason_is_the_rule_s() -> None:
    def reason(rule: StopRule, situation: Situation) -> str:
        decision = Repeat(until=rule)(situation)
        assert isinstance(decision, Stop)
        return decision.reason

    assert reason(Fixed(samples=8), after(8)) == "complete"
    assert reason(Pandora(price=0.01), after(3, scores=(0.9, 0.8, 0.7))) == "no_gain"
    assert reason(BetaLead(), replace(after(4), votes=(4.0,))) == "confident"


def test_a_sample_costs_what_samples_of_this_problem_cost() -> None:
    assert after(4).progress.sample_price == 200.0
    assert replace(after(4), token_cost=2.5).progress.sample_price == 500.0


async def test_a_wave_is_aborted_at_the_lead_of_its_rule() -> None:
    decision = Repeat(until=BetaLead(confidence=0.75))(SITUATION)
    assert isinstance(decision, Buy)
    assert (decision.until_decided, decision.lead) == (True, 0.75)
    assert not_aborted_after(3, lead=decision.lead)
    assert not not_aborted_after(4, lead=decision.lead)
    assert not_aborted_after(4, lead=0.95)
    assert not not_aborted_after(8, lead=0.95)


def not_aborted_after(equal: int, *, lead: float) -> bool:
    """Whether a wave still runs after so many equal answers, with two samples to come."""
    state = new_state([{"role": "user", "content": "?"}], "number", budget=Budget(compute=1000))
    early = EarlyStop(state, arm="direct", running=equal + 2, lead=lead)
    for _ in range(equal):
        early.see(
            Sample(
                text=r"\boxed{18}", finish="stop", usage=Usage(), logprobs=(), first_top_logprobs={}
            )
        )
    return not early.signal.is_set
