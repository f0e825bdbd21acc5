"""When a failed request is made again, and after how long."""

from __future__ import annotations

import asyncio

import pytest

from its_agent.backends.protocol import Request
from its_agent.backends.retry import (
    FIRST_WAIT,
    LONGEST_WAIT,
    TRIES_BROKEN,
    TRIES_BUSY,
    insistent,
    next_try,
)
from its_agent.errors import BackendError, BackendLost, BackendRefused, BackendUnreachable

WAVE = Request(messages=({"role": "user", "content": "?"},), n=8, max_tokens=40)


def refused(status: int, retry_after: float | None = None) -> BackendRefused:
    return BackendRefused("no", status=status, retry_after=retry_after)


def wait(failure: BackendError, tries: int = 1) -> float:
    again = next_try(WAVE, failure, tries=tries, missing=8)
    assert again is not None
    return again.wait


@pytest.mark.parametrize("tries", [1, 2, 3, 4])
def test_waits_are_drawn_evenly_from_zero_to_twice_the_last_limit(tries: int) -> None:
    limit = FIRST_WAIT * 2**tries
    drawn = [wait(refused(503), tries) for _ in range(400)]
    assert 0 <= min(drawn) < 0.1 * limit
    assert 0.9 * limit < max(drawn) <= limit
    assert abs(sum(drawn) / len(drawn) - limit / 2) < 0.1 * limit


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 0.0), (2.5, 2.5), (-1.0, 0.0), (3600.0, 30.0)])
def test_a_server_says_how_long_but_not_for_ever(asked: float, waited: float) -> None:
    assert wait(refused(429, asked)) == waited <= LONGEST_WAIT


@pytest.mark.parametrize(
    ("failure", "most"),
    [
        (refused(429), TRIES_BUSY),
        (refused(503), TRIES_BUSY),
        (refused(500), TRIES_BROKEN),
        (BackendUnreachable("nothing answers"), TRIES_BROKEN),
        (BackendLost("gone"), 2),
        (refused(401), 1),
    ],
)
def test_tries_are_few(failure: BackendError, most: int) -> None:
    tries = 1
    while next_try(WAVE, failure, tries=tries, missing=8) is not None:
        tries += 1
    assert tries == most


async def test_what_costs_nothing_is_asked_again_while_the_server_is_busy() -> None:
    answers: list[BackendRefused | int] = [refused(503, 0.0), refused(429, 0.0), 7]

    async def count() -> int:
        answer = answers.pop(0)
        if isinstance(answer, int):
            return answer
        raise answer

    assert await insistent(count) == 7


async def test_what_costs_nothing_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    async def no_wait(seconds: float) -> None:
        asked.append(seconds)

    async def busy() -> int:
        raise refused(503)

    monkeypatch.setattr(asyncio, "sleep", no_wait)
    with pytest.raises(BackendRefused):
        await insistent(busy)
    assert len(asked) == TRIES_BUSY - 1
