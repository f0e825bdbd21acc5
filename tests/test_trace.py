"""Traces: what is recorded, that it reads back, and what the page is told."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from pathlib import Path

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from traced import HOSTILE, PLAIN_QUESTION, QUESTION, large, solved, wavering

from its_agent.agent import Agent
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.budget import Budget
from its_agent.cli import main
from its_agent.errors import BackendLost, InvalidInput, InvalidOption, SolveFailed
from its_agent.events import (
    Emitter,
    Event,
    Failed,
    Generating,
    Requested,
    Sampled,
    Searched,
    Solved,
    Spent,
    Started,
)
from its_agent.ledger import Ledger
from its_agent.trace import TraceRecorder, read_trace, solve_page
from its_agent.trace.forest import laid_out
from its_agent.trace.story import story


@pytest.mark.parametrize("strategy", ["adaptive", "beam", "refine"])
async def test_what_is_recorded_reads_back_as_the_events_that_were(
    tmp_path: Path, strategy: str
) -> None:
    events = await solved(strategy)
    recorder = TraceRecorder(tmp_path / "trace.jsonl")
    for event in events:
        recorder(event)
    assert read_trace(tmp_path / "trace.jsonl") == events
    assert recorder.events == len(events)


async def test_numbers_that_json_does_not_have_and_broken_texts_survive(tmp_path: Path) -> None:
    backend = ScriptedBackend(lambda request, index: Reply(text=HOSTILE, logprob=float("-inf")))
    recorder = TraceRecorder(tmp_path / "trace.jsonl")
    async with Agent(backend, strategy="single_pass", on_event=recorder) as agent:
        solution = await agent.asolve(QUESTION)
    for line in (tmp_path / "trace.jsonl").read_text(encoding="ascii").splitlines():
        json.loads(line, parse_constant=pytest.fail)
    events = read_trace(tmp_path / "trace.jsonl")
    assert isinstance(events[-1], Solved)
    assert events[-1].solution == solution
    assert "</script><script>window" not in solve_page(events)


async def test_solves_side_by_side_keep_apart_by_their_run(tmp_path: Path) -> None:
    recorder = TraceRecorder(tmp_path / "trace.jsonl")
    async with Agent(ScriptedBackend(wavering), on_event=recorder) as agent:
        one, other = await agent.abatch(["What is 2 + 2?", "What is 3 + 3?"])
    assert not isinstance(one, Exception)
    assert not isinstance(other, Exception)
    assert one.receipt.run_id != other.receipt.run_id
    events = read_trace(tmp_path / "trace.jsonl")
    assert "What is 2 + 2?" in solve_page(events, one.receipt.run_id)
    assert "What is 2 + 2?" not in solve_page(events, other.receipt.run_id)
    with pytest.raises(InvalidInput, match="no solve 'nobody'"):
        solve_page(events, "nobody")


async def test_a_trace_is_its_owners_alone_and_replaces_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text("something else")
    TraceRecorder(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_trace(file) == []
    with pytest.raises(InvalidOption, match="cannot be written"):
        TraceRecorder(tmp_path / "nowhere" / "trace.jsonl")


async def test_a_trace_that_is_taken_away_is_not_made_anew_for_all_to_read(tmp_path: Path) -> None:
    recorder = TraceRecorder(tmp_path / "trace.jsonl")
    recorder.path.unlink()
    for event in await solved():
        recorder(event)
    assert not recorder.path.exists()
    assert isinstance(recorder.failure, FileNotFoundError)


def test_a_trace_replaces_no_pipe_and_no_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(InvalidOption, match="is no file"):
            TraceRecorder(tmp_path / name)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


async def test_a_disk_that_fails_ends_the_trace_and_not_the_solve(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "trace.jsonl"
    recorder = TraceRecorder(file)
    file.unlink()
    file.mkdir()
    async with Agent(ScriptedBackend(wavering), on_event=recorder) as agent:
        solution = await agent.asolve("What is 2 + 2?")
    assert solution.answer is not None
    assert isinstance(recorder.failure, OSError)
    assert solution.receipt.run_id in caplog.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not a trace"),
        ('{"format": "its_agent trace", "version": 2}\n', "version 2 of the trace format"),
        ('{"format": "its_agent trace", "version": 1}\n{"event": "started"}\n', "line 2 is not"),
        ('{"format": "its_agent trace", "version": 1}\nnonsense\n', "line 2 is not"),
    ],
)
def test_what_is_no_trace_is_refused(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text(content)
    with pytest.raises(InvalidInput, match=said):
        read_trace(file)


async def test_kinds_of_later_versions_and_a_line_that_was_cut_off_are_left_out(
    tmp_path: Path,
) -> None:
    file = tmp_path / "trace.jsonl"
    recorder = TraceRecorder(file)
    events = await solved()
    for event in events[:3]:
        recorder(event)
    with file.open("a") as handle:
        handle.write('{"event": "dreamt", "of": "sheep"}\n{"event": "sol')
    assert read_trace(file) == events[:3]


# What the events tell


async def test_every_request_is_told_with_its_prompt_and_its_texts() -> None:
    events = await solved()
    asked = {e.request: e for e in events if isinstance(e, Requested)}
    paid = {e.request: e for e in events if isinstance(e, Spent)}
    assert asked.keys() == paid.keys()
    assert all("boxes of 6" in str(e.messages) for e in asked.values())
    texts = [text for e in paid.values() for text in e.texts]
    assert all(e.candidate.text in texts for e in events if isinstance(e, Sampled))
    assert all(len(e.texts) == asked[number].samples for number, e in paid.items() if number)


async def test_a_search_tells_every_node_once() -> None:
    events = await solved("beam")
    told = Counter(node.id for e in events if isinstance(e, Searched) for node in e.nodes)
    solution = next(e.solution for e in events if isinstance(e, Solved))
    assert len(told) == solution.receipt.explored_nodes
    assert set(told.values()) == {1}
    leaves = {e.node for e in events if isinstance(e, Sampled)}
    assert leaves
    assert leaves <= told.keys()


async def test_a_solve_begins_with_its_problem_and_a_failed_one_says_why() -> None:
    heard: list[Event] = []
    backend = ScriptedBackend([BackendLost("it went away")] * 9)
    async with Agent(backend, strategy="single_pass", on_event=heard.append) as agent:
        with pytest.raises(SolveFailed):
            await agent.asolve("What is 2 + 2?")
    assert isinstance(heard[0], Started)
    assert heard[0].messages[0]["content"] == "What is 2 + 2?"
    assert isinstance(heard[-1], Failed)
    assert heard[-1].error == "SolveFailed"
    assert story(heard)["end"]["kind"] == "failed"
    assert len({event.run_id for event in heard}) == 1


async def test_all_events_and_the_receipt_carry_the_run() -> None:
    events = await solved()
    solution = next(e.solution for e in events if isinstance(e, Solved))
    assert {event.run_id for event in events} == {solution.receipt.run_id}
    assert solution.receipt.run_id


# What the page is told


async def test_the_story_adds_up() -> None:
    events = await solved()
    told = story(events)
    spent = told["spent"]["compute"]
    assert sum(usage["compute"] for usage in told["purposes"].values()) == spent
    before = told["purposes"].get("estimate", {"compute": 0})["compute"]
    assert before + sum(one["spent"] for one in told["rounds"]) == spent
    assert sum(group["candidates"] for group in told["answers"]) == len(told["candidates"])
    assert [one["id"] for one in told["candidates"] if one["chosen"]] != []
    assert told["answers"][0]["answer"] == "18"
    assert told["stop"]["reason"] == told["end"]["stopped"]


async def test_a_solve_that_went_on_is_told_to_its_last_end() -> None:
    heard: list[Event] = []
    backend = ScriptedBackend(lambda request, index: Reply(text=rf"\boxed{{{index}}}", tokens=60))
    async with Agent(backend, estimate=(), max_tokens=100, on_event=heard.append) as agent:
        graph = agent.graph(approve=True)
        graph.checkpointer = InMemorySaver()
        thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
        problem = {"messages": [("user", PLAIN_QUESTION)], "max_compute_budget": 300}
        await graph.ainvoke(problem, thread)
        ended = await graph.ainvoke(Command(resume=400), thread)
    told, receipt = story(heard), ended["solution"]["receipt"]
    assert told["budget"]["compute"] == told["receipt"]["budget"]["compute"] == 700
    assert len({one["number"] for one in told["requests"]}) == receipt["spent"]["requests"]
    assert sum(one["spent"] for one in told["rounds"]) == receipt["spent"]["compute"]
    told_of = [number for one in told["rounds"] for number in one["requests"]]
    assert told_of == [one["number"] for one in told["requests"]]


def test_a_tree_is_laid_out_without_a_row_twice_and_parents_in_the_middle() -> None:
    nodes = {n.id: n for e in large(400) if isinstance(e, Searched) for n in e.nodes}
    tree = laid_out(nodes, {})
    inner = {node["parent"] for node in tree["nodes"]}
    leaves = [n["row"] for place, n in enumerate(tree["nodes"]) if place not in inner]
    assert sorted(leaves) == list(range(tree["rows"]))
    for place in inner - {-1}:
        rows = [n["row"] for n in tree["nodes"] if n["parent"] == place]
        assert tree["nodes"][place]["row"] == (min(rows) + max(rows)) / 2


def test_without_a_listener_no_event_is_made() -> None:
    class Refusing(Generating):
        def __init__(self, **details: object) -> None:
            raise LookupError("it was made")

    ledger = Ledger(Budget(compute=1))
    Emitter(ledger)(Refusing, request=1, purpose="", running=1, tokens=1)
    with pytest.raises(LookupError):
        Emitter(ledger, (print,))(Refusing, request=1, purpose="", running=1, tokens=1)


# The command


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


async def recorded(file: Path) -> None:
    recorder = TraceRecorder(file)
    for event in await solved():
        recorder(event)


async def test_the_command_writes_the_page_of_a_trace(
    tmp_path: Path, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await recorded(tmp_path / "trace.jsonl")
    page = tmp_path / "page.html"
    assert run("trace", str(tmp_path / "trace.jsonl"), "--out", str(page)) == 0
    assert capsys.readouterr().out == f"{page}\n"
    content = page.read_text()
    assert content.startswith("<!doctype html>")
    assert "http://" not in content.replace("http://www.w3.org/2000/svg", "")
    assert run("trace", str(tmp_path / "trace.jsonl"), "--no-open") == 0
    assert (own_home / "traces" / "trace.html").read_text() == content


def test_the_command_wants_one_trace(
    own_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("trace") == 2
    assert run("trace", "x.jsonl", "--last") == 2
    assert run("trace", "--last") == 2
    assert "no solve is kept yet" in capsys.readouterr().err
    assert run("trace", str(tmp_path / "none.jsonl")) == 2
    assert "cannot be read" in capsys.readouterr().err
