"""An agent's variant differs in what is given, and shares the rest."""

from __future__ import annotations

import pytest

from its_agent import Agent
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import InvalidOption, UnknownStrategy
from its_agent.verifiers import AnswerCheck

QUESTION = "What is 17 + 25?"


def replies() -> ScriptedBackend:
    return ScriptedBackend(lambda request, index: Reply(text=r"It is \boxed{42}."))


async def test_a_variant_has_the_settings_that_are_given_and_else_those_of_its_agent() -> None:
    backend = replies()
    agent = Agent(backend, strategy="self_consistency", max_tokens=40, temperature=0.4, top_p=0.8)
    warm = agent.variant(temperature=0.9)
    await warm.asolve(QUESTION, max_compute_budget=120)
    await agent.asolve(QUESTION, max_compute_budget=120)
    first, *_, last = backend.requests
    assert (first.temperature, first.top_p, first.max_tokens) == (0.9, 0.8, 40)
    assert (last.temperature, last.top_p, last.max_tokens) == (0.4, 0.8, 40)


async def test_a_variant_of_another_strategy_keeps_the_checks_of_its_agent() -> None:
    agent = Agent(replies(), verifiers=[AnswerCheck(lambda answer: answer == "42", name="is 42")])
    solution = await agent.variant(strategy="single_pass").asolve(QUESTION)
    assert solution.status == "verified"
    assert len(solution.candidates) == 1


async def test_a_variant_may_have_another_backend() -> None:
    agent, other = Agent(replies()), replies()
    variant = agent.variant(backend=other, strategy="single_pass")
    await variant.asolve(QUESTION)
    assert len(other.requests) == 1
    assert variant.backend is other
    assert agent.backend is not other


def test_a_variant_is_checked_as_an_agent_is() -> None:
    agent = Agent(replies())
    with pytest.raises(UnknownStrategy):
        agent.variant(strategy="magic")
    with pytest.raises(InvalidOption):
        agent.variant(temperature=3.0)
