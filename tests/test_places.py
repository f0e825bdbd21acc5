"""Runs that would only wait further on wait before they begin."""

from __future__ import annotations

import asyncio

import pytest
from scripted_server import Quirk, served

from its_agent import Agent, Budget
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.backends.vllm import VLLMBackend
from its_agent.errors import SolveFailed
from its_agent.places import Places

EGGS = "How many eggs are there in 3 boxes of 6?"


async def test_no_more_than_the_places_are_inside_and_the_first_come_are_the_first_served() -> None:
    places, inside, order = Places(), 0, list[int]()

    async def visit(number: int) -> None:
        nonlocal inside
        async with places.taken(3):
            inside += 1
            assert inside <= 3
            order.append(number)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*map(visit, range(20)))
    assert order == list(range(20))


async def test_who_is_inside_already_needs_no_second_place_and_neither_do_his_tasks() -> None:
    places, other = Places(), Places()
    async with asyncio.timeout(1), places.taken(1):
        async with places.taken(1), other.taken(1):
            pass

        async def inner() -> None:
            async with places.taken(1):
                pass

        await asyncio.create_task(inner())


async def test_a_place_comes_free_whatever_ends_the_visit() -> None:
    places = Places()

    async def fail() -> None:
        async with places.taken(1):
            raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        await fail()
    waiting = asyncio.create_task(fail())
    async with places.taken(1):
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    async with asyncio.timeout(1), places.taken(1):
        pass


def test_a_deadline_holds_for_those_who_wait_for_a_place() -> None:
    backend = ScriptedBackend(lambda r, i: Reply(text="\\boxed{18}", tokens=20))

    async def two(url: str) -> SolveFailed:
        async with Agent(VLLMBackend(url, max_concurrency=1), strategy="single_pass") as agent:
            first = asyncio.create_task(agent.asolve(EGGS, max_compute_budget=500))
            await asyncio.sleep(0.3)
            with pytest.raises(SolveFailed) as caught:
                await agent.asolve(EGGS, max_compute_budget=Budget(compute=500, seconds=0.2))
            assert (await first).answer == "18"
            assert (await agent.asolve(EGGS, max_compute_budget=500)).answer == "18"
        return caught.value

    with served(backend, quirk=Quirk(slow=1.0)) as url:
        failed = asyncio.run(two(url))
    assert failed.receipt.stopped_because == "deadline"
    assert failed.receipt.spent.requests == 0
