"""What the gateway says of itself holds: schemathesis asks what it describes, and more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from gateway_server import gateway_at
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import DataObject, data, lists, sampled_from

from its_agent.backends.scripted import Reply, ScriptedBackend

# Its types leave some arguments open; through import_module they are Any to the type checkers.
schemathesis: Any = import_module("schemathesis")
checks: Any = import_module("schemathesis.checks")
conformance: Any = import_module("schemathesis.specs.openapi.checks")
POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
UNBROKEN = [
    checks.not_a_server_error,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_schema_conformance,
]
CHAT_PATH = "/v1/chat/completions"
NAMED = {"model": "scripted", "strategy": "single_pass"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with gateway_at(ScriptedBackend(lambda request, index: Reply(text="42"))) as address:
        yield address


def asking(url: str, path: str, mode: Any) -> Any:
    """Strategy of requests to a page."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    method = "POST" if path == CHAT_PATH else "GET"
    return schema[path][method].as_strategy(generation_mode=mode)


def few(examples: int) -> settings:
    """The same cases in every run: how many of them are answered is looked at."""
    return settings(
        derandomize=True,
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


@pytest.mark.timeout(300)
def test_what_it_describes_is_answered_or_refused_as_described(url: str) -> None:
    statuses: Counter[int] = Counter()

    @few(60)
    @given(case=asking(url, CHAT_PATH, POSITIVE), data=data())
    def ask(case: Any, data: DataObject) -> None:
        # Of all parameters at once some exclude others; a model's name and a question cannot be
        # guessed.
        names = sorted(case.body.keys() - NAMED.keys())
        chosen = data.draw(lists(sampled_from(names), max_size=2, unique=True))
        said: list[Any] = case.body["messages"] if "messages" in chosen else []
        case.body = {name: case.body[name] for name in chosen} | NAMED
        case.body["messages"] = [*said, {"role": "user", "content": "What is 17 + 25?"}]
        answer = case.call_and_validate(checks=UNBROKEN)
        statuses[answer.status_code] += 1

    ask()
    assert min(statuses[200], statuses[400]) > 10
    assert statuses.keys() == {200, 400}


@pytest.mark.timeout(300)
def test_what_it_does_not_describe_is_refused(url: str) -> None:
    @few(80)
    @given(case=asking(url, CHAT_PATH, NEGATIVE))
    def ask(case: Any) -> None:
        case.call_and_validate(checks=[*UNBROKEN, conformance.negative_data_rejection])

    ask()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/{model}", "/health", "/metrics"])
def test_the_other_pages_are_as_described(url: str, path: str) -> None:
    @few(10)
    @given(case=asking(url, path, POSITIVE))
    def ask(case: Any) -> None:
        case.call_and_validate(checks=UNBROKEN)

    ask()
