"""Programs are compared by what they do: on generated tests, and on mutated inputs."""

from __future__ import annotations

import ast
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from its_agent.backends.account import Account
from its_agent.backends.metered import MeteredBackend
from its_agent.backends.scripted import Line, Reply, ScriptedBackend
from its_agent.budget import Budget
from its_agent.errors import BackendLost
from its_agent.events import Emitter
from its_agent.ledger import Ledger
from its_agent.verifiers import (
    CodeT,
    CodeTests,
    Conversation,
    Limits,
    OutputAgreement,
    Ran,
    Sandbox,
    Scorer,
)
from its_agent.verifiers.agreement import (
    Difference,
    agreement_shares,
    behaviour_clusters,
    consensus_scores,
    difference,
)
from its_agent.verifiers.codet import scores
from its_agent.verifiers.inputs import (
    assertions_in,
    calls_of,
    examples_in,
    mutated_calls,
    mutated_value,
)
from its_agent.verifiers.trial_script import shown, tried
from its_agent.verifiers.trials import Outcome, Trials, outcomes_of

DOUBLE = "def double(x):\n    return 2 * x"
SUM = "def double(x):\n    print('x' * 100)\n    return x + x"
SQUARE = "def double(x):\n    return x * x"
ASKED = "Write double(x).\n\nassert double(2) == 4"
LOST = BackendLost("gone")


def value(text: str) -> Outcome:
    return Outcome(raised=False, shown=text)


def error(name: str = "ValueError") -> Outcome:
    return Outcome(raised=True, shown=name)


def conversations(programs: Sequence[str], question: str = ASKED) -> list[Conversation]:
    asked = {"role": "user", "content": question}
    return [
        (asked, {"role": "assistant", "content": f"Here:\n```python\n{program}\n```"})
        for program in programs
    ]


async def account(*lines: Line, compute: int = 4_000) -> tuple[Account, ScriptedBackend]:
    backend, ledger = ScriptedBackend(lines), Ledger(Budget(compute=compute))
    offer = await backend.offer()
    door = MeteredBackend(backend, ledger, Emitter(ledger), offer=offer)
    return Account(door=door), backend


# The formulas


def test_codet_multiplies_a_consensus_sets_programs_by_its_tests() -> None:
    # Three programs pass tests 0 and 1; one passes four; two pass one; one passes none.
    passed = [{0, 1}, {0, 1}, {0, 1}, {0, 1, 2, 3}, {4}, {4}, set[int]()]
    expected = [3 * 2, 3 * 2, 3 * 2, 1 * 4, 2 * 1, 2 * 1, 0]
    assert consensus_scores([frozenset(tests) for tests in passed]) == expected


@settings(deadline=None)
@given(st.lists(st.frozensets(st.integers(0, 5))))
def test_codet_scores_equal_programs_alike_and_the_best_set_is_worth_most(
    passed: list[frozenset[int]],
) -> None:
    found = consensus_scores(passed)
    assert all(
        f == passed.count(tests) * len(tests) for f, tests in zip(found, passed, strict=True)
    )


def test_a_program_that_could_not_be_run_has_no_part_in_the_scores() -> None:
    right, wrong = (value("None"), value("None")), (value("None"), error("AssertionError"))
    assert scores([right, None, right, wrong]) == [4.0, "broken", 4.0, 1.0]


def test_programs_with_the_same_outputs_are_one_cluster_and_failing_alike_is_none() -> None:
    twice, other, lost = (value("2"), error()), (value("3"), error()), (error(), error())
    clusters = behaviour_clusters([twice, lost, other, twice, lost, None])
    assert clusters == [0, None, 1, 0, None, None]
    assert agreement_shares(clusters) == [2 / 6, 0.0, 1 / 6, 2 / 6, 0.0, 0.0]
    assert agreement_shares([]) == []


def test_two_behaviours_are_told_apart_by_values_first_and_by_the_shortest_case() -> None:
    cases = ("f(1)", "f(10)", "f(2)", "f(3)")
    one = (error(), value("1"), value("2"), value("3"))
    other = (value("1"), value("0"), value("0"), value("3"))
    assert difference(cases, one, other) == Difference(case="f(2)", one=one[2], other=other[2])
    assert difference(cases[:1], one[:1], other[:1]) is not None
    assert difference(cases, one, one) is None


# Inputs


