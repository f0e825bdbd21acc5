"""The pool backend replays what was recorded: same samples for every policy, none twice."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from its_agent.backends.pool import DEFAULT_INSTRUCTION, PoolBackend
from its_agent.backends.protocol import Backend, Delta, Request, StreamItem, Tokens
from its_agent.errors import InvalidOption, ScriptExhausted


def sample(text: str, tokens: int = 4) -> dict[str, Any]:
    logprobs = [-0.1 * (i + 1) for i in range(tokens)]
    return {"text": text, "finish": "stop", "tokens": tokens, "logprobs": logprobs}


def row(**fields: Any) -> dict[str, Any]:
    samples = [sample(f"sample {i}") for i in range(8)]
    plain = {"id": "p1", "problem": "2 + 2?", "answer": "4", "prompt_tokens": 30}
    return {**plain, "samples": samples, **fields}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    text = "\n".join(json.dumps(r) for r in rows) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def ask(prompt: str = "2 + 2?" + DEFAULT_INSTRUCTION, **fields: Any) -> Request:
    system, user = {"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt}
    limits: dict[str, Any] = {"max_tokens": 512, **fields}
    return Request(messages=(system, user), **limits)


async def everything(backend: Backend, request: Request) -> list[StreamItem]:
    return [item async for item in backend.stream(request)]


async def texts(backend: Backend, request: Request) -> list[str]:
    return [d.text for d in await everything(backend, request) if isinstance(d, Delta)]


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return write(tmp_path / "pool.jsonl.gz", row(), row(id="p2", prompt="as sent", model=None))


async def test_a_sample_is_one_delta_and_the_recorded_counts_follow(pool: Path) -> None:
    first, second, counts = await everything(PoolBackend(pool), ask(n=2))
    assert isinstance(first, Delta)
    assert isinstance(second, Delta)
    assert (first.index, second.index) == (0, 1)
    assert (len(first.logprobs), first.tokens, first.finish) == (4, 4, "stop")
    assert counts == Tokens(prompt=30, cached_prompt=0, completion=8)


async def test_nothing_is_drawn_twice_and_waves_do_not_change_the_order(pool: Path) -> None:
    one, other = PoolBackend(pool, seed=3), PoolBackend(pool, seed=3)
    at_once = await texts(one, ask(n=8))
    await texts(other, ask("as sent", n=5))
    in_waves = [text for n in (1, 4, 3) for text in await texts(other, ask(n=n))]
    assert at_once == in_waves
    assert Counter(at_once) == Counter(f"sample {i}" for i in range(8))


async def test_seeds_and_rows_have_orders_of_their_own(pool: Path) -> None:
    order = await texts(PoolBackend(pool, seed=1), ask(n=8))
    assert order != await texts(PoolBackend(pool, seed=2), ask(n=8))
    assert order != await texts(PoolBackend(pool, seed=1), ask("as sent", n=8))


async def test_the_supply_shrinks_and_reset_brings_it_back(pool: Path) -> None:
    backend = PoolBackend(pool)
    drawn = await texts(backend, ask(n=6))
    assert await backend.supply(ask()) == 2
    with pytest.raises(ScriptExhausted, match="holds 2 more samples"):
        await everything(backend, ask(n=3))
    assert await backend.supply(ask()) == 2
    backend.reset()
    assert await texts(backend, ask(n=6)) == drawn


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "another question"},
        {"temperature": 0.0},
        {"top_p": 0.5},
        {"stop": ("\n",)},
        {"choices": ("yes", "no")},
        {"schema": {"type": "object"}},
        {"top_logprobs": 5},
        {"continue_partial": True},
    ],
)
async def test_what_was_not_recorded_is_not_supplied(pool: Path, fields: dict[str, Any]) -> None:
    backend, request = PoolBackend(pool), ask(**fields)
    assert await backend.supply(request) == 0
    with pytest.raises(ScriptExhausted, match="holds 0 more samples"):
        await everything(backend, request)


async def test_one_problem_may_be_recorded_at_several_temperatures(tmp_path: Path) -> None:
    cold = row(temperature=0.0, samples=[sample("cold")])
    backend = PoolBackend(write(tmp_path / "pool.jsonl", row(), cold))
    assert await texts(backend, ask(temperature=0.0, top_p=1.0)) == ["cold"]
    assert await backend.supply(ask()) == 8


async def test_a_smaller_limit_cuts_samples_off(tmp_path: Path) -> None:
    path = write(tmp_path / "pool.jsonl", row(samples=[sample("0123456789", tokens=5)]))
    delta, counts = await everything(PoolBackend(path), ask(max_tokens=2))
    assert delta == Delta(index=0, text="0123", logprobs=(-0.1, -0.2), tokens=2, finish="length")
    assert counts == Tokens(prompt=30, cached_prompt=0, completion=2)
    whole, _ = await everything(PoolBackend(path), ask(max_tokens=5))
    assert isinstance(whole, Delta)
    assert (whole.text, whole.finish) == ("0123456789", "stop")


async def test_prompts_are_counted_as_recorded(pool: Path) -> None:
    backend = PoolBackend(pool)
    assert await backend.count_prompt(ask(temperature=0.0)) == 30
    with pytest.raises(ScriptExhausted, match="does not hold the prompt 'unknown'"):
        await backend.count_prompt(ask("unknown"))


async def test_the_offer_names_the_model_and_only_log_probabilities(tmp_path: Path) -> None:
    path = write(tmp_path / "pool.jsonl", row(model="qwen"))
    offer = await PoolBackend(path, seed=7).offer()
    assert (offer.fingerprint.model, offer.fingerprint.sampling) == ("qwen", {"seed": 7})
    assert offer.capabilities == {"logprobs", "n", "count_prompt"}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(id=None), "line 2: id: "),
        (row(samples=[]), "line 2: samples: "),
        (row(samples=[{**sample("a"), "finish": "eos"}]), r"line 2: samples\.0\.finish: "),
        (row(samples=[{**sample("a"), "tokens": 9}]), "line 2: .*9 tokens with 4 logprobs"),
        (row(), "rows p1 and p1 have the same prompt"),
        (row(prompt="x", model="other"), "several models: other, pool.jsonl"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, bad: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "pool.jsonl", row(), bad)
    with pytest.raises(InvalidOption, match=rf"pool\.jsonl.*{message}"):
        PoolBackend(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pool.jsonl", b'{"id": ', "line 1: row: Invalid JSON"),
        ("pool.jsonl", b"\n", "is empty"),
        ("pool.jsonl.gz", b"not compressed", "cannot read the pool"),
        ("pool.jsonl.gz", gzip.compress(b"cut short")[:-9], "cannot read the pool"),
    ],
)
def test_a_file_that_is_no_pool_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidOption, match=message):
        PoolBackend(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="cannot read the pool .*nowhere.jsonl"):
        PoolBackend(tmp_path / "nowhere.jsonl")
