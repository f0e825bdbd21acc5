"""Reading vLLM's own counters from its metrics page."""

from __future__ import annotations

import pytest
from fake_vllm import Answer, Server, listening

from its_agent.backends.counters import read_counters
from its_agent.errors import BackendGarbled

METRICS = """\
# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="a {b} c"} 1.2e+03
vllm:generation_tokens_total{engine="1",model_name="a {b} c"} 34.0
vllm:prompt_tokens_total{engine="0"} 500.0
vllm:prompt_tokens_by_source_total{engine="0"} 7.0
vllm:prefix_cache_hits_total{engine="0"} 64.0
vllm:prefix_cache_queries_total{engine="0"} 95.0
vllm:num_requests_running{engine="0"} 4.0
vllm:num_requests_waiting{engine="0"} 2.0
"""


def metrics(text: str) -> Server:
    return Server(answers={"/metrics": lambda: Answer(text.encode())})


async def test_the_engines_counters_add_up_over_its_parts() -> None:
    async with listening(metrics(METRICS)) as address:
        told = await read_counters(f"{address}/v1")
    assert (told.generation_tokens, told.prompt_tokens) == (1234, 500)
    assert (told.prefix_cache_hits, told.prefix_cache_queries) == (64, 95)
    assert (told.requests_running, told.requests_waiting) == (4, 2)
    assert (told - told).generation_tokens == 0


async def test_a_page_without_vllms_counters_is_garbled() -> None:
    async with listening(metrics("python_gc_objects 1.0\n")) as address:
        with pytest.raises(BackendGarbled, match="vllm:generation_tokens_total"):
            await read_counters(address)
