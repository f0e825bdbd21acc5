"""Peers on the same engine: what they may ask, what they are charged, and what is recorded."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from fake_vllm import CHAT, LIST, MODELS, VERSION, Answer, Server, listening, page
from hypothesis import given
from hypothesis import strategies as st

from its_agent.backends.counters import EngineCounters, settled_counters
from its_agent.backends.protocol import Tokens
from its_agent.bench.peer_calls import (
    Allotment,
    affordable_calls,
    measured_costs,
    measured_sample_tokens,
    on_other_problems,
)
from its_agent.bench.peer_page import peer_section
from its_agent.bench.peer_price import price
from its_agent.bench.peer_run import Setting
from its_agent.bench.peers import PEERS, peer_strategies, run_peers
from its_agent.bench.problems import BenchProblem
from its_agent.bench.report import report
from its_agent.bench.run import Job
from its_agent.bench.runs import Run, read_runs
from its_agent.bench.tap import Call, Tap
from its_agent.bench.workload import instant_server
from its_agent.cli import main
from its_agent.errors import BackendError, BackendLost, EngineError, InvalidInput, InvalidOption
from its_agent.receipt import Fingerprint

METRICS = "/metrics"
PROMPT, HITS, GENERATED = 95, 64, 40
"""Tokens that the engine of these tests reads, finds cached and generates for every sample."""
METHOD = "its_hub:self_consistency"
POSED = ({"role": "user", "content": "What is 2 + 2? Reason."},)
SAMPLING = {"max_tokens": 512, "temperature": 0.8, "top_p": 0.95}


def counters(generated: int, prompt: int, hits: int = 0, running: int = 0) -> EngineCounters:
    return EngineCounters(
        generation_tokens=generated,
        prompt_tokens=prompt,
        prefix_cache_hits=hits,
        prefix_cache_queries=prompt,
        requests_running=running,
        requests_waiting=0,
    )


def metrics(told: EngineCounters) -> Answer:
    lines = {
        "generation_tokens_total": told.generation_tokens,
        "prompt_tokens_total": told.prompt_tokens,
        "prefix_cache_hits_total": told.prefix_cache_hits,
        "prefix_cache_queries_total": told.prefix_cache_queries,
        "num_requests_running": told.requests_running,
        "num_requests_waiting": told.requests_waiting,
    }
    return Answer("".join(f"vllm:{name} {count}\n" for name, count in lines.items()).encode())


def completion(text: str = r"It is \boxed{4}.", n: int = 1) -> Any:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {
        "prompt_tokens": PROMPT,
        "completion_tokens": n * GENERATED,
        "prompt_tokens_details": {"cached_tokens": HITS},
    }
    return {"choices": [choice] * n, "usage": usage}


def engine() -> Server:
    """An engine that counts what it is asked as vLLM does."""
    server = Server()

    def counted() -> Answer:
        samples = sum(body.get("n", 1) for body in server.bodies(CHAT))
        return metrics(counters(samples * GENERATED, samples * PROMPT, samples * HITS))

    def answer() -> Answer:
        asked = server.bodies(CHAT)[-1]["messages"][-1]["content"]
        return Answer(hangs=True) if "slowly" in asked else page(completion())

    server.answers |= {CHAT: answer, METRICS: counted}
    server.answers |= {LIST: lambda: page(MODELS), VERSION: lambda: page({"version": "0.32.0"})}
    return server


# What goes through the tap


@asynccontextmanager
async def tapped(server: Server) -> AsyncGenerator[tuple[Tap, str]]:
    async with listening(server) as address:
        tap = Tap(f"{address}/v1", SAMPLING)
        tap.pose(POSED)
        async with tap.listening() as between:
            yield tap, f"{between}{CHAT}"


async def post(url: str, body: Mapping[str, Any]) -> int:
    async with aiohttp.ClientSession() as client, client.post(url, json=body) as response:
        await response.read()
        return response.status


async def test_a_sample_goes_out_in_the_shared_words_and_settings_whatever_the_peer_sets() -> None:
    server = engine()
    asked = {
        "model": "qwen",
        "messages": [{"role": "system", "content": ""}, *POSED],
        "temperature": 1,
        "max_completion_tokens": 9,
        "seed": 3,
        "n": 2,
    }
    async with tapped(server) as (tap, url):
        await post(url, asked)
    (sent,) = server.bodies(CHAT)
    assert sent == {"model": "qwen", "messages": list(POSED), "n": 2, **SAMPLING}
    (call,) = tap.calls
    assert (call.is_sample, call.n) == (True, 2)
    assert call.tokens == Tokens(prompt=PROMPT, cached_prompt=HITS, completion=GENERATED)
    assert call.texts == ((r"It is \boxed{4}.", "stop"),)


async def test_the_tap_knows_the_prompts_of_earlier_runs() -> None:
    async with tapped(engine()) as (tap, url):
        for known in (False, False, True):
            if known:
                tap.pose(POSED)
            await post(url, {"messages": POSED, "n": 2})
            assert tap.calls[-1].read_before == known


async def test_another_request_keeps_its_own_settings_but_for_a_seed() -> None:
    server = engine()
    asked = {"messages": [{"role": "user", "content": "Rate it."}], "temperature": 0.1, "top_p": 1}
    async with tapped(server) as (tap, url):
        await post(url, {**asked, "seed": 3})
    assert server.bodies(CHAT) == [asked]
    assert not tap.calls[0].is_sample


async def test_a_refusal_reaches_the_peer_and_leaves_a_request_that_told_nothing() -> None:
    server = engine()
    server.answers[CHAT] = lambda: page({"error": {"message": "too long"}}, 400)
    async with tapped(server) as (tap, url):
        assert await post(url, {"messages": POSED}) == 400
    assert [call.tokens for call in tap.calls] == [None]
    assert tap.lost is None


async def test_who_hangs_up_on_the_tap_hangs_up_on_the_engine() -> None:
    server, hanging = engine(), Answer(hangs=True)
    server.answers[CHAT] = lambda: hanging
    async with tapped(server) as (tap, url):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await post(url, {"messages": POSED})
        async with asyncio.timeout(5):
            await hanging.hung_up.wait()
    assert [call.tokens for call in tap.calls] == [None]


async def test_an_engine_that_answers_without_usage_is_no_fault_of_the_peer() -> None:
    server = engine()
    server.answers[CHAT] = lambda: page({"choices": []})
    async with tapped(server) as (tap, url):
        assert await post(url, {"messages": POSED}) == 502
    assert isinstance(tap.lost, BackendError)


# The price


def sample(prompt: int, cached: int, completion: int, n: int = 1) -> Call:
    tokens = Tokens(prompt=prompt, cached_prompt=cached, completion=completion)
    return Call(prompt="q", is_sample=True, n=n, tokens=tokens)


CANCELLED = Call(prompt="q", is_sample=True, n=1)


def test_a_prompt_shared_by_samples_is_charged_once_and_the_engines_count_kept_beside_it() -> None:
    # Four samples of a prompt of 95 tokens, 64 of them cached for the three that follow.
    one = price([sample(95, 64, 700, n=4)], counters(700, 380, 192), seconds=2.0)
    assert one.spent.compute == 95 + 700
    assert one.engine_compute == 380 - 192 + 700
    assert (one.spent.prompt_tokens, one.spent.requests, one.spent.seconds) == (95, 1, 2.0)


def test_samples_in_requests_of_their_own_cost_as_much_as_those_of_one_request() -> None:
    calls = [sample(95, 0, 175), *[sample(95, 64, 175)] * 3]
    assert price(calls, counters(700, 380, 192), seconds=1.0).spent.compute == 95 + 700


def test_a_prompt_that_was_cached_before_is_charged_less_what_the_cache_held() -> None:
    calls = [sample(95, 64, 175)] * 4
    assert price(calls, counters(700, 380, 256), seconds=1.0).spent.compute == 95 - 64 + 700


def test_several_samples_tell_what_was_cached_only_of_a_prompt_that_was_read_before() -> None:
    warm = replace(sample(95, 64, 700, n=4), read_before=True)
    assert price([warm], counters(700, 380, 256), seconds=1.0).spent.compute == 95 - 64 + 700


def test_what_a_cancelled_request_generated_is_charged() -> None:
    calls = [sample(95, 0, 100), sample(95, 64, 110), CANCELLED]
    cost = price(calls, counters(290, 285, 128), seconds=1.0)
    assert cost.spent.compute == 95 + 290
    assert (cost.requests, cost.untold, cost.told.completion) == (3, 1, 210)


def test_a_cancelled_request_leaves_its_prompt_at_what_the_others_told_of_the_cache() -> None:
    calls = [sample(95, 64, 100), CANCELLED, sample(95, 64, 110)]
    assert price(calls, counters(290, 285, 192), seconds=1.0).spent.compute == 95 - 64 + 290


def test_a_run_that_told_nothing_is_charged_by_the_counters_alone() -> None:
    cost = price([CANCELLED, CANCELLED], counters(300, 190), seconds=1.0)
    assert (cost.spent.prompt_tokens, cost.spent.compute) == (95, 395)


def test_judging_is_a_purpose_of_its_own() -> None:
    judge = replace(sample(300, 256, 20), prompt="j", is_sample=False)
    cost = price([sample(95, 0, 100), judge], counters(120, 395, 256), seconds=1.0)
    assert cost.by_purpose["generate"].compute == 195
    assert cost.by_purpose["verify"].compute == 300 - 256 + 20
    assert cost.engine_compute == 395 - 256 + 120


CALLS = st.builds(
    Call,
    prompt=st.sampled_from("qjk"),
    is_sample=st.booleans(),
    n=st.integers(1, 4),
    tokens=st.none()
    | st.builds(
        Tokens,
        prompt=st.integers(50, 99),
        cached_prompt=st.integers(0, 50),
        completion=st.integers(0, 500),
    ),
)


@given(calls=st.lists(CALLS, max_size=8), more=st.integers(0, 300))
def test_every_token_that_the_engine_generated_is_charged(calls: list[Call], more: int) -> None:
    told = [call for call in calls if call.tokens is not None]
    generated = sum(call.tokens.completion for call in told if call.tokens) + more
    read = sum(call.n * call.tokens.prompt for call in told if call.tokens)
    spent = price(calls, counters(generated, read), seconds=1.0).spent
    assert spent.completion_tokens == generated
    assert spent.compute == spent.prompt_tokens - spent.cached_prompt_tokens + generated
    assert spent.requests == len(calls)


# How many calls a budget buys


def test_a_budget_buys_the_most_calls_whose_mean_cost_is_within_it() -> None:
    costs = {1: 300.0, 4: 900.0, 16: 2100.0}
    # 900 to 2,100 is 100 a call.
    assert [affordable_calls(b, costs) for b in (300, 899, 900, 1099, 1100, 2000)] == [
        *(1, 3, 4, 5, 6, 15)
    ]


def test_no_budget_buys_less_than_a_call_or_more_than_was_measured() -> None:
    assert affordable_calls(10, {1: 300.0}) == 1
    assert affordable_calls(10**6, {1: 300.0, 8: 700.0}) == 8


@given(
    budget=st.integers(1, 5000),
    costs=st.dictionaries(st.integers(1, 32), st.floats(1, 4000), min_size=1),
)
def test_measured_numbers_of_calls_are_bought_only_where_they_are_paid_for(
    budget: int, costs: dict[int, float]
) -> None:
    calls = affordable_calls(budget, costs)
    assert 1 <= calls <= max(costs)
    assert calls == 1 or costs.get(calls, 0) <= budget
    assert not any(more > calls and cost <= budget for more, cost in costs.items())


def job(name: str = "p0", question: str = "What is 2 + 2?", budget: int = 500) -> Job:
    problem = BenchProblem(id=name, problem=question, answer="4")
    return Job(problem=problem, strategy=METHOD, budget=budget)


def test_points_of_the_curve_have_their_nominal_compute_for_a_budget() -> None:
    allotment = Allotment(sample_tokens=250, budgets=(800,), curve=(1, 4))
    assert allotment.all_budgets == [250, 800, 1000]
    assert [allotment.calls(job(budget=b)) for b in allotment.all_budgets] == [1, 3, 4]


def test_a_method_whose_cost_was_measured_gets_its_own_number_of_calls() -> None:
    costs = {METHOD: {1: 100.0, 8: 800.0}}
    allotment = Allotment(sample_tokens=250, budgets=(800,), curve=(2,), costs=costs)
    assert allotment.calls(job(budget=800)) == 8
    assert allotment.calls(job(budget=500)) == 2
    assert allotment.calls(replace(job(budget=800), strategy="optillm:bon")) == 3


def test_an_allotment_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidOption, match="--budgets, --calls"):
        Allotment(sample_tokens=250)
    with pytest.raises(InvalidOption, match="--sample-tokens"):
        Allotment(sample_tokens=0, budgets=(800,))


# Runs


@pytest.fixture
def python(peer_python: str) -> str:
    """An interpreter whose every client script is the stand-in."""
    return peer_python


async def runs_of(
    server: Server, python: str, *jobs: Job, calls: int = 2, seconds: float = 30.0
) -> list[Run]:
    made: list[Run] = []
    async with listening(server) as address:
        setting = Setting(
            base_url=address,
            engine=Fingerprint(model="qwen", backend="vllm"),
            command="its-agent bench peers",
            seconds=seconds,
        )
        plan = [[one] for one in jobs]
        peers = {"its_hub": python}
        await run_peers(plan, lambda _: calls, peers, setting, on_run=made.append)
    return made


async def test_a_run_is_measured_by_the_counters_and_graded_from_the_peers_text(
    python: str,
) -> None:
    (run,) = await runs_of(engine(), python, job(question="What is 2 + 2? (judge)"))
    assert (run.answer, run.correct, run.error) == ("4", True, None)
    assert run.by_purpose["generate"].compute == PROMPT - HITS + 2 * GENERATED
    assert run.by_purpose["verify"].compute == PROMPT - HITS + GENERATED
    assert [(one.answer, one.right) for one in run.candidates] == [("4", True)] * 2
    (step,) = run.steps
    assert step["engine_compute"] == 3 * (PROMPT - HITS + GENERATED)
    assert (step["calls"], step["requests"], step["version"]) == (2, 3, "9.9")
    assert step["claimed"] == {"completion_tokens": 2 * GENERATED}


async def test_all_samples_are_asked_for_in_the_products_own_words(python: str) -> None:
    server = engine()
    await runs_of(server, python, job())
    first, second = server.bodies(CHAT)
    assert first == second
    assert {name: first[name] for name in SAMPLING} == SAMPLING
    assert [message["role"] for message in first["messages"]] == ["user"]
    assert "step by step" in first["messages"][0]["content"]
    assert "seed" not in first


async def test_a_peer_that_fails_is_recorded_with_what_it_used_and_goes_on(python: str) -> None:
    crashed, fine = await runs_of(engine(), python, job(question="What is 2 + 2? crash"), job("p1"))
    assert crashed.error is not None
    assert "RuntimeError: no majority" in crashed.error
    assert (crashed.correct, crashed.status) == (False, "error")
    assert crashed.spent.compute == PROMPT - HITS + GENERATED
    assert fine.correct


async def test_a_peer_that_does_not_answer_is_ended(python: str) -> None:
    hung, fine = await runs_of(
        engine(), python, job(question="What is 2 + 2? hang"), job("p1"), seconds=3.0
    )
    assert hung.error == "PeerFailed: no answer in 3 s"
    assert fine.correct


async def test_a_peer_that_answers_no_json_has_failed(python: str) -> None:
    (run,) = await runs_of(engine(), python, job(question="What is 2 + 2? babble"))
    assert run.error is not None
    assert "what a question" in run.error


async def test_a_request_that_the_peer_hung_up_on_is_counted_in(python: str) -> None:
    (run,) = await runs_of(engine(), python, job(question="What is 2 + 2? drop"), calls=1)
    assert run.steps[0]["untold"] == 1
    assert run.spent.completion_tokens == 2 * GENERATED
    assert "1 requests ended without an answer" in peer_section([run], "eggs")


async def test_an_engine_that_goes_away_ends_the_benchmark_and_blames_no_peer(python: str) -> None:
    server = engine()
    server.answers[CHAT] = lambda: page({"choices": []})
    with pytest.raises(BackendLost, match="start the same command"):
        await runs_of(server, python, job())


async def test_an_engine_that_started_anew_in_the_middle_measures_nothing(python: str) -> None:
    server = engine()
    first = server.answers[METRICS]
    server.answers[METRICS] = lambda: (
        metrics(counters(10**6, 0)) if not server.bodies(CHAT) else first()
    )
    with pytest.raises(BackendLost, match="started anew"):
        await runs_of(server, python, job())


async def test_a_peer_that_does_not_start_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be run"):
        await runs_of(engine(), str(tmp_path / "nothing"), job())
    with pytest.raises(InvalidInput, match=r"did not start: it ended with status 1: .*its_hub"):
        await runs_of(engine(), sys.executable, job())


async def test_what_others_have_an_engine_do_is_waited_for() -> None:
    running = iter([2, 1, 0, 0, 0])
    server = Server(answers={METRICS: lambda: metrics(counters(9, 9, running=next(running)))})
    async with listening(server) as address:
        told = await settled_counters(address, pause=0.01)
    assert told.requests_running == 0
    assert len(server.seen) == 4


async def test_an_engine_that_stays_busy_cannot_be_measured() -> None:
    server = Server(answers={METRICS: lambda: metrics(counters(9, 9, running=3))})
    async with listening(server) as address:
        with pytest.raises(EngineError, match="3 samples running"):
            await settled_counters(address, seconds=0.2, pause=0.01)


# The command


def command(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def problem_file(folder: Path, count: int, first: int = 0) -> Path:
    path = folder / f"problems{first}.jsonl"
    rows = [
        {"id": f"p{n}", "problem": "How many eggs are 3 boxes of 6?", "answer": "18"}
        for n in range(first, first + count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_command_goes_on_where_it_was_cut(
    python: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs.jsonl"
    with instant_server() as url:
        words = ["bench", "peers", str(problem_file(tmp_path, 2)), "--limit", "2"]
        words += ["--its-hub", python, "--methods", f"{METHOD},its_hub:best_of_n"]
        words += ["--calls", "1,2", "--sample-tokens", "90", "--out", str(out), "--base-url", url]
        assert command(*words) == 0
        made = read_runs(out)
        out.write_text("".join(out.read_text().splitlines(keepends=True)[:5]) + '{"id": "p1"')
        capsys.readouterr()
        assert command(*words) == 0
    told = capsys.readouterr()
    assert "3 runs to make, 5 are there" in told.err
    assert {one.key for one in read_runs(out)} == {one.key for one in made}
    assert {one.budget for one in made} == {90, 180}
    assert all(one.correct for one in made)
    assert f"| {METHOD} | 2 | 180 | 2 of 2 | 140 | 200 | 80 | 2.0 | 0 |" in told.out
    assert "its_hub 9.9: the engine counted 480 generated tokens, its answers told 480" in told.out
    assert str(tmp_path) not in out.read_text()
    assert "--its-hub PYTHON" in report({"eggs": made})


def test_calls_are_chosen_by_what_they_cost_on_other_problems(
    python: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    costs, out = tmp_path / "costs.jsonl", tmp_path / "runs.jsonl"
    with instant_server() as url:
        shared = ["--its-hub", python, "--methods", METHOD, "--base-url", url, "--limit", "2"]
        other = ["bench", "peers", str(problem_file(tmp_path, 2, first=5)), "--calls", "1,8"]
        assert command(*other, *shared, "--sample-tokens", "40", "--out", str(costs)) == 0
        words = ["bench", "peers", str(problem_file(tmp_path, 2)), "--budgets", "200", *shared]
        assert command(*words, "--costs", str(costs), "--out", str(out)) == 0
        same = ["bench", "peers", str(problem_file(tmp_path, 2, first=5)), "--budgets", "200"]
        assert command(*same, *shared, "--costs", str(costs), "--out", str(out)) == 2
    told = capsys.readouterr().err
    # 60 for the prompt and 40 for each call.
    assert f"{METHOD} at 200: 3 calls" in told
    assert "all on the problems that are to be run" in told
    assert "--costs costs.jsonl" in read_runs(out)[0].command


async def test_costs_and_lengths_are_means_over_the_runs_of_others(python: str) -> None:
    made = await runs_of(engine(), python, job(), job("p1"), job("p2", "What is 2 + 2? crash"))
    assert measured_costs(made) == {METHOD: {2: PROMPT - HITS + 2 * GENERATED}}
    assert measured_sample_tokens(made) == GENERATED
    assert [run.id for run in on_other_problems(made, {"p0"})] == ["p1", "p2"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--budgets", "800", "--sample-tokens", "90"], "--its-hub, --optillm"),
        (["--its-hub", "python", "--budgets", "800"], "--sample-tokens"),
        (["--its-hub", "python", "--sample-tokens", "90"], "--budgets, --calls"),
        (
            [
                *("--its-hub", "python", "--budgets", "800", "--sample-tokens", "90"),
                *("--methods", "optillm:bon"),
            ],
            "optillm:bon",
        ),
    ],
)
def test_bad_input_is_told_before_anything_runs(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = str(problem_file(tmp_path, 1))
    given = ["bench", "peers", problems, "--limit", "1", "--out", str(tmp_path / "runs.jsonl")]
    assert command(*given, *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "runs.jsonl").exists()


@pytest.mark.parametrize("peer", list(PEERS))
def test_every_method_of_the_real_peer_answers(
    peer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    variable = f"{peer.upper()}_PYTHON"
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} names no interpreter that has {peer}")
    out = tmp_path / "runs.jsonl"
    with instant_server() as url:
        words = ["bench", "peers", str(problem_file(tmp_path, 1)), "--limit", "1", "--calls", "2"]
        words += [f"--{peer.replace('_', '-')}", python, "--sample-tokens", "90"]
        assert command(*words, "--out", str(out), "--base-url", url) == 0
    made = read_runs(out)
    assert sorted(run.strategy for run in made) == sorted(peer_strategies([peer]))
    assert all(run.correct and run.error is None for run in made)
    capsys.readouterr()
