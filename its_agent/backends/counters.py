"""The engine's own counters, read from vLLM's Prometheus page."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass

from its_agent.backends.connection import Connection
from its_agent.backends.endpoint import Endpoint
from its_agent.errors import EngineError

_SAMPLE = re.compile(r"^(?P<name>[^\s{#]+)(?:\{.*\})?\s+(?P<value>\d[\d.eE+]*)")
_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCounters:
    """Totals since the engine's start, in tokens, and what it does now, in samples."""

    generation_tokens: int
    prompt_tokens: int
    """Once for every sample of a request, cached ones included."""
    prefix_cache_hits: int
    prefix_cache_queries: int
    requests_running: int
    requests_waiting: int

    def __sub__(self, earlier: EngineCounters) -> EngineCounters:
        return EngineCounters(
            **{name: getattr(self, name) - getattr(earlier, name) for name in _METRICS}
        )


_METRICS = {
    "generation_tokens": "vllm:generation_tokens_total",
    "prompt_tokens": "vllm:prompt_tokens_total",
    "prefix_cache_hits": "vllm:prefix_cache_hits_total",
    "prefix_cache_queries": "vllm:prefix_cache_queries_total",
    "requests_running": "vllm:num_requests_running",
    "requests_waiting": "vllm:num_requests_waiting",
}


async def read_counters(base_url: str) -> EngineCounters:
    """Read `/metrics`, summed over models and engines.

    Raises BackendUnreachable, BackendRefused, and BackendGarbled for a page without them.
    """
    endpoint = Endpoint(base_url)
    page = await _metrics_page(endpoint)
    totals = _totals(page)
    missing = [metric for metric in _METRICS.values() if metric not in totals]
    if missing:
        raise endpoint.garbled(f"the metrics {', '.join(missing)}", page)
    return EngineCounters(**{name: totals[metric] for name, metric in _METRICS.items()})


async def settled_counters(
    base_url: str, *, seconds: float = 60.0, pause: float = 0.05
) -> EngineCounters:
    """Read the counters once the engine is idle and two readings `pause` seconds apart agree.

    Raises EngineError when it is not idle within so many seconds, and what `read_counters` raises.
    """
    before = await read_counters(base_url)
    try:
        async with asyncio.timeout(seconds):
            while True:
                await asyncio.sleep(pause)
                now = await read_counters(base_url)
                if now == before and not now.requests_running + now.requests_waiting:
                    return now
                before = now
    except TimeoutError as error:
        raise EngineError(
            f"the engine is still busy after {seconds:g} s ({before.requests_running} samples "
            f"running, {before.requests_waiting} waiting); what its counters measure needs it alone"
        ) from error


async def _metrics_page(endpoint: Endpoint) -> str:
    connection = Connection(endpoint, headers={}, timeout=_TIMEOUT, max_concurrency=1)
    async with aclosing(connection):
        page = await connection.get("/metrics")
    if not page.is_success:
        raise endpoint.refusal(page.status, page.text)
    return page.text


def _totals(page: str) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for sample in map(_SAMPLE.match, page.splitlines()):
        if sample and sample["name"] in _METRICS.values():
            totals[sample["name"]] += int(float(sample["value"]))
    return dict(totals)
