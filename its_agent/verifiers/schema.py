"""Whether an answer is JSON that fits a schema."""

from __future__ import annotations

import importlib
import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, cast

from its_agent.errors import InvalidOption
from its_agent.normal_form import whole
from its_agent.verifiers.protocol import Result

# The libraries have no types; through import_module they are Any to the type checkers.
jsonschema: Any = importlib.import_module("jsonschema")
regex: Any = importlib.import_module("regex")
_SPECIFICATIONS: Any = importlib.import_module("jsonschema_specifications").REGISTRY
_UNRESOLVABLE: Any = importlib.import_module("referencing.exceptions").Unresolvable

MAX_CHARACTERS = 200_000
"""Longer answers are not looked at."""
MAX_REASON = 300
_ERRORS_COMPARED = 20

Keyword = Callable[[Any, Any, Any, Any], "Iterator[Any] | None"]


class JsonSchema:
    """Fails an answer that is not JSON or does not fit the schema.

    One that fits is "unknown", as its form says nothing of its content; with `proves` it passes.
    One that takes more than `seconds` of processor time is "unknown" too, but patterns of property
    names are not interrupted. A schema that refers to what it does not hold is "broken": nothing
    is fetched. Raises InvalidOption for what is not a schema.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        *,
        proves: bool = False,
        seconds: float = 0.2,
        name: str = "schema",
    ) -> None:
        self._name = name
        self._proves = proves
        self._seconds = seconds
        self._clock = _Clock()
        self._validator = _validator(schema, self._clock)

    @property
    def name(self) -> str:
        """What reasons call it."""
        return self._name

    def check(self, answer: str) -> Result:
        """Read the answer and hold it against the schema."""
        return self._judged(answer)[0]

    def explain(self, answer: str) -> str | None:
        """Say what does not fit, and where."""
        return self._judged(answer)[1]

    def _judged(self, answer: str) -> tuple[Result, str | None]:
        if len(answer) > MAX_CHARACTERS:
            return "unknown", None
        try:
            value = _read(answer)
            fault = self._fault(value)
        except _NotJson as error:
            return "fail", f"it is not JSON: {error}"
        except (_OutOfTime, RecursionError, OverflowError):
            return "unknown", None
        except (_UNRESOLVABLE, regex.error, re.error):
            return "broken", None
        if fault is not None:
            return "fail", fault
        return ("pass" if self._proves else "unknown"), None

    def _fault(self, value: object) -> str | None:
        self._clock.start(self._seconds)
        errors = islice(self._validator.iter_errors(value), _ERRORS_COMPARED)
        worst = jsonschema.exceptions.best_match(errors)
        if worst is None:
            return None
        return f"at {worst.json_path}: {_shortened(worst.message)}"


class _NotJson(Exception):
    """The answer is no JSON text; the message says why."""


class _OutOfTime(Exception):
    """The schema asks for more work than there is time for."""


class _Clock:
    """When the check under way has to end."""

    def __init__(self) -> None:
        self._until = math.inf

    def start(self, seconds: float) -> None:
        self._until = time.thread_time() + seconds

    def check(self) -> float:
        """Tell the seconds that are left. Raises _OutOfTime."""
        left = self._until - time.thread_time()
        if left <= 0:
            raise _OutOfTime
        return left


def _validator(schema: Mapping[str, Any], clock: _Clock) -> Any:
    if not isinstance(schema, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidOption(f"a JSON schema is a mapping, got {schema!r}")
    latest = jsonschema.validators.Draft202012Validator
    known = jsonschema.validators.validator_for(schema, default=latest)
    try:
        known.check_schema(schema)
    except jsonschema.exceptions.SchemaError as error:
        raise InvalidOption(
            f"not a JSON schema at {error.json_path}: {_shortened(error.message)}"
        ) from error
    keywords = known.VALIDATORS | {"pattern": _pattern(clock), "uniqueItems": _unique_items}
    timed = {name: _timed(keyword, clock) for name, keyword in keywords.items()}
    # With a registry of its own a validator never fetches what a schema refers to.
    return jsonschema.validators.extend(known, timed)(schema, registry=_SPECIFICATIONS)


def _timed(keyword: Keyword, clock: _Clock) -> Keyword:
    def checked(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        clock.check()
        yield from keyword(validator, value, instance, schema) or ()

    return checked


def _pattern(clock: _Clock) -> Keyword:
    def pattern(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if not isinstance(instance, str):
            return
        try:
            found = regex.search(wanted, instance, timeout=clock.check())
        except TimeoutError as error:
            raise _OutOfTime from error
        if found is None:
            message = f"{_shortened(repr(instance))} does not match {wanted!r}"
            yield jsonschema.exceptions.ValidationError(message)

    return pattern


def _unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """The library's own compares every two items of a mixed list."""
    if wanted and isinstance(instance, list):
        items = cast("list[object]", instance)
        if len({json.dumps(whole(item), sort_keys=True) for item in items}) < len(items):
            message = f"{_shortened(repr(items))} has non-unique elements"
            yield jsonschema.exceptions.ValidationError(message)


def _read(answer: str) -> Any:
    try:
        return json.loads(answer, parse_constant=_no_constant, parse_float=_finite)
    except ValueError as error:
        raise _NotJson(str(error)) from error


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON value")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{_shortened(digits)} is too large a number")
    return value


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]}…"
