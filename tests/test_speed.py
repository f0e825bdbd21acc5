"""The measures of speed measure what they say; how fast it is belongs into a benchmark."""

from __future__ import annotations

from dataclasses import replace

from its_agent.bench.overhead import measure_overhead
from its_agent.bench.sandbox import measure_sandbox, sandbox_section
from its_agent.bench.speed_page import Speed, speed_section
from its_agent.bench.streaming import measure_streaming
from its_agent.bench.throughput import measure_throughput
from its_agent.bench.workload import instant_server


async def test_the_overhead_is_told_for_both_kinds_of_prompts_and_both_transports() -> None:
    seen = await measure_overhead(rounds=1, solves=3, at_once=(5, 10))
    solves = (seen.known_prompt_ms, seen.counted_prompt_ms, seen.new_prompt_ms)
    bare = (seen.bare_aiohttp_ms, seen.bare_httpx_ms)
    assert all(0 < ms < 1000 for ms in (*solves, *bare, seen.decision_ms))
    assert min(*seen.solves_a_second, seen.bare_a_second, *seen.memory_mib) > 0


async def test_a_slow_stream_is_kept_up_with() -> None:
    seen = await measure_streaming(requests=8, tokens_a_second=400, seconds=1)
    assert seen.tokens_a_second_sent == 400
    assert 200 < seen.tokens_a_second_kept < 420


async def test_batch_and_raw_requests_ask_a_server_for_the_same_number_of_tokens() -> None:
    with instant_server(tokens=32) as address:
        seen = await measure_throughput(address, pairs=2, problems=3, tokens=32)
    assert len(seen.pairs) == 2
    assert min(rate for pair in seen.pairs for rate in pair) > 0


async def test_the_sandbox_costs_more_than_a_bare_interpreter_and_not_the_world() -> None:
    seen = await measure_sandbox(runs=3)
    assert seen.bare_ms < seen.sandboxed_ms < 5_000
    assert "medians of 3\nruns" in sandbox_section(seen, "a command")


def test_the_page_names_every_figure_that_was_measured() -> None:
    overhead = {
        "rounds": 7,
        "solves_a_round": 100,
        "counted_prompt_ms": 3.0,
        "new_prompt_ms": 2.6,
        "known_prompt_ms": 2.4,
        "bare_httpx_ms": 2.0,
        "bare_aiohttp_ms": 1.5,
        "decision_ms": 0.4,
        "at_once": (200, 1000),
        "solves_a_second": (410.0, 405.0),
        "bare_a_second": 390.0,
        "memory_mib": (90.0, 100.0, 100.0),
    }
    streaming = {
        "requests": 256,
        "tokens_a_second_sent": 20_000.0,
        "tokens_a_second_kept": 19_900.0,
        "processor_share": 0.8,
        "ratio": 0.995,
    }
    seen = Speed(
        machine="a machine",
        command="a command",
        overhead=overhead,
        streaming=streaming,
        throughput={"engine": "qwen, vllm", "pairs": [(98.0, 100.0)], "ratio": 0.98},
        its_hub={
            "version": "1.2.0",
            "instant_ms": 2.0,
            "instant_solves_a_second_200": 500.0,
            "engine_pairs": [(98.0, 70.0), (99.0, 71.0), (90.0, 60.0)],
        },
    )
    page = speed_section(seen)
    for figure in (
        "| 2.40 | 1.20 | 1.60 |",
        "its prompt new | 2.60 |",
        "counts it first | 3.00 |",
        "410 solves",
        "httpx make 390 at 200",
        "takes 0.40 ms",
        "19,900",
        "**0.980**",
        "| 98.0 | 70.0 |",
    ):
        assert figure in page, figure
    assert page.startswith("## Speed\n")
    alone = speed_section(replace(seen, throughput=None, its_hub=None))
    assert alone.startswith("## Speed without an engine\n")
