"""A recording serves every solve the same samples, and buys only what runs out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from its_agent import Agent
from its_agent.backends.protocol import Delta, Request, Tokens
from its_agent.backends.recording import RecordingBackend
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import InvalidOption

EGGS = "How many eggs are there in 3 boxes of 6?"


def numbered() -> ScriptedBackend:
    """Every sample has a number of its own."""
    return ScriptedBackend(
        lambda request, index: Reply(
            text=f"{'so ' * 20}\\boxed{{{index}}}.", top_logprobs={"a": -1.0, "b": -3.0}
        )
    )


def ask(**fields: object) -> Request:
    message = {"role": "user", "content": "2 + 2?"}
    return Request(messages=(message,), **{"max_tokens": 512, **fields})  # type: ignore[arg-type]


async def texts(backend: RecordingBackend, request: Request) -> list[str]:
    said = [""] * request.n
    async for item in backend.stream(request):
        if isinstance(item, Delta):
            said[item.index] += item.text
    return said


async def test_every_replay_draws_the_same_samples_from_the_beginning(tmp_path: Path) -> None:
    engine = numbered()
    backend = RecordingBackend(engine, tmp_path / "kept.jsonl")
    with backend.replay():
        first = await texts(backend, ask(n=2)) + await texts(backend, ask(n=2))
    with backend.replay():
        again = await texts(backend, ask(n=4))
    assert again == first
    assert len(set(first)) == 4
    assert sum(request.n for request in engine.requests) == 4


async def test_a_file_is_gone_on_with_and_only_the_rest_is_bought(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    with (before := RecordingBackend(numbered(), path)).replay():
        kept = await texts(before, ask(n=3))
    with path.open("ab") as file:
        file.write(b'{"model": "cut off')
    engine = numbered()
    with (after := RecordingBackend(engine, path)).replay():
        assert (await texts(after, ask(n=5)))[:3] == kept
    assert [request.n for request in engine.requests] == [2]


async def test_a_lower_limit_cuts_what_was_recorded_whole(tmp_path: Path) -> None:
    backend = RecordingBackend(numbered(), tmp_path / "kept.jsonl")
    with backend.replay():
        items = [item async for item in backend.stream(ask(max_tokens=10))]
    last = [item for item in items if isinstance(item, Delta)][-1]
    assert (last.tokens, last.finish) == (10, "length")
    assert isinstance(items[-1], Tokens)
    assert items[-1].completion == 10
    with backend.replay():
        (whole,) = await texts(backend, ask())
    assert whole.endswith("\\boxed{0}.")


async def test_alternatives_are_kept_as_confidences_and_for_reads(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    for backend in (RecordingBackend(numbered(), path), RecordingBackend(numbered(), path)):
        with backend.replay():
            read = [item async for item in backend.stream(ask(max_tokens=1, top_logprobs=20))]
        assert isinstance(read[0], Delta)
        assert read[0].top_logprobs == ({"a": -1.0, "b": -3.0},)


async def test_greedy_requests_are_drawn_over_and_over(tmp_path: Path) -> None:
    engine = numbered()
    backend = RecordingBackend(engine, tmp_path / "kept.jsonl")
    with backend.replay():
        cold = ask(temperature=0.0, top_p=1.0)
        assert await texts(backend, cold) == await texts(backend, cold)
    assert len(engine.requests) == 1


async def test_a_prompt_is_read_anew_once_a_solve(tmp_path: Path) -> None:
    """The engine held 32 of its tokens when it was recorded for the second time."""
    path = tmp_path / "kept.jsonl"
    with (before := RecordingBackend(numbered(), path)).replay():
        await texts(before, ask())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"cached_prompt_tokens": 32}) + "\n")
    backend = RecordingBackend(numbered(), path)
    cached: list[int] = []
    for _ in range(2):
        with backend.replay():
            for _ in range(2):
                items = [item async for item in backend.stream(ask())]
                cached += [item.cached_prompt for item in items if isinstance(item, Tokens)]
    assert cached == [0, 32, 0, 32]


async def test_what_depends_on_its_own_past_is_passed_on(tmp_path: Path) -> None:
    backend = RecordingBackend(numbered(), tmp_path / "kept.jsonl")
    with backend.replay():
        once, again = [await texts(backend, ask(stop=("\n\n",))) for _ in range(2)]
    assert once != again
    assert not (tmp_path / "kept.jsonl").exists()


async def test_strategies_on_one_recording_meet_the_same_samples(tmp_path: Path) -> None:
    backend = RecordingBackend(numbered(), tmp_path / "kept.jsonl")
    met: list[list[str]] = []
    for strategy in ("self_consistency", "best_of_n"):
        with backend.replay():
            async with Agent(backend, strategy=strategy, estimate=()) as agent:
                solution = await agent.asolve(EGGS, max_compute_budget=1_200)
        met.append([candidate.text for candidate in solution.candidates])
    assert met[0] == met[1]


async def test_another_models_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    with (mine := RecordingBackend(numbered(), path)).replay():
        await texts(mine, ask())
    other = RecordingBackend(ScriptedBackend([], model="other"), path)
    with pytest.raises(InvalidOption, match=r"holds samples of scripted, the backend serves other"):
        await other.offer()


def test_a_file_that_is_no_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_text('{"id": 1}\n')
    with pytest.raises(InvalidOption, match="line 1: id: "):
        RecordingBackend(numbered(), path)
