"""Problems with functions to call: how they are told, and what counts as right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from its_agent.backends.protocol import Request
from its_agent.backends.recording import RecordingBackend
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.bench.function_calls import called_right, told
from its_agent.bench.problems import read_problems
from its_agent.bench.run import run_jobs, schedule
from its_agent.bench.runs import Run
from its_agent.tool_calls import ToolCall

CITY: Any = {
    "name": "weather.of",
    "description": "The weather.",
    "parameters": {
        "type": "dict",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "range": {"type": "tuple", "items": {"type": "float"}},
            "type": {"type": "any"},
        },
        "required": ["city"],
    },
}
GOLD = [
    {"weather.of": {"city": ["New York, NY", "NYC"], "days": ["", 3], "range": ["", [1.0, 2.5]]}}
]


def made(**arguments: Any) -> str:
    return json.dumps([{"name": "weather.of", "arguments": arguments}])


def test_types_are_told_by_the_names_of_json_schema() -> None:
    function = told(CITY)["function"]
    properties = function["parameters"]["properties"]
    assert function["parameters"]["type"] == "object"
    assert properties["range"] == {"type": "array", "items": {"type": "number"}}
    assert properties["type"] == {}
    assert told(told(CITY)) == told(CITY)


@pytest.mark.parametrize(
    "answer",
    [
        made(city="NYC"),
        made(city="new york ny", days=3),
        made(city="New-York, N.Y.", range=[1, 2.5]),
    ],
)
def test_a_call_with_allowed_values_is_right(answer: str) -> None:
    assert called_right(answer, json.dumps(GOLD))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "It rains.",
        "[]",
        made(),
        made(city="Rome"),
        made(city="NYC", days=4),
        made(city="NYC", days=3.0),
        made(city="NYC", days="3"),
        made(city="NYC", days=True),
        made(city="NYC", range=[1]),
        made(city="NYC", range=[2.5, 1.0]),
        made(city="NYC", unit="C"),
        made(city=["NYC"]),
        json.dumps([{"name": "weather", "arguments": {"city": "NYC"}}]),
        json.dumps(2 * json.loads(made(city="NYC"))),
    ],
)
def test_any_other_is_wrong(answer: str | None) -> None:
    assert not called_right(answer, json.dumps(GOLD))


def test_objects_list_the_allowed_values_of_each_member() -> None:
    gold = json.dumps([{"find": {"budget": [{"min": [300], "max": ["", 400]}]}}])

    def right(**budget: object) -> bool:
        call = [{"name": "find", "arguments": {"budget": budget}}]
        return called_right(json.dumps(call), gold)

    assert right(min=300)
    assert right(min=300, max=400)
    assert not right(max=400)
    assert not right(min=300, max=500)
    assert not right(min=300, other=1)


@pytest.mark.parametrize(
    ("answer", "is_right"), [("I cannot do that.", True), (made(city="NYC"), False), (None, False)]
)
def test_where_nothing_fits_an_answer_without_calls_is_right(
    answer: str | None, *, is_right: bool
) -> None:
    assert called_right(answer, "[]") is is_right


def says(request: Request, index: int) -> Reply:
    """The greedy sample is wrong, and the others agree."""
    city = "NYC" if request.temperature else "Rome"
    return Reply(
        text="", calls=(ToolCall(id="", name="weather.of", arguments=f'{{"city": "{city}"}}'),)
    )


async def runs_of(backend: RecordingBackend, path: Path) -> dict[str, Run]:
    runs: list[Run] = []
    plan = schedule(
        read_problems(path, limit=1), strategies=["single_pass", "hedged_attempts"], budgets=[4_000]
    )
    await run_jobs(plan, backend, concurrency=1, command="test", on_run=runs.append)
    return {run.strategy: run for run in runs}


async def test_a_benchmark_votes_on_calls_and_keeps_them(tmp_path: Path) -> None:
    row = {"id": "1", "problem": "The weather in New York?", "answer": GOLD, "tools": [CITY]}
    path, kept = tmp_path / "problems.jsonl", tmp_path / "kept.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    engine = ScriptedBackend(says)
    runs = await runs_of(RecordingBackend(engine, kept), path)
    assert (runs["single_pass"].correct, runs["hedged_attempts"].correct) == (False, True)
    assert {len(request.tools) for request in engine.requests} == {1}
    silent = ScriptedBackend(lambda request, index: Reply(text="nothing more is bought"))
    again = await runs_of(RecordingBackend(silent, kept), path)
    assert silent.requests == []
    assert [one.answer for one in again["hedged_attempts"].candidates] == [
        one.answer for one in runs["hedged_attempts"].candidates
    ]
    assert again["hedged_attempts"].spent.compute == runs["hedged_attempts"].spent.compute
    assert again["hedged_attempts"].raw_tokens == runs["hedged_attempts"].raw_tokens