@pytest.mark.parametrize(
    ("test", "calls"),
    [
        ("assert f(1, 'a') == 2", ["f(1, 'a')"]),
        ("assert 2 == f(1)", ["f(1)"]),
        ("assert set(f((3, 4))) == set((4,))", ["set(f((3, 4)))"]),
        ("assert abs(f(1) - 2.0) < 1e-6", ["abs(f(1) - 2.0)"]),
        ("assert not f([])", ["f([])"]),
        ("assert f(1) == 2, 'a message'", ["f(1)"]),
        ("f(1)", ["f(1)"]),
        ("assert f(1) == 2\nassert f(2) == 3", ["f(1)", "f(2)"]),
        ("assert True", []),
        ("assert len('abc') == 3", []),
        ("import os", []),
        ("assert f(", []),
        ("assert " + "f(" * 90 + ")" * 90, []),
        ("assert f(" + "-" * 5_000 + "1)", []),
        ("f(" + "1, " * 5_000 + ")", []),
        ("assert f('\0')", []),
    ],
)
def test_calls_are_found_in_tests(test: str, calls: list[str]) -> None:
    assert calls_of([test]) == calls


def test_mutated_calls_keep_the_given_ones_and_are_the_same_for_the_same_seed() -> None:
    tests = ["assert f([1, 2], 'ab') == 3", "assert f([], 'c') == 0"]
    made = mutated_calls(tests, 16, seed=3)
    assert made[:2] == ("f([1, 2], 'ab')", "f([], 'c')")
    assert len(made) == len(set(made)) == 16
    assert made == mutated_calls(tests, 16, seed=3)
    assert made != mutated_calls(tests, 16, seed=4)
    assert mutated_calls(tests, 1) == made[:1]


def test_only_literals_are_mutated_and_only_those_of_the_program_under_test() -> None:
    made = mutated_calls(["assert round(f(5, g(1)), 3) == 1"], 6)
    assert all(call.startswith("round(f(") and call.endswith(", g(1)), 3)") for call in made)
    assert len(made) == 6
    assert mutated_calls(["assert f(x) == 1"], 5) == ("f(x)",)
    assert mutated_calls(["assert True"], 5) == ()


LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
        | st.sets(st.integers())
    ),
)


@settings(deadline=None)
@given(LITERALS, st.integers(0, 1000))
def test_a_mutation_keeps_the_type_and_can_be_written_down(item: object, seed: int) -> None:
    changed = mutated_value(item, random.Random(seed))
    assert type(changed) is type(item)
    calls = mutated_calls([f"f({item!r})"], 4, seed=seed)
    assert all(isinstance(ast.parse(call, mode="eval").body, ast.Call) for call in calls)


def test_examples_are_read_from_a_problems_text_and_assertions_from_a_models() -> None:
    assert examples_in("Do it.\n    >>> f(1)\n    2\nassert f(2) == 3\n") == (
        "assert f(2) == 3",
        "f(1)",
    )
    text = "Here:\n```python\nassert f(1)==2\nassert f(1) == 2  # again\n  assert f( 3) == 4\n"
    text += "assert len([]) == 0\nassert f(\nprint(f(1))\n```"
    assert assertions_in(text) == ("assert f(1) == 2", "assert f(3) == 4")


# Outcomes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (2, 2.0),
        (0.1 + 0.2, 0.3),
        ({1, 2, 3}, {3, 2, 1}),
        ({"a": 1, "b": 2.0}, {"b": 2, "a": 1}),
        (object(), object()),
        ([-0.0], [0]),
    ],
)
def test_equal_values_are_shown_alike(one: object, other: object) -> None:
    assert shown(one) == shown(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        ([1], (1,)),
        ("1", 1),
        ({1}, [1]),
        ({}, set[int]()),
        ([1, 2], [2, 1]),
        ("a" * 9_000, "a" * 9_001),
        (None, "None"),
    ],
)
def test_different_values_are_shown_apart(one: object, other: object) -> None:
    assert shown(one) != shown(other)
    assert len(shown(one)) < 600


def test_whatever_a_case_raises_is_its_outcome() -> None:
    assert tried("1 + 1", {}) == (False, "2")
    assert tried("assert True", {}) == (False, "None")
    assert tried("assert False", {}) == (True, "AssertionError")
    assert tried("raise SystemExit", {}) == (True, "SystemExit")
    assert tried("f(", {}) == (True, "SyntaxError")


def test_cases_that_were_not_reached_are_told_from_those_that_were() -> None:
    ran = Ran(how="timeout", code=None, output='noise\nM[1, false, "3"]\n', errors="")
    assert outcomes_of(ran, "M", 3) == (error("timeout"), value("3"), error("timeout"))


async def test_programs_run_on_all_cases_and_one_case_does_not_spoil_the_next() -> None:
    trials = Trials(Sandbox(Limits(seconds=10)))
    cases = ("double(3)", "double(None)", "double([0])", "assert double(1) == 2")
    tricky = "from __future__ import annotations\nexec = report = own = None\n" + DOUBLE
    found = await trials.run([DOUBLE, f"```python\n{tricky}\n```", "double = (", DOUBLE], cases)
    assert found[0] == (value("6"), error("TypeError"), value("[0, 0]"), value("None"))
    assert found[3] is found[0]
    assert found[2] == (error("ended early"),) * 4


