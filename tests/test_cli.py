"""The command line: what it prints where, its exit codes, and its views of a solve."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from scripted_server import served

from its_agent import verifiers as verifiers_room
from its_agent.agent import Agent
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.bench.runs import read_runs
from its_agent.budget import Budget, Usage
from its_agent.cli import main
from its_agent.event_lines import line, votes
from its_agent.events import Event, Generating, Routed, Solved, Spent
from its_agent.graphs.solve import PATHS, STEPS
from its_agent.policy import STRATEGIES
from its_agent.terminal.flow import Flow
from its_agent.terminal.live import PlainLines, view
from its_agent.terminal.solve import at_most
from its_agent.trace import read_trace

QUESTION = "What is 17 + 25?"

pytestmark = pytest.mark.usefixtures("own_home")


def adder(request: Request, index: int) -> Reply:
    """Knows one sum, and says so in whatever form it is asked."""
    if request.choices:
        return Reply(text=request.choices[0], top_logprobs={request.choices[0]: -0.1})
    return Reply(text=r"17 and 25 make 42, so it is \boxed{42}.")


def silent_model(request: Request, index: int) -> Reply:
    if request.choices:
        return Reply(text=request.choices[-1], top_logprobs={request.choices[-1]: -0.1})
    return Reply(text=r"Let me think about \boxed{")


@pytest.fixture
def url() -> Iterator[str]:
    with served(ScriptedBackend(adder)) as address:
        yield address


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def shell(
    *arguments: str, given: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from its_agent.cli import main; main()", *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},
    )


# solve


def test_solve_says_the_ceiling_first_and_prints_answer_confidence_and_receipt(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("solve", QUESTION, "--budget", "4000", "--base-url", url) == 0
    out, err = capsys.readouterr()
    assert err.startswith("at most 4,000 compute units (tokens)\n")
    assert out.splitlines()[0].split() == ["answer", "42"]
    assert out.splitlines()[1].startswith("confidence  ")
    assert "compute units of 4,000" in out
    assert "scripted, vllm 0.32.0" in out


def test_json_is_alone_on_standard_output(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("solve", QUESTION, "--json", "--base-url", url) == 0
    out, err = capsys.readouterr()
    solution = json.loads(out)
    assert solution["answer"] == "42"
    assert 0 < solution["receipt"]["spent"]["compute"] <= 4000
    assert "route" in err


def test_quiet_prints_the_answer_and_nothing_else(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("solve", QUESTION, "--quiet", "--base-url", url) == 0
    assert capsys.readouterr() == ("42\n", "")


def test_the_problem_comes_from_a_file(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "problem.txt"
    file.write_text(QUESTION)
    assert run("solve", "--file", str(file), "-q", "--base-url", url) == 0
    assert capsys.readouterr().out == "42\n"


@pytest.mark.parametrize("arguments", [[], ["-"], ["--file", "-"]])
def test_the_problem_comes_from_standard_input(url: str, arguments: list[str]) -> None:
    done = shell("solve", *arguments, "-q", given=QUESTION, env={"ITS_BASE_URL": url})
    assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")


def test_a_strategy_is_run_by_name(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("solve", QUESTION, "--strategy", "single_pass", "--json", "--base-url", url) == 0
    steps = json.loads(capsys.readouterr().out)["receipt"]["steps"]
    assert {step["path"] for step in steps} == {"single_pass"}


def test_no_answer_is_an_abstention(capsys: pytest.CaptureFixture[str]) -> None:
    with served(ScriptedBackend(silent_model)) as url:
        code = run("solve", QUESTION, "--strategy", "single_pass", "--base-url", url)
    assert code == 1
    assert "(abstained)" in capsys.readouterr().out


# Bad input costs nothing: no engine is looked for. The address would give exit code 3.

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["solve", "  "], "the problem is empty"),
        (["solve", QUESTION, "--budget", "0"], "compute budget must be greater than 0, got 0"),
        (["solve", QUESTION, "--seconds", "-1"], "seconds budget must be greater than 0"),
        (["solve", QUESTION, "--strategy", "psychic"], "'psychic'"),
        (["solve", QUESTION, "--file", "x.txt"], "the problem is given twice"),
        (["solve", "--file", "no-such-file.txt"], "cannot be read"),
        (["solve", QUESTION, "--budget", "many"], "--budget"),
        (["solve", QUESTION, "--colour", "red"], "--colour"),
        (["bench", "none.jsonl", "--out", "unused.jsonl"], "cannot be read"),
        (["bench", "none.jsonl", "--out", "unused.jsonl", "--budgets", "5,x"], "whole numbers"),
        (["bench", "report", "none.jsonl"], "cannot be read"),
    ],
)
def test_bad_input_exits_with_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    address = [] if arguments[1] == "report" else ["--base-url", NOWHERE]
    assert run(*arguments, *address) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "Traceback" not in err


def test_a_budget_that_pays_for_no_call_exits_with_2(url: str) -> None:
    assert run("solve", QUESTION, "--budget", "3", "--base-url", url) == 2


def test_a_model_that_the_server_does_not_have_exits_with_2(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("solve", QUESTION, "--model", "other", "--base-url", url) == 2
    assert "has no model 'other'; it serves: scripted" in capsys.readouterr().err


def test_no_engine_exits_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("solve", QUESTION, "--base-url", NOWHERE) == 3
    err = capsys.readouterr().err
    assert "nothing answers at http://127.0.0.1:9" in err
    assert "Traceback" not in err


def test_an_interrupt_exits_with_130() -> None:
    slow = ScriptedBackend(adder, delay=30)
    with served(slow) as url:
        process = subprocess.Popen(
            [sys.executable, "-c", "from its_agent.cli import main; main()"]
            + ["solve", QUESTION, "--base-url", url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until = time.monotonic() + 30
        while not slow.requests and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_an_interrupt_prints_the_best_answer_so_far_and_its_receipt() -> None:
    def first_fast_then_slow(request: Request, index: int) -> Reply:
        return Reply(text=f"\\boxed{{{index}}}", tokens=8 if index < 5 else 400)

    backend = ScriptedBackend(first_fast_then_slow, delay=0.3)
    with served(backend) as url:
        process = subprocess.Popen(
            [sys.executable, "-c", "from its_agent.cli import main; main()"]
            + ["solve", QUESTION, "--base-url", url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until = time.monotonic() + 40
        while len(backend.requests) < 4 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert re.match(r"answer +[0-4]\n", out), out
    assert "stopped because: cancelled" in out
    assert "tokens for what an abort left unseen" in out


def test_help_comes_without_the_heavy_libraries() -> None:
    code = (
        "import sys\n"
        "from its_agent.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "print([n for n in ('langgraph', 'torch', 'vllm', 'transformers') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert "solve" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


# bench


def problem_file(folder: Path, count: int) -> Path:
    path = folder / "problems.jsonl"
    path.write_text(
        "".join(
            json.dumps({"id": f"p{n}", "problem": f"{QUESTION} ({n})", "answer": "42"}) + "\n"
            for n in range(count)
        )
    )
    return path


def test_bench_lets_all_strategies_meet_what_was_recorded_for_the_bound(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problems, record = str(problem_file(tmp_path, 2)), tmp_path / "kept.jsonl"
    page, out = tmp_path / "bound.md", tmp_path / "runs.jsonl"
    shared = ["--limit", "2", "--record", str(record), "--base-url", url]
    bound = ["bench", "bound", problems, *shared, "--samples", "4", "--out", str(page)]
    assert run(*bound) == 0
    assert "pass@4" in page.read_text()
    assert str(tmp_path) not in page.read_text()
    kept = record.read_text()
    strategies = ["--strategies", "self_consistency,beam:self_certainty", "--budgets", "900"]
    assert run("bench", problems, *shared, *strategies, "--out", str(out)) == 0
    made = read_runs(out)
    assert {one.strategy for one in made} == {"self_consistency", "beam:self_certainty"}
    assert record.read_text().startswith(kept)
    assert "--record kept.jsonl" in made[0].command
    capsys.readouterr()


def test_bench_makes_runs_resumes_and_reports(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page = tmp_path / "runs.jsonl", tmp_path / "docs" / "page.md"
    command = ["bench", str(problem_file(tmp_path, 2)), "--limit", "2", "--budgets", "300,900"]
    command += ["--strategies", "adaptive,single_pass", "--out", str(out), "--base-url", url]
    assert run(*command) == 0
    made = read_runs(out)
    assert len(made) == 8
    assert all(one.correct and one.spent.compute <= one.budget for one in made)
    assert str(tmp_path) not in out.read_text()

    lines = out.read_text().splitlines()
    out.write_text("\n".join(lines[:6]) + "\n" + lines[6][:30])
    capsys.readouterr()
    assert run(*command) == 0
    assert "2 runs to make, 6 are there" in capsys.readouterr().err
    assert {one.key for one in read_runs(out)} == {one.key for one in made}

    assert run("bench", "report", str(out), "--out", str(page)) == 0
    assert "its-agent bench problems.jsonl --limit 2" in page.read_text()
    assert page.with_name("runs.svg").read_text().startswith("<svg")


NO_VERIFIERS = {
    *("Calibration", "Conversation", "Limits", "Ran", "Reading", "Result", "Sandbox"),
    *("Examiner", "Explains", "ExplainsSlowly", "Grades", "Scorer", "Verifier", "Witness"),
}
"""What the room of verifiers holds besides: values, and protocols."""
REPEATED = len({"single_pass", "attempts", "refine", "search"})
"""Paths that are strategies, too."""


def test_every_strategy_and_verifier_is_listed_on_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("strategies") == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]
    verifiers = {name for name in vars(verifiers_room) if name[0].isupper()}
    assert set(STRATEGIES) | set(STEPS) | set(PATHS) <= set(listed)
    assert verifiers - NO_VERIFIERS <= set(listed)
    assert len(listed) == len(set(listed)) + REPEATED


# Views


async def events_of(question: str) -> list[Event]:
    async with Agent(ScriptedBackend(adder)) as agent:
        return [event async for event in agent.astream(question, max_compute_budget=4000)]


async def test_plain_lines_tell_the_way_to_the_answer() -> None:
    written = io.StringIO()
    see = PlainLines(Console(file=written, width=200), Budget(compute=4000))
    for event in await events_of(QUESTION):
        see(event)
    lines = written.getvalue().splitlines()
    assert any(" of 4,000  route " in one for one in lines)
    assert any("sample     42 " in one for one in lines)
    assert "done       " in lines[-1]


async def test_the_live_panel_shows_votes_and_the_budget() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120)
    with view(console, Budget(compute=4000)) as see:
        for event in await events_of(QUESTION):
            see(event)
    shown = written.getvalue()
    assert "of 4,000" in shown
    assert "42, 100% sure" in shown


async def test_every_solve_ends_with_a_line_and_generating_has_none() -> None:
    events = await events_of(QUESTION)
    assert isinstance(events[-1], Solved)
    assert not any(line(event) for event in events if isinstance(event, Generating))
    assert all(line(event) for event in events if isinstance(event, Routed))


def generating(elapsed: float, tokens: int, *, request: int = 1, running: int = 1) -> Generating:
    return Generating(
        spent=Usage(),
        held=Usage(),
        elapsed=elapsed,
        request=request,
        purpose="generate",
        running=running,
        tokens=tokens,
    )


def test_speed_and_samples_add_up_over_requests_that_run_side_by_side() -> None:
    flow = Flow()
    for second in range(4):
        flow.note(generating(second, 10 * second + 1))
        flow.note(generating(second, 30 * second + 1, request=2, running=3))
    assert flow.running == 4
    assert flow.rate == pytest.approx(40, abs=1)


def test_a_request_that_is_settled_runs_no_more() -> None:
    flow = Flow()
    flow.note(generating(0, 5))
    flow.note(generating(1, 90, request=2, running=3))
    paid = Usage(completion_tokens=92)
    flow.note(
        Spent(spent=paid, held=Usage(), elapsed=1.5, request=2, purpose="generate", usage=paid)
    )
    assert flow.running == 1


def test_a_speed_needs_half_a_second() -> None:
    flow = Flow()
    assert flow.rate is None
    flow.note(generating(0, 5))
    flow.note(generating(0.1, 50))
    assert flow.rate is None


def test_many_votes_are_cut_short() -> None:
    shares = tuple((str(n), 0.1) for n in range(6))
    assert votes(shares) == "0 10%, 1 10%, 2 10%, 3 10%, 2 more"
    assert votes(()) == "no votes"


def test_the_ceiling_names_every_limit() -> None:
    assert at_most(Budget(compute=4000)) == "at most 4,000 compute units (tokens)"
    assert at_most(Budget(compute=10, seconds=2.5)) == "at most 10 compute units (tokens) and 2.5 s"


# Traces


def test_a_solve_is_recorded_where_it_is_told_and_kept_as_the_last_one(
    url: str, tmp_path: Path, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "trace.jsonl", tmp_path / "page.html"
    assert run("solve", QUESTION, "--quiet", "--trace", str(file), "--base-url", url) == 0
    assert isinstance(read_trace(file)[-1], Solved)
    assert (own_home / "traces" / "last.jsonl").read_bytes() == file.read_bytes()
    assert run("solve", "What is 17 + 25 now?", "--quiet", "--base-url", url) == 0
    assert run("solve", "--budget", "3", QUESTION, "--base-url", url) == 2
    assert run("trace", "--last", "--out", str(page)) == 0
    assert "What is 17 + 25 now?" in page.read_text()
    assert [one.name for one in (own_home / "traces").iterdir()] == ["last.jsonl"]
    capsys.readouterr()


def test_a_cache_folder_that_cannot_be_written_is_told_and_does_not_stop_a_solve(
    url: str, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_home.write_text("a file")
    assert run("solve", QUESTION, "--quiet", "--base-url", url) == 0
    out, err = capsys.readouterr()
    assert out == "42\n"
    assert "the trace of this solve is not kept" in err


def test_a_trace_that_cannot_be_written_stops_a_solve_before_it_costs_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(backend := ScriptedBackend(adder)) as url:
        assert run("solve", QUESTION, "--trace", str(tmp_path), "--base-url", url) == 2
    assert backend.requests == []
    assert "cannot be written" in capsys.readouterr().err
