"""The speed figures as a section of the page of results."""

from __future__ import annotations

import platform
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LEAST_RATE = 400
MOST_RATIO = 1.5
MOST_DECISION_MS = 2
LEAST_SHARE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What `its-agent bench speed` measured in one run, as plain data."""

    machine: str
    command: str
    overhead: dict[str, Any]
    streaming: dict[str, Any]
    throughput: dict[str, Any] | None
    its_hub: dict[str, Any] | None


def machine() -> str:
    """The processor and the Python that measure."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    processor = f"{len(names)} × {names[0]}" if names else platform.machine()
    return f"{processor}, Python {platform.python_version()}"


def speed_section(speed: Speed) -> str:
    """The figures as Markdown."""
    lines = [
        "## Speed" if speed.throughput is not None else "## Speed without an engine",
        "",
        "Made by",
        "",
        "```",
        speed.command,
        "```",
        "",
        f"on {speed.machine}. Every figure is a ratio or a rate of one run in which what is "
        "compared took turns.",
        "",
        *_overhead(speed.overhead),
        "",
        *_streaming(speed.streaming),
    ]
    if speed.throughput is not None:
        lines += ["", *_throughput(speed.throughput)]
    if speed.its_hub is not None:
        lines += ["", *_its_hub(speed.its_hub, speed)]
    return "\n".join(lines) + "\n"


def _overhead(seen: dict[str, Any]) -> list[str]:
    rows = {
        "bare graph and request, through httpx": "bare_httpx_ms",
        "bare graph and request, through aiohttp": "bare_aiohttp_ms",
        "a solve, its prompt met before": "known_prompt_ms",
        "a solve, its prompt new": "new_prompt_ms",
        "a solve, its prompt new and its budget so tight that the server counts it first": (
            "counted_prompt_ms"
        ),
    }
    before, between, after = seen["memory_mib"]
    (few, many), (with_few, with_many) = seen["at_once"], seen["solves_a_second"]
    return [
        "### Own time of a solve",
        "",
        "Self-consistency, one request for four samples, on a server that answers at once; beside "
        "it a LangGraph graph of as many supersteps that does nothing but make the same request: "
        "through httpx, which most clients use, and through aiohttp, which the solves use.",
        "",
        "| | ms | by the bare one, httpx | by the bare one, aiohttp |",
        "|---|---:|---:|---:|",
        *(
            f"| {what} | {seen[name]:.2f} | {seen[name] / seen['bare_httpx_ms']:.2f} | "
            f"{seen[name] / seen['bare_aiohttp_ms']:.2f} |"
            for what, name in rows.items()
        ),
        "",
        f"Medians over {seen['rounds']} rounds of the mean of {seen['solves_a_round']} solves, the "
        f"rows in turns from one solve to the next. At most {MOST_RATIO} is wanted.",
        "",
        f"{with_few:.0f} solves a second at {few:,} at once, {with_many:.0f} at {many:,} "
        f"({LEAST_RATE} are wanted), every prompt new; the bare graphs with their requests through "
        f"httpx make {seen['bare_a_second']:.0f} at {few:,}. Memory: {before:.0f} MiB before the "
        f"crowd of {many:,}, {between:.0f} after it, {after:.0f} after another one.",
        "",
        f"A look ahead of `adaptive` at twelve samples with eight answers takes "
        f"{seen['decision_ms']:.2f} ms (at most {MOST_DECISION_MS} are wanted).",
    ]


def _streaming(seen: dict[str, Any]) -> list[str]:
    return [
        "### Keeping up with a stream",
        "",
        f"A server streams {seen['tokens_a_second_sent']:,.0f} tokens a second, one an event, "
        f"over {seen['requests']} requests; {seen['tokens_a_second_kept']:,.0f} a second were "
        f"read, with usage and log-probabilities ({seen['ratio']:.2f} of what was sent), for "
        f"{seen['processor_share']:.2f} of one core.",
    ]


def _throughput(seen: dict[str, Any]) -> list[str]:
    pairs = ", ".join(f"{own:.1f} by {bare:.1f}" for own, bare in seen["pairs"])
    return [
        "### Tokens a second on a real engine",
        "",
        f"`Agent.batch` against the same requests sent raw to {seen['engine']}: "
        f"**{seen['ratio']:.3f}** (median of {len(seen['pairs'])} alternated pairs; at least "
        f"{LEAST_SHARE} is wanted). Tokens a second: {pairs}.",
    ]


def _its_hub(seen: dict[str, Any], speed: Speed) -> list[str]:
    own = speed.overhead
    lines = [
        f"### Beside its_hub {seen['version']}",
        "",
        "Its self-consistency through its own client, in an environment of its own: four requests "
        "a solve, not streamed, without a graph or a budget.",
        "",
        "| | its_agent | its_hub | ratio |",
        "|---|---:|---:|---:|",
        _compared("ms a solve, at once answered", own["known_prompt_ms"], seen["instant_ms"], 2),
        _compared(
            "solves a second at 200",
            own["solves_a_second"][0],
            seen["instant_solves_a_second_200"],
            0,
        ),
    ]
    if seen["engine_pairs"]:
        own_rate, other_rate = map(statistics.median, zip(*seen["engine_pairs"], strict=True))
        lines.append(_compared("tokens a second on the real engine", own_rate, other_rate, 1))
        lines += [
            "",
            f"The last row is the medians of {len(seen['engine_pairs'])} alternated pairs.",
        ]
    return lines


def _compared(what: str, own: float, other: float, digits: int) -> str:
    return f"| {what} | {own:,.{digits}f} | {other:,.{digits}f} | {own / other:.2f} |"
