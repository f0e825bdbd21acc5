"""The pool backend replays what was recorded: same samples for every policy, none twice."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from its_agent.backends.pool import PoolBackend
from its_agent.backends.pool_file import DEFAULT_INSTRUCTION
from its_agent.backends.protocol import Backend, Delta, Request, StreamItem, Tokens
from its_agent.backends.shelves import said
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
    limits: dict[str, Any] = {"max_tokens": 512, **fields}
    return Request(messages=({"role": "user", "content": prompt},), **limits)


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
    path = write(tmp_path / "pool.jsonl", row(samples=[sample("0123456789" * 2, tokens=10)]))
    delta, counts = await everything(PoolBackend(path), ask(max_tokens=5))
    assert isinstance(delta, Delta)
    assert (delta.text, delta.tokens, delta.finish) == ("0123456789", 5, "length")
    assert delta.logprobs == tuple(-0.1 * (i + 1) for i in range(5))
    assert counts == Tokens(prompt=30, cached_prompt=0, completion=5)
    whole, _ = await everything(PoolBackend(path), ask(max_tokens=10))
    assert isinstance(whole, Delta)
    assert (len(whole.text), whole.finish) == (20, "stop")


async def test_where_tokens_lengths_are_known_a_cut_is_where_it_would_have_been(
    tmp_path: Path,
) -> None:
    uneven = {**sample("01234567899999999999", tokens=6), "lengths": [1, 1, 3, 1, 1, 13]}
    path = write(tmp_path / "pool.jsonl", row(samples=[uneven]))
    assert await texts(PoolBackend(path), ask(max_tokens=5)) == ["0123456"]
    pieces = await texts(PoolBackend(path, chunk_tokens=2), ask())
    assert pieces == ["01", "2345", "67899999999999"]


async def test_replays_side_by_side_draw_the_same_samples(pool: Path) -> None:
    backend = PoolBackend(pool)
    drawn: list[list[str]] = []
    for _ in range(2):
        with backend.replay():
            drawn.append(await texts(backend, ask(n=6)))
            assert await backend.supply(ask()) == 2
    assert drawn[0] == drawn[1]
    assert await backend.supply(ask()) == 8


async def test_a_greedy_sample_is_the_same_each_time(tmp_path: Path) -> None:
    cold = row(temperature=0.0, samples=[sample("cold")])
    backend, greedy = PoolBackend(write(tmp_path / "pool.jsonl", cold)), ask(temperature=0.0)
    assert await texts(backend, greedy) == await texts(backend, greedy) == ["cold"]
    assert await backend.supply(greedy) == 1


async def test_a_prompt_costs_once_what_the_prefix_cache_serves_later(tmp_path: Path) -> None:
    backend = PoolBackend(write(tmp_path / "pool.jsonl", row(cached_prompt_tokens=24)))
    counts = [(await everything(backend, ask()))[-1] for _ in range(3)]
    assert [c.cached_prompt for c in counts if isinstance(c, Tokens)] == [0, 24, 24]


async def test_one_file_may_hold_several_models(tmp_path: Path) -> None:
    path = write(
        tmp_path / "pool.jsonl",
        row(model="small", samples=[sample("by the small one")]),
        row(model="large", samples=[sample("by the large one")]),
    )
    backend = PoolBackend(path, model="large", relative_cost=3.0)
    assert await texts(backend, ask()) == ["by the large one"]
    with pytest.raises(InvalidOption, match="holds no samples of medium"):
        PoolBackend(path, model="medium")


async def test_a_read_is_served_with_its_alternatives(tmp_path: Path) -> None:
    yes = {"text": "A", "finish": "length", "tokens": 1, "alternatives": {"A": -0.1, "B": -2.3}}
    reading = row(
        messages=[{"role": "user", "content": "(A) or (B)?"}],
        temperature=0.0,
        max_tokens=1,
        samples=[yes],
    )
    backend = PoolBackend(write(tmp_path / "pool.jsonl", row(), reading))
    request = ask("(A) or (B)?", temperature=0.0, max_tokens=1, top_logprobs=20)
    delta, _ = await everything(backend, request)
    assert isinstance(delta, Delta)
    assert delta.top_logprobs == ({"A": -0.1, "B": -2.3},)
    assert "top_logprobs" in (await backend.offer()).capabilities


async def test_what_another_model_read_is_replayed_at_its_price(tmp_path: Path) -> None:
    conversation = ({"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"})
    reading = {"reader": "large", "of": said(conversation), "prompt_tokens": 9, "logprobs": [-0.5]}
    backend = PoolBackend(write(tmp_path / "pool.jsonl", row(), reading))
    reader = backend.reader("large", relative_cost=3.0)
    text = await reader.tokenize_text(conversation)
    assert (len(text.tokens), text.start) == (9, 8)
    told = await reader.read_text(text)
    assert (told.logprobs, told.usage.compute) == ((-0.5,), 30)
    with pytest.raises(ScriptExhausted, match="no reading of this answer by large"):
        await reader.tokenize_text(conversation[:1])
    with pytest.raises(InvalidOption, match="no answers that medium has read"):
        backend.reader("medium")


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
        (row(samples=[{**sample("a"), "lengths": [1]}]), "line 2: .*4 tokens with 1 lengths"),
        (row(problem="", prompt=None), "line 2: .*neither messages, nor prompt, nor problem"),
        (row(prompt="x", model="other"), "several models: .*pool.jsonl, other"),
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
