"""The page of replayed runs: orders, the envelope, the samples' bounds, and where tokens went."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from bench_runs import a_run, a_sample, outcomes

from its_agent.bench.chart import chart
from its_agent.bench.curve import Point
from its_agent.bench.envelope_section import Rivals
from its_agent.bench.pool_bounds import Drawn, PoolProblem
from its_agent.bench.pool_section import bound_points
from its_agent.bench.report import Beside, report
from its_agent.bench.runs import Run
from its_agent.bench.stats import wilson
from its_agent.bench.table import cells, comparisons
from its_agent.bench.where import difficulties
from its_agent.errors import InvalidInput

SVG = "{http://www.w3.org/2000/svg}"
RIVALS = Rivals(subject="adaptive", baselines=("single_pass", "self_consistency"))


def orders(*marks: str, strategy: str = "adaptive", compute: int = 100) -> list[Run]:
    return [
        run
        for order, of_order in enumerate(marks)
        for run in outcomes(strategy, of_order, order=order, compute=compute)
    ]


def test_a_problems_orders_are_averaged_and_its_problems_make_the_interval() -> None:
    (cell,) = cells(orders("++--", "+---"))
    assert cell.accuracy == pytest.approx(3 / 8)
    assert cell.orders == 2
    # Ten times the same orders are no more problems, though Wilson's interval would shrink.
    (again,) = cells(orders(*["++--", "+---"] * 10))
    assert again.interval == cell.interval
    assert wilson(again.right, len(again.runs)).high < cell.interval.high


def test_a_problem_with_more_orders_weighs_no_more() -> None:
    (cell,) = cells(orders("+-", "+", "+"))
    assert cell.accuracy == pytest.approx(0.5)


def test_orders_are_paired_and_have_no_mcnemar_value() -> None:
    runs = [*orders("++-", "+--"), *orders("+--", "--+", strategy="single_pass")]
    (one,) = comparisons(cells(runs))
    assert (one.problems, one.orders, one.only_subject, one.only_baseline) == (3, 2, 2, 1)
    assert one.difference == pytest.approx((0.5 + 0.5 - 0.5) / 3)
    assert one.p is None
    assert "| 2 | 1 | – |" in report({"eggs": runs})


def test_the_page_says_that_runs_were_replayed() -> None:
    pool = {"engine": outcomes("adaptive", "+")[0].engine.__class__(model="eggs", backend="pool")}
    runs = [run.model_copy(update=pool) for run in orders("+-", "--")]
    page = report({"eggs": runs})
    assert "no live runs: 2 orders of recorded samples were replayed" in page
    assert "orders of one problem are no trials of their own" in page
    assert "no live runs" not in report({"eggs": orders("+-")})


def test_failures_cut_off_samples_and_missed_answers_have_columns() -> None:
    samples = [a_sample("4"), a_sample(None), a_sample(None, finish="length"), a_sample(None)]
    broke = a_run("p1", "adaptive", 500, correct=False).model_copy(update={"error": "Lost: x"})
    page = report({"eggs": [a_run("p0", "adaptive", 500, correct=True, samples=samples), broke]})
    assert "| accuracy | failed | cut off | no answer |" in page
    assert "| 50.0% | 1 | 1 of 4 | 2 of 4 |" in page


# Against the envelope


def compared(compute: int = 300) -> list[Run]:
    return [
        *outcomes("single_pass", "--------", budget=500, compute=100),
        *outcomes("self_consistency", "++++----", budget=500, compute=500),
        *outcomes("adaptive", "++++----", budget=500, compute=compute),
    ]


def test_the_subject_is_held_against_the_envelope_when_asked() -> None:
    """By hand: half the way up to .5 is .25, and .5 costs the envelope 500."""
    page = report({"eggs": compared()}, Beside(rivals=[RIVALS]))
    assert "### Adaptive against the envelope" in page
    assert "| 500 | 300 | 50.0% | 25.0% | +25.0 | +6.2 to +43.8 | 0.60 | 0.60 to 0.60" in page
    assert "envelope" not in report({"eggs": compared()})


def test_the_subject_is_the_one_that_is_paired_with_the_others() -> None:
    rivals = [Rivals(subject="self_consistency", baselines=("single_pass",))]
    page = report({"eggs": compared()}, Beside(rivals=rivals))
    assert "### Self_consistency against each baseline" in page
    assert "| only self_consistency right |" in page
    assert "| 500 | single_pass | 8 | +50.0 |" in page


def test_two_subjects_are_held_against_one_envelope() -> None:
    second = Rivals(subject="self_consistency", baselines=RIVALS.baselines[:1])
    first = Rivals(subject="adaptive", baselines=RIVALS.baselines[:1])
    page = report({"eggs": compared()}, Beside(rivals=[first, second]))
    assert "### Adaptive against the envelope" in page
    assert "### Self_consistency against the envelope" in page
    assert "### Adaptive against each baseline" in page
    assert "envelope 2" not in page


def test_what_the_envelope_does_not_reach_is_said() -> None:
    page = report({"eggs": compared(compute=501)}, Beside(rivals=[RIVALS]))
    assert "| 500 | 501 | 50.0% | not reached | not reached | – | 1.00 |" in page


def test_a_section_goes_by_the_baselines_that_were_run_there() -> None:
    runs = compared()
    fewer = [run for run in runs if run.strategy != "self_consistency"]
    alone = [run for run in runs if run.strategy == "adaptive"]
    page = report({"all": runs, "fewer": fewer, "alone": alone}, Beside(rivals=[RIVALS]))
    first, second = page.split("## all")[1].split("## fewer")
    second, third = second.split("## alone")
    assert "all points of single_pass, self_consistency over 8" in first
    assert "all points of single_pass over 8" in second
    assert "envelope" not in third


@pytest.mark.parametrize(
    ("rivals", "said"),
    [
        (Rivals(subject="psychic", baselines=("single_pass",)), "no runs of psychic"),
        (Rivals(subject="adaptive", baselines=("psychic",)), "no runs of psychic; --baselines"),
        (Rivals(subject="adaptive", baselines=("adaptive",)), "the subject among the baselines"),
    ],
)
def test_strategies_that_were_not_run_are_named(rivals: Rivals, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        report({"eggs": compared()}, Beside(rivals=[rivals]))


# What the samples allow


def pool_of(*answers: str) -> list[PoolProblem]:
    """Samples of 100 tokens after prompts of 50; "a" is right."""
    return [
        PoolProblem(
            id=f"p{place}",
            prompt_tokens=50,
            samples=tuple(Drawn(answer=m, right=m == "a", tokens=100) for m in marks),
        )
        for place, marks in enumerate(answers)
    ]


def test_the_page_says_what_the_samples_allow() -> None:
    """By hand: pass@1 is 3/8 and pass@4 is 1; the subject is right on half, so 1/8 of 5/8."""
    page = report(
        {"eggs": orders("+-", compute=250)}, Beside(pool=pool_of("aabb"[::-1], "bbab", "aaaa"))
    )
    assert "| pass@1 | pass@2 | pass@4 |" in page
    assert f"| 37.5% | {(5 / 6 + 1 / 2) / 2:.1%} | 100.0% |" in page
    assert "costs 450 compute units a problem" in page
    assert "| 500 | adaptive | 250 | 50.0% |" in page
    assert "| 20.0% | " in page
    assert "### What the samples allow" not in report({"eggs": orders("+-")}, Beside())


def test_the_chart_has_the_bound_as_far_as_the_cells_go_and_bands_where_asked() -> None:
    runs = [
        *outcomes("adaptive", "++-", compute=100),
        *outcomes("adaptive", "+++", budget=900, compute=300),
        *outcomes("single_pass", "+--"),
    ]
    bound = bound_points(pool_of("abbb", "bbba"))
    assert bound[:2] == [Point(compute=150, accuracy=0.25), Point(compute=250, accuracy=0.5)]
    root = ElementTree.fromstring(chart(cells(runs), bound=bound, bands=True))
    (dashed,) = [one for one in root.iter(f"{SVG}polyline") if "stroke-dasharray" in one.attrib]
    spots = [tuple(map(float, spot.split(","))) for spot in dashed.attrib["points"].split()]
    assert len(spots) == 3
    assert max(x for x, _ in spots) == 510, "the right edge of the frame"
    assert len(list(root.iter(f"{SVG}polygon"))) == 1, "one point makes no band"
    plain = ElementTree.fromstring(chart(cells(runs)))
    assert not list(plain.iter(f"{SVG}polygon"))
    assert "stroke-dasharray" not in ElementTree.tostring(plain, encoding="unicode")


# Where the tokens went


def drawn(name: str, strategy: str, marks: str, *, correct: bool, compute: int) -> Run:
    """A run whose samples are right ("4"), wrong ("5") or aborted (".")."""
    samples = [a_sample(None, finish="aborted") if m == "." else a_sample(m) for m in marks]
    return a_run(name, strategy, 500, correct=correct, compute=compute, samples=samples)


def test_problems_are_grouped_by_all_samples_that_were_drawn_for_them() -> None:
    runs = [
        drawn("none", "x", "55", correct=False, compute=1),
        drawn("quarter", "x", "54", correct=False, compute=1),
        drawn("quarter", "y", "55....", correct=False, compute=1),
        drawn("most", "x", "4445", correct=False, compute=1),
        drawn("all", "x", "444", correct=False, compute=1),
        drawn("unseen", "x", "..", correct=False, compute=1),
    ]
    assert difficulties(runs) == {
        "none": "none right",
        "quarter": "up to 1/4",
        "most": "up to 3/4",
        "all": "more",
    }


def test_the_page_says_where_the_tokens_went() -> None:
    page = report(
        {
            "eggs": [
                drawn("p0", "adaptive", "5555", correct=False, compute=300),
                drawn("p1", "adaptive", "44", correct=True, compute=60),
                drawn("p2", "adaptive", "44", correct=False, compute=40),
            ]
        }
    )
    assert "| none right (1) | up to 1/4 (0) | up to 3/4 (0) | more (2) |" in page
    assert "| 500 | adaptive | 300 (75%), 0.0% right | – | – | 50 (25%), 50.0% right |" in page


def test_confidences_are_told_of_runs_with_an_answer() -> None:
    page = report({"eggs": outcomes("adaptive", "+-")}, Beside(diagrams={"eggs": "sure.svg"}))
    assert "| 500 | adaptive | 2 | 50.0% | 50.0% | 0.250 | 0.250 | 0.000 |" in page
    assert "](sure.svg)" in page
