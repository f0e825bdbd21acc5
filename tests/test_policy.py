"""What each policy buys next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from its_agent.difficulty import Belief, Evidence
from its_agent.difficulty.answer_belief import AnswerBelief, Habits, Observation
from its_agent.ledger import Remaining
from its_agent.policy import STRATEGIES, Buy, Situation, Stop
from its_agent.policy.adaptive import OTHER_WAYS, PLATEAU, adaptive, thorough
from its_agent.policy.fixed import Once, RefineOnly, Repeat, SearchOnly
from its_agent.selection.stop_rules import BetaLead


def left(compute: int | None, *, requests: int | None = None) -> Remaining:
    return Remaining(compute=compute, requests=requests, seconds=None, usd=None)


def believing(success: float) -> Belief:
    return Belief().after(Evidence(source="test", success=success, strength=1000))


VOTES_ALONE = Habits(foresight=0.4)


def outlook(*answers: int, success: float = 0.4, habits: Habits = VOTES_ALONE) -> AnswerBelief:
    start = AnswerBelief.of(success, habits)
    return start.after(Observation(answer=answer) for answer in answers)


START = Situation(
    question="A shop sells 12 boxes of 6 eggs a day. How many eggs is that in a week?",
    answer_type="math",
    belief=believing(0.4),
    remaining=left(4000),
    prompt_tokens=100,
    max_tokens=500,
    bought={},
    supply={},
)
SAMPLED = replace(
    START,
    samples=4,
    sample_tokens=1200,
    leading=2,
    bought={"attempts": 1},
    outlook=outlook(0, 0, 1, 2),
)


def bought(decision: Buy | Stop) -> Buy:
    assert isinstance(decision, Buy)
    return decision


def stopped(decision: Buy | Stop) -> Stop:
    assert isinstance(decision, Stop)
    return decision


@pytest.mark.parametrize("units", [500, 4_000, None])
def test_the_surest_single_sample_comes_first(units: int | None) -> None:
    decision = bought(adaptive(replace(START, remaining=left(units))))
    assert (decision.path, decision.samples, decision.greedy_first) == ("single_pass", 1, True)


def test_a_settled_vote_stops_and_an_unsettled_one_goes_on() -> None:
    assert stopped(adaptive(replace(SAMPLED, settled=True))).reason == "confident"
    assert bought(adaptive(SAMPLED)).path == "attempts"


def test_no_more_is_asked_for_than_is_affordable() -> None:
    torn = replace(SAMPLED, outlook=outlook(0, 0, 1, 1))
    assert bought(adaptive(replace(torn, remaining=left(1200)))).samples <= 2
    assert stopped(adaptive(replace(SAMPLED, remaining=left(300)))).reason == "budget"
    assert stopped(adaptive(replace(SAMPLED, remaining=left(None, requests=0)))).reason == "budget"


def test_samples_are_bought_while_they_are_worth_their_price() -> None:
    """Two answers with two votes each: more votes tell them apart, if they are not too dear."""
    torn = replace(SAMPLED, outlook=outlook(0, 0, 1, 1))
    rich = bought(adaptive(replace(torn, remaining=left(20_000))))
    assert rich.samples > 1
    assert "P(right)" in rich.why
    dear = replace(SAMPLED, sample_tokens=4 * 1_999, max_tokens=2_000, remaining=left(2_100))
    assert stopped(adaptive(dear)).reason == "no_gain"


def test_however_much_is_left_a_sample_has_to_bring_something() -> None:
    """Where little is expected of more, `thorough` buys it, and `adaptive` where a market says that
    compute is as cheap as that, or where samples are nothing but votes."""
    telling = outlook(0, 0, 1, 2, habits=replace(VOTES_ALONE, trust=0.5))
    for units in (200_000, None):
        assert bought(adaptive(replace(SAMPLED, remaining=left(units)))).path == "attempts"
        rich = replace(SAMPLED, outlook=telling, remaining=left(units))
        assert stopped(adaptive(rich)).reason == "no_gain"
        assert bought(thorough(rich)).path == "attempts"
        assert bought(adaptive(replace(rich, unit_price=1e-7))).path == "attempts"


def test_problems_do_not_share_the_futures_that_are_drawn() -> None:
    """As many samples with as many votes: only their lengths tell the problems apart."""
    torn = replace(SAMPLED, outlook=outlook(0, 0, 1, 1), remaining=left(200_000))
    told = [adaptive(replace(torn, sample_tokens=1_200 + n)).why for n in range(8)]
    assert len({why.partition("expected to add ")[2][:5] for why in told}) > 1


def test_a_sure_answer_is_not_voted_on_any_further() -> None:
    sure = replace(SAMPLED, outlook=outlook(*[0] * 12), remaining=left(20_000))
    assert stopped(adaptive(sure)).reason == "confident"


def test_hopeless_problems_are_given_up_where_torn_ones_go_on() -> None:
    """Eight answers, all different, against two that share the votes."""
    after_eight = replace(SAMPLED, samples=8, sample_tokens=2_400, remaining=left(2_000))
    torn = replace(after_eight, outlook=outlook(*[0, 1] * 4))
    scattered = replace(after_eight, outlook=outlook(*range(8), success=0.05))
    assert bought(adaptive(torn)).path == "attempts"
    assert stopped(adaptive(scattered)).reason == "no_gain"


def test_the_same_situation_gives_the_same_decision() -> None:
    assert adaptive(SAMPLED) == adaptive(SAMPLED)


@pytest.mark.parametrize(
    ("success", "units", "buys"),
    [(0.1, 4300, True), (0.1, 4280, False), (0.05, 8600, True), (0.05, 8570, False)],
)
def test_where_a_check_knows_the_right_sample_its_expected_price_decides(
    success: float, units: int, buys: bool
) -> None:
    """300 tokens a sample; 0.7 of what is left may go for one success."""
    situation = replace(SAMPLED, has_checks=True, leading=0, remaining=left(units))
    belief = Belief(alpha=10 * success, beta=10 * (1 - success))
    decision = adaptive(replace(situation, belief=belief))
    if buys:
        assert bought(decision).path == "attempts"
    else:
        assert stopped(decision).reason == "no_gain"
        assert f"{300 / success:,.0f} units with {units} left" in decision.why


def test_without_a_limit_on_compute_a_hopeless_check_is_given_up_by_belief() -> None:
    situation = replace(SAMPLED, has_checks=True, leading=0, remaining=left(None))
    assert stopped(adaptive(replace(situation, belief=believing(0.02)))).reason == "no_gain"
    assert bought(adaptive(replace(situation, belief=believing(0.2)))).path == "attempts"


def test_what_no_sample_passes_up_to_the_plateau_is_given_up() -> None:
    situation = replace(SAMPLED, has_checks=True, samples=PLATEAU, remaining=left(100_000))
    assert stopped(adaptive(situation)).reason == "no_gain"


def test_beyond_the_plateau_every_other_way_is_tried_once() -> None:
    ways: list[str] = []
    situation = replace(SAMPLED, samples=PLATEAU, remaining=left(100_000))
    while isinstance(decision := adaptive(situation), Buy):
        ways.append(decision.arm)
        tried = situation.tried | {decision.arm}
        situation = replace(situation, tried=tried, samples=situation.samples + 4)
    assert tuple(ways) == OTHER_WAYS
    assert decision.reason == "no_gain"


def test_without_continuation_there_is_no_search() -> None:
    situation = replace(
        SAMPLED, samples=PLATEAU, remaining=left(9000), bought={"attempts": 4}, can_search=False
    )
    assert bought(adaptive(situation)).path == "attempts"


def test_a_backend_that_holds_little_narrows_what_is_bought() -> None:
    warm_only = replace(START, supply={"step_by_step": 3, "step_by_step@0": 0})
    decision = bought(adaptive(warm_only))
    assert (decision.samples, decision.greedy_first) == (1, False)
    nothing = replace(SAMPLED, supply={"step_by_step": 0, "step_by_step@0": 0})
    assert stopped(adaptive(nothing)).reason == "no_gain"


@pytest.mark.parametrize(
    ("question", "arm"),
    [
        ("What is the capital of France?", "direct"),
        ("Write an essay about the sea.", "plain"),
    ],
)
def test_free_text_is_put_plainly_and_short_questions_directly(question: str, arm: str) -> None:
    situation = replace(START, question=question, answer_type="text")
    assert bought(adaptive(situation)).arm == arm


def test_open_ended_text_gets_one_refinement() -> None:
    essay = replace(START, question="Write an essay.", answer_type="text", samples=1)
    assert bought(adaptive(essay)).path == "refine"
    refined = replace(essay, bought={"refine": 1})
    assert stopped(adaptive(refined)).reason == "complete"


def test_the_baselines_buy_one_thing_until_it_is_done() -> None:
    assert bought(Once()(START)).samples == 1
    assert stopped(Once()(SAMPLED)).reason == "complete"
    assert bought(Repeat()(START)).samples == 7
    assert stopped(Repeat()(replace(SAMPLED, remaining=left(200)))).reason == "budget"
    settled = replace(SAMPLED, votes=(4.0,))
    assert stopped(Repeat(until=BetaLead())(settled)).reason == "confident"
    assert bought(Repeat(until=BetaLead())(replace(settled, votes=(3.0, 1.0)))).until_decided
    assert bought(RefineOnly()(START)).path == "refine"
    assert stopped(RefineOnly()(replace(START, refined_to_an_end=True))).reason == "complete"
    assert bought(SearchOnly()(START)).arm == "beam"
    assert stopped(SearchOnly()(replace(START, bought={"search": 1}))).reason == "complete"


def test_another_models_tokens_leave_less_room() -> None:
    dear = replace(START, token_cost=2.0)
    assert START.room() == 7
    assert dear.room() == 3


def test_strategies_are_found_under_their_own_names() -> None:
    assert all(name == strategy.name for name, strategy in STRATEGIES.items())