async def test_a_case_that_hangs_costs_only_its_own_time() -> None:
    program = "def f(x):\n    while x: pass\n    return 'done'"
    (found,) = await Trials(Sandbox(Limits(seconds=10))).run([program], ("f(1)", "f(0)"))
    assert found == (error("TimeUp"), value("'done'"))


# The scorers


async def test_codet_asks_once_and_prefers_the_programs_that_agree_on_its_tests() -> None:
    tests = "```python\nassert double(2) == 4\nassert double(3) == 6\nassert double(0) == 1\n```"
    payer, backend = await account(tests)
    scorer = CodeT()
    asked = conversations([DOUBLE, SQUARE, SUM, "no program"])
    assert await scorer.score(asked, payer) == [4.0, 1.0, 4.0, 0.0]
    assert await scorer.score(asked[:2], payer) == [2.0, 1.0]
    (request,) = backend.requests
    assert (request.n, request.temperature) == (1, 0.0)
    (message,) = request.messages
    assert message["content"].startswith(ASKED)
    assert payer.usage.requests == 1
    assert payer.usage.compute > 0


@pytest.mark.parametrize(
    ("lines", "compute", "reading"),
    [
        (["I cannot."], 4_000, "unknown"),
        ([], 30, "unknown"),
        ([LOST, LOST, LOST], 4_000, "broken"),
    ],
)
async def test_codet_says_nothing_without_tests(
    lines: list[Line], compute: int, reading: str
) -> None:
    payer, _ = await account(*lines, compute=compute)
    assert await CodeT().score(conversations([DOUBLE, SUM]), payer) == [reading, reading]
    assert ("gone" in payer.notes) == (reading == "broken")
    assert await CodeT().score([], payer) == []


async def test_a_test_that_was_cut_off_is_not_used() -> None:
    cut = Reply(text="assert double(2) == 4\nassert double(7) == 1", finish="length")
    payer, _ = await account(cut)
    assert await CodeT().score(conversations([DOUBLE]), payer) == [1.0]


async def test_programs_that_do_the_same_on_mutated_inputs_agree_without_a_token() -> None:
    payer, backend = await account()
    scorer = OutputAgreement(["assert double(2) == 4"], count=8)
    programs = conversations([DOUBLE, SQUARE, SUM, "no program"])
    # On the given input alone all three agree: 2 * 2 is 2 + 2 and 2 * 2.
    assert await scorer.score(programs, payer) == [0.5, 0.25, 0.5, 0.0]
    assert await OutputAgreement().score(programs[:3:2], payer) == [1.0, 1.0]
    only = OutputAgreement(calls=["double(2)"])
    assert await only.score(programs, payer) == [0.75, 0.75, 0.75, 0.0]
    assert backend.requests == []
    assert (scorer.typical(100), payer.usage.compute) == (0, 0)


async def test_without_inputs_agreement_is_unknown() -> None:
    payer, _ = await account()
    asked = conversations([DOUBLE, SUM], question="Write double(x).")
    assert await OutputAgreement().score(asked, payer) == ["unknown", "unknown"]
    assert await OutputAgreement().score([], payer) == []


def test_both_are_scorers_that_compare() -> None:
    for scorer in (CodeT(), OutputAgreement()):
        assert isinstance(scorer, Scorer)
        assert scorer.compares
        assert scorer.worst(100).compute >= scorer.typical(100)


# Why a program failed


async def test_the_first_test_that_failed_is_named_and_the_program_runs_once() -> None:
    sandbox = Counting()
    judge = CodeTests(["assert double(2) == 4", "assert double(3) == 6"], sandbox=sandbox)
    answer = f"I square it.\n```python\n{SQUARE}\n```"
    assert await judge.examine(answer) == "fail"
    said = str(await judge.explain(answer))
    assert said.startswith("1 of 2 tests pass. This one fails:\nassert double(3) == 6\n")
    assert "AssertionError" in said
    assert sandbox.runs == 1
    assert "SyntaxError" in str(await judge.explain("not a program"))
    assert await judge.explain(DOUBLE) is None


@pytest.mark.parametrize("program", ["x = '\0'", "x = '\ud800'"])
async def test_a_text_that_no_process_takes_is_a_program_that_fails(program: str) -> None:
    judge = CodeTests(["assert True"])
    assert await judge.examine(program) == "fail"
    assert "The program itself fails." in str(await judge.explain(program))


class Counting(Sandbox):
    """Counts the programs that it runs."""

    runs = 0

    async def run(self, program: str, *, stdin: str = "") -> Ran:
        self.runs += 1
        return await super().run(program, stdin=stdin)
