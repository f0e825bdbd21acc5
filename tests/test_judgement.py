"""From candidates to a verdict."""

from __future__ import annotations

import pytest

from its_agent import Candidate, Usage
from its_agent.selection import rules
from its_agent.selection.confidence import vote_confidence
from its_agent.selection.judgement import Judgement, judge
from its_agent.selection.rules import Rule


def judged(
    *answers: str | None,
    rule: Rule = rules.weighted_vote,
    logprobs: tuple[float, ...] = (),
    arm: str = "step_by_step",
) -> Judgement:
    candidates = [
        Candidate(
            id=f"c{place}",
            text=f"It is {answer}.",
            answer=answer,
            path="attempts",
            strategy=f"{arm}@0.8",
            finish="stop",
            usage=Usage(),
            mean_logprob=logprobs[place] if logprobs else -0.2,
        )
        for place, answer in enumerate(answers)
    ]
    known = list(dict.fromkeys(a for a in answers if a is not None))
    return judge(candidates, [None if a is None else known.index(a) for a in answers], rule=rule)


@pytest.mark.parametrize(
    ("answers", "settled"),
    [
        (("18",), False),
        (("18", "18"), False),
        (("18", "18", "18"), False),
        (("18", "18", "18", "7"), False),
        (("18", "18", "18", "18"), True),
        (("18",) * 5 + ("7",), False),
        (("18",) * 6 + ("7",), True),
    ],
)
def test_a_vote_is_settled_by_a_beta_lead_of_95_percent(
    answers: tuple[str, ...], settled: bool
) -> None:
    assert judged(*answers).verdict.settled is settled


def test_votes_of_unmeasured_arms_count_half_and_settle_later() -> None:
    assert judged(*["18"] * 6, arm="analogy").verdict.settled is False
    assert judged(*["18"] * 8, arm="analogy").verdict.settled is True


def test_a_surer_answer_can_outweigh_a_more_frequent_one() -> None:
    logprobs = (-0.1, -0.6, -0.6)
    assert judged("18", "7", "7", logprobs=logprobs).verdict.answer == "18"
    assert judged("18", "7", "7", logprobs=logprobs, rule=rules.majority).verdict.answer == "7"


def test_a_vote_is_not_settled_while_weight_and_number_disagree() -> None:
    disputed = judged("18", *["7"] * 6, logprobs=(-0.01, *[-0.9] * 6))
    assert disputed.verdict.answer == "18"
    assert disputed.verdict.settled is False


def test_best_score_takes_the_surest_and_latest_the_last() -> None:
    logprobs = (-0.5, -0.1, -0.3)
    assert judged("1", "2", "3", logprobs=logprobs, rule=rules.best_score).verdict.answer == "2"
    assert judged("1", "2", "3", logprobs=logprobs, rule=rules.latest).verdict.answer == "3"
    assert judged("1", None, rule=rules.latest).verdict.answer == "1"


def test_without_an_answer_it_abstains() -> None:
    verdict = judged(None, None).verdict
    assert (verdict.status, verdict.answer, verdict.confidence) == ("abstained", None, 0.0)


def test_missing_answers_never_vote_but_lower_the_confidence() -> None:
    clear, doubtful = judged("18", "18"), judged("18", "18", None, None, None)
    assert doubtful.verdict.answer == "18"
    assert doubtful.verdict.confidence < clear.verdict.confidence
    assert doubtful.candidates[2].score is None
    assert any("3 samples ended without an answer" in r for r in doubtful.verdict.reasons)


def test_confidences_of_all_answers_stay_within_one() -> None:
    result = judged("1", "1", "2", "3")
    by_answer = {c.answer: c.confidence for c in result.candidates}
    assert by_answer["1"] == result.verdict.confidence
    assert sum(by_answer.values()) <= 1


@pytest.mark.parametrize(("votes", "measured"), [(1, 0.12), (2, 0.56), (3, 0.90), (4, 0.99)])
def test_confidence_follows_what_was_measured_for_four_samples(votes: int, measured: float) -> None:
    fitted = vote_confidence(votes=votes, samples=4, mean_logprob=-0.25)
    assert fitted == pytest.approx(measured, abs=0.12)
