"""The scripted backend plays an engine: chunks in turns, exact counts, limits, failures."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from its_agent.backends.protocol import Backend, Delta, Request, StreamItem, Tokens
from its_agent.backends.scripted import Reply, ScriptedBackend, count_tokens
from its_agent.errors import BackendLost, InvalidOption, ScriptExhausted


def ask(
    *, n: int = 1, max_tokens: int = 64, stop: tuple[str, ...] = (), top_logprobs: int = 0
) -> Request:
    messages = ({"role": "user", "content": "What is 2 + 2?"},)
    return Request(
        messages=messages, n=n, max_tokens=max_tokens, stop=stop, top_logprobs=top_logprobs
    )


async def everything(backend: Backend, request: Request) -> list[StreamItem]:
    return [item async for item in backend.stream(request)]


async def deltas(backend: Backend, request: Request) -> list[Delta]:
    return [d for d in await everything(backend, request) if isinstance(d, Delta)]


def text_of(items: list[Delta], index: int = 0) -> str:
    return "".join(d.text for d in items if d.index == index)


async def test_samples_come_in_turns_and_the_count_ends_the_stream() -> None:
    backend = ScriptedBackend(["one two three", "four five"], chunk_tokens=2)
    items = await everything(backend, ask(n=2))
    chunks = [(d.index, d.text, d.tokens, d.finish) for d in items if isinstance(d, Delta)]
    assert chunks == [
        (0, "one two", 2, None),
        (1, "four five", 2, "stop"),
        (0, " three", 3, "stop"),
    ]
    assert items[-1] == Tokens(prompt=10, cached_prompt=0, completion=5)


async def test_the_counters_add_prompts_once_a_sample() -> None:
    backend = ScriptedBackend(["a b", "c d e", "f"])
    request = ask(n=2)
    await everything(backend, request)
    await everything(backend, ask())
    assert (backend.prompt_tokens, backend.generated_tokens) == (30, 6)
    assert backend.requests == [request, ask()]
    assert await backend.count_prompt(request) == 10


async def test_a_function_sees_the_request_and_the_samples_given_so_far() -> None:
    backend = ScriptedBackend(lambda request, index: f"{index} of {request.n}")
    await everything(backend, ask())
    items = await deltas(backend, ask(n=2))
    assert [text_of(items, 0), text_of(items, 1)] == ["1 of 2", "2 of 2"]


async def test_a_list_that_runs_out_gives_nothing_and_keeps_what_it_has() -> None:
    backend = ScriptedBackend(["last"])
    with pytest.raises(ScriptExhausted, match="1 replies left and 2 are asked for"):
        await everything(backend, ask(n=2))
    assert text_of(await deltas(backend, ask())) == "last"
    assert backend.prompt_tokens == 10


async def test_max_tokens_cuts_and_says_so() -> None:
    items = await deltas(ScriptedBackend(["a b c d"]), ask(max_tokens=3))
    assert (text_of(items), items[-1].tokens, items[-1].finish) == ("a b c", 3, "length")
    items = await deltas(ScriptedBackend(["a b c"]), ask(max_tokens=3))
    assert items[-1].finish == "stop"


async def test_the_first_stop_string_ends_a_sample_and_stays_in_it() -> None:
    backend = ScriptedBackend(["step one\n\nstep two END"])
    items = await deltas(backend, ask(stop=("END", "\n\n")))
    assert text_of(items) == "step one\n\n"
    assert (items[-1].tokens, items[-1].finish) == (3, "stop")


async def test_token_counts_can_be_dictated() -> None:
    items = await deltas(ScriptedBackend([Reply(text="4", tokens=20)]), ask())
    assert (text_of(items), items[-1].tokens) == ("4", 20)
    items = await deltas(ScriptedBackend([Reply(text="ab", logprobs=(-1.0, -2.0))]), ask())
    assert (items[-1].logprobs, items[-1].tokens) == ((-1.0, -2.0), 2)


async def test_a_first_tokens_alternatives_are_read_up_to_the_number_asked_for() -> None:
    known = Reply(text="Yes .", top_logprobs={"Maybe": -3.0, "Yes": -0.1, "No": -2.0})
    backend = ScriptedBackend([known, known])
    assert (await deltas(backend, ask()))[0].top_logprobs == ()
    read = (await deltas(backend, ask(top_logprobs=2)))[0].top_logprobs
    assert read == ({"Yes": -0.1, "No": -2.0}, {" .": -0.2})


async def test_what_the_backend_cannot_do_is_missing_from_its_answers() -> None:
    backend = ScriptedBackend(["a b"], capabilities=frozenset())
    (delta,) = await deltas(backend, ask(top_logprobs=2))
    assert (delta.logprobs, delta.top_logprobs) == ((), ())
    assert (await backend.offer()).capabilities == frozenset()


async def test_an_error_comes_after_the_other_samples_instead_of_the_count() -> None:
    backend = ScriptedBackend([BackendLost("the server went away"), "a b c"])
    stream = backend.stream(ask(n=2))
    whole = Delta(
        index=1,
        text="a b c",
        logprobs=(-0.2,) * 3,
        lengths=(1, 2, 2),
        tokens=3,
        finish="stop",
    )
    assert await anext(stream) == whole
    with pytest.raises(BackendLost, match="went away"):
        await anext(stream)
    assert (backend.generated_tokens, backend.aborted) == (3, 0)


async def test_a_closed_stream_counts_as_aborted_with_what_it_had_generated() -> None:
    backend = ScriptedBackend(["a b c d e f", "a"], chunk_tokens=2)
    async with aclosing(backend.stream(ask())) as stream:
        await anext(stream)
    assert (backend.aborted, backend.generated_tokens) == (1, 2)
    await everything(backend, ask())
    assert backend.aborted == 1


async def test_a_cancelled_wait_counts_as_aborted() -> None:
    backend = ScriptedBackend(["a"], delay=30.0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(everything(backend, ask()), timeout=0.01)
    assert (backend.aborted, backend.prompt_tokens, backend.generated_tokens) == (1, 10, 0)


async def test_a_text_outside_the_choices_is_the_scripts_mistake() -> None:
    backend = ScriptedBackend(["yes", "perhaps"])
    request = Request(messages=ask().messages, max_tokens=4, choices=("yes", "no"))
    assert text_of(await deltas(backend, request)) == "yes"
    with pytest.raises(InvalidOption, match="'perhaps' where the request allows only yes, no"):
        await everything(backend, request)


async def test_an_empty_reply_still_finishes() -> None:
    (delta,) = await deltas(ScriptedBackend([""]), ask())
    assert (delta.text, delta.tokens, delta.finish) == ("", 0, "stop")


def test_contradictory_scripts_are_refused() -> None:
    with pytest.raises(InvalidOption, match="3 tokens has 1 logprobs"):
        Reply(text="a", tokens=3, logprobs=(-0.1,))
    with pytest.raises(InvalidOption, match="at least 1 token"):
        Reply(text="a", tokens=0)
    with pytest.raises(InvalidOption, match="got the string"):
        ScriptedBackend("a reply")
    with pytest.raises(InvalidOption, match="chunk_tokens"):
        ScriptedBackend(["a"], chunk_tokens=0)


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("  \n", 1), ("x = 4.", 4), ("a b\n", 3)])
def test_tokens_are_words_marks_and_trailing_space(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens
