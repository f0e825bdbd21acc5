"""A profile finds back what made the samples, says how good it is, and refuses what teaches
nothing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from toy_pool import MODEL, made_up

from its_agent.difficulty.calibrate import Outcome, calibrate, cross_fitted, fitted_confidence
from its_agent.difficulty.fit import fit, moments, surprise
from its_agent.difficulty.foresight import Promise, foresight, promises
from its_agent.difficulty.graded import graded
from its_agent.difficulty.profile import (
    USUAL_FORESIGHT,
    Confidence,
    Evidence,
    Profile,
    check_model,
    load_profile,
    profile_of,
    shipped_profiles,
)
from its_agent.difficulty.sample_features import NAMES, Asked, sample_features
from its_agent.errors import InvalidInput, InvalidOption


@pytest.fixture(scope="module")
def profile() -> Profile:
    return calibrate(graded(made_up(), model=MODEL), model=MODEL, pools=["toy.jsonl"], folds=3)


def test_what_made_the_samples_is_found_back(profile: Profile) -> None:
    easy, hard = (
        profile.success(Asked(words=n, numbers=frozenset(), answer_type="math")) for n in (15, 90)
    )
    assert easy > 0.65 > 0.35 > hard
    assert profile.evidence is not None
    weights = dict(zip(profile.evidence.names, profile.evidence.weights, strict=True))
    assert weights["mean_logprob"] + weights["total_logprob"] > 0
    assert profile.evidence.right[0] > profile.evidence.wrong[0]
    assert profile.trust > 0
    assert profile.arms["step_by_step@0.8"].samples == 40 * 12


def test_the_quality_is_that_of_problems_that_were_left_out(profile: Profile) -> None:
    assert profile.quality is not None
    assert profile.quality.brier < profile.quality.brier_of_constant
    assert profile.quality.auroc is not None
    assert profile.quality.auroc > 0.8
    assert profile.quality.next_auroc is not None
    assert profile.quality.next_auroc > 0.7
    assert profile.quality.ece < profile.quality.ece_if_perfect + 0.08
    assert sum(one.count for one in profile.quality.reliability) > 500


def test_what_is_foreseen_is_what_came_true(profile: Profile) -> None:
    assert 0.05 < profile.foresight < 1.5
    for fold in cross_fitted(graded(made_up(9, samples=4), model=MODEL), model=MODEL, folds=3):
        others = fold.profile
        assert others.foresight != USUAL_FORESIGHT
        assert others.habits.foresight == others.foresight
        assert others.confidence != Confidence()


def promised(expected: float, *came: int) -> list[Promise]:
    return [Promise(problem=f"p{n}", expected=expected, came=one) for n, one in enumerate(came)]


def test_foresight_is_the_slope_of_what_came_drawn_towards_the_usual() -> None:
    """Sixty problems: half the way from .4 to what they say by themselves."""
    some, none = promised(0.2, *[1, 0, 0, 0, 0, 0] * 10), promised(0.5, *[0] * 60)
    assert foresight(some) == pytest.approx((0.4 + (1 / 6) / 0.2) / 2)
    assert foresight(none) == pytest.approx(0.2)
    assert foresight(promised(0.0, *[0] * 60)) == foresight([]) == USUAL_FORESIGHT
    assert foresight(promised(0.1, *[-1] * 60)) == 0.05


def test_a_promise_is_of_samples_that_are_there() -> None:
    problems = graded(made_up(3, samples=4), model=MODEL)
    made = list(promises(profile_of("unknown"), problems))
    assert {one.problem for one in made} == {"p0", "p1", "p2"}
    assert {one.came for one in made} <= {-1, 0, 1}
    # 1 and 4 samples in 4 orders: 1 + 1, 1 + 2, 1 + 4, 2 + 1, 2 + 2 and 4 + 1.
    assert len(made) == 3 * 4 * 6


def test_no_fold_is_fitted_on_what_it_holds_out() -> None:
    problems = graded(made_up(9, samples=4), model=MODEL)
    held = [one.id for f in cross_fitted(problems, model=MODEL, folds=3) for one in f.held_out]
    assert sorted(held) == sorted(one.id for one in problems)
    assert [f.profile.problems for f in cross_fitted(problems, model=MODEL, folds=3)] == [6, 6, 6]


def test_a_fit_says_better_what_is_the_case_than_the_default_does() -> None:
    problems = graded(made_up(), model=MODEL)
    fitted = fit(problems[:30], model=MODEL)
    unseen = list(moments(problems[30:], seed=5))
    assert surprise(fitted, unseen) < surprise(profile_of("unknown"), unseen)


def test_little_data_is_said(profile: Profile) -> None:
    assert any("only 40 problems" in note for note in profile.notes)
    assert any("only 40 samples of step_by_step@0" in note for note in profile.notes)


def test_samples_that_are_all_wrong_teach_nothing() -> None:
    rows = [row.model_copy(update={"answer": "8"}) for row in made_up(6)]
    with pytest.raises(InvalidInput, match="all right or all wrong"):
        fit(graded(rows, model=MODEL), model=MODEL)


def test_fewer_problems_than_folds_are_refused() -> None:
    with pytest.raises(InvalidInput, match="3 problems cannot be split into 5 folds"):
        list(cross_fitted(graded(made_up(3), model=MODEL), model=MODEL))


def test_confidences_are_stretched_to_what_was_right() -> None:
    """Half of what was called 90% is right: even chances."""
    seen = [Outcome(problem="p", probability=0.9, is_right=bool(n % 2)) for n in range(400)]
    seen += [Outcome(problem="p", probability=0.1, is_right=False) for _ in range(400)]
    told = fitted_confidence(seen)
    assert told.of(0.9) == pytest.approx(0.5, abs=0.03)
    assert told.of(0.1) < 0.05


def test_other_models_rows_and_reads_are_left_out() -> None:
    rows = made_up(2)
    other = [row.model_copy(update={"model": "other", "id": "x"}) for row in rows]
    read = [row.model_copy(update={"max_tokens": 1, "id": "y"}) for row in rows]
    assert [one.id for one in graded(rows + other + read, model=MODEL)] == ["p0", "p1"]


def test_features_by_hand() -> None:
    asked = Asked.of("There are 3 boxes of 1,200 eggs. How many?", "math")
    assert (asked.words, asked.whole) == (9, True)
    assert asked.numbers == frozenset({3.0, 1200.0})
    text = "3 * 4 = 12, and 12 / 24 = 0.5, and 1 + 1 = 3, so \\boxed{-1/2}"
    told = sample_features(asked, text=text, answer="-1/2", tokens=29, mean_logprob=-0.5)
    assert dict(zip(NAMES, told, strict=True)) == {
        "mean_logprob": -0.5,
        "total_logprob": pytest.approx(-0.145),
        "relative_length": 0.0,
        "unexpected_fraction": 1.0,
        "not_positive": 1.0,
        "no_number": 0.0,
        "relative_size": pytest.approx(math.log(1.5 / 1201)),
        "right_calculations": pytest.approx(math.log(3 / 3)),
        "wrong_calculation": 1.0,
        "fractional_step": 1.0,
        "unused_numbers": 1.0,
    }
    assert not Asked.of("Half of 1.5 litres?", "math").whole


def test_an_answer_that_is_no_number_and_one_beyond_all_have_features() -> None:
    asked = Asked.of("How many are 3 and 4?", "math")
    for answer, size in (("x + 1", 0.0), ("9" * 399, math.log((1 + 10**15) / 5))):
        told = sample_features(asked, text="", answer=answer, tokens=9, mean_logprob=-0.1)
        named = dict(zip(NAMES, told, strict=True))
        assert named["no_number"] == (answer == "x + 1")
        assert named["relative_size"] == pytest.approx(size)


def test_the_size_of_a_choice_is_not_looked_at() -> None:
    asked = Asked.of("How many? (A) 3 (B) 4", "choice")
    told = sample_features(asked, text="2 + 2 = 4", answer="B", tokens=9, mean_logprob=-0.1)
    named = dict(zip(NAMES, told, strict=True))
    assert (named["no_number"], named["relative_size"]) == (0, 0)
    assert named["right_calculations"] == pytest.approx(math.log(2 / 3))


def test_evidence_goes_by_the_names_of_its_features() -> None:
    """A profile that was fitted before some features were looked at."""
    known = [NAMES.index("not_positive"), NAMES.index("mean_logprob")]
    part = Evidence(
        names=tuple(NAMES[place] for place in known),
        mean=(0.5, -0.2),
        scale=(1.0, 0.1),
        weights=(-2.0, 3.0),
        offset=0.25,
        right=(0.0, 1.0),
        wrong=(0.0, 1.0),
    )
    features = [0.0] * len(NAMES)
    features[known[0]], features[known[1]] = 1.0, -0.1
    assert part.of(features) == pytest.approx(0.25 - 2 * 0.5 + 3 * 1.0)


@pytest.mark.parametrize(
    ("names", "message"),
    [(("luck",), "unknown features"), (("mean_logprob", "no_number"), "different lengths")],
)
def test_evidence_of_other_features_is_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Evidence(
            names=names,
            mean=(0.0,),
            scale=(1.0,),
            weights=(1.0,),
            offset=0.0,
            right=(0.0, 1.0),
            wrong=(0.0, 1.0),
        )


def test_a_profile_is_read_back_as_it_was_written(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "toy.json"
    path.write_text(profile.to_json())
    assert load_profile(path) == profile


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is no profile: file"), ('{"version": 2}', "version"), ("{}", "model: Field required")],
)
def test_what_is_no_profile_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "toy.json"
    path.write_text(text)
    with pytest.raises(InvalidOption, match=message):
        load_profile(path)


def test_a_missing_profile_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"nowhere\.json cannot be read"):
        load_profile(tmp_path / "nowhere.json")


def test_every_shipped_profile_can_be_read_and_is_its_models() -> None:
    names = shipped_profiles()
    assert "default" in names
    for name in names:
        assert profile_of(f"owner/{name}").model == name


def test_a_model_without_a_profile_gets_the_default() -> None:
    assert profile_of("somebody/new-model").model == "default"


def test_another_models_profile_is_refused(profile: Profile) -> None:
    check_model(profile, "somebody/toy")
    check_model(profile_of("unknown"), "any")
    with pytest.raises(InvalidOption, match="the profile is of toy, the backend serves other"):
        check_model(profile, "other")
