"""Problems of the Berkeley Function-Calling Leaderboard: what may be called, and what is right.

A reference answer lists, for each argument, the values that are allowed; an empty text among them
says that the argument may be left out. Rules of the leaderboard's check of single calls (Patil et
al., 2025): the function and all its required arguments, no argument that is not in the answer,
values of the right type, texts compared without case, blanks and punctuation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": None}
"""What the leaderboard writes for JSON Schema's types; None where it has no word for one."""
_IGNORED = re.compile(r"[ ,./\-_*^]")
_MAY_BE_LEFT_OUT = ""


def told(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A function as a model is told of it, in the OpenAI form."""
    if tool.get("type") == "function":
        return dict(tool)
    return {"type": "function", "function": _in_json_schema(tool)}


def called_right(answer: str | None, gold: str) -> bool:
    """Whether an answer calls what the reference does; of a reference without calls, whether it
    calls nothing and says something."""
    expected, made = _read(gold) or [], _read(answer)
    if not expected:
        return answer is not None and made is None
    if made is None or len(made) != len(expected):
        return False
    return all(_same_call(one, allowed) for one, allowed in zip(made, expected, strict=True))


def _read(text: str | None) -> list[dict[str, Any]] | None:
    """A list of objects, which an answer is if it makes calls."""
    try:
        value: object = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    objects = [cast("dict[str, Any]", one) for one in items if isinstance(one, dict)]
    return objects if len(objects) == len(items) else None


def _same_call(made: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    (name, allowed), *_ = expected.items()
    given: Mapping[str, Any] = made.get("arguments") or {}
    if made.get("name") != name or given.keys() - allowed.keys():
        return False
    return all(_allowed(given, argument, values) for argument, values in allowed.items())


def _allowed(given: Mapping[str, Any], name: str, values: Sequence[object]) -> bool:
    if name not in given:
        return _MAY_BE_LEFT_OUT in values
    return any(_equal(given[name], value) for value in values)


def _equal(value: Any, allowed: Any) -> bool:
    """A whole number may stand for another kind of number, and not the other way round."""
    kinds = _kind(value), _kind(allowed)
    if kinds == (dict, dict):
        known = not value.keys() - allowed.keys()
        return known and all(_allowed(value, key, values) for key, values in allowed.items())
    if kinds == (list, list):
        same_length = len(value) == len(allowed)
        return same_length and all(map(_equal, value, allowed))
    if kinds == (str, str):
        return _plain(value) == _plain(allowed)
    return bool(value == allowed) and (kinds == (int, float) or kinds[0] is kinds[1])


def _kind(value: object) -> type[object]:
    return type(value)


def _plain(text: str) -> str:
    return _IGNORED.sub("", text).lower().replace("'", '"')


def _in_json_schema(part: Any) -> Any:
    """The same with JSON Schema's names of types."""
    if isinstance(part, list):
        return [_in_json_schema(one) for one in cast("list[object]", part)]
    if not isinstance(part, dict):
        return part
    members = {key: _in_json_schema(value) for key, value in cast("dict[str, Any]", part).items()}
    kind = members.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        return members
    named = _TYPES[kind]
    rest = {key: value for key, value in members.items() if key != "type"}
    return rest if named is None else {"type": named, **rest}
