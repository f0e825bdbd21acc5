"""Inputs for programs: the calls in given tests, and mutations of their arguments."""

from __future__ import annotations

import ast
import builtins
import math
import random
import re
import string
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, cast

Collection: TypeAlias = list[object] | tuple[object, ...] | set[object] | dict[object, object]

MAX_CHARACTERS = 10_000
"""Longer tests are not read."""
MAX_DEPTH = 50
"""Nor are those with expressions nested deeper than this."""
_TRIES = 20
"""Mutations tried for each one wanted: many are equal."""
_DOCTEST = re.compile(r"(?m)^\s*>>> (.+)$")
_ASSERTION = re.compile(r"(?m)^\s*(assert .+)$")


def mutated_calls(tests: Sequence[str], count: int, *, seed: int = 0) -> tuple[str, ...]:
    """The calls in the tests, then mutations of them, `count` in all where there are so many.

    AlphaCode (arXiv 2203.07814) makes inputs so, without a model: numbers a little up or down,
    characters swapped or changed. Arguments that are no literals stay. The same tests and seed
    make the same calls.
    """
    calls = calls_of(tests)
    made = dict.fromkeys(calls)
    chance = random.Random(seed)
    for _ in range(_TRIES * count if calls else 0):
        if len(made) >= count:
            break
        made[_mutated(chance.choice(calls), chance)] = None
    return tuple(made)[:count]


def calls_of(tests: Sequence[str]) -> list[str]:
    """What the tests compare with a value: `f(1)` in `assert f(1) == 2`, `set(f(1))` in
    `assert set(f(1)) == {2}`. A test that calls no function of the program has none."""
    return [ast.unparse(subject) for test in tests for subject in _subjects(test)]


def examples_in(text: str) -> tuple[str, ...]:
    """The tests in a problem's text: assertions, and the calls of doctests."""
    found = [*_ASSERTION.findall(text), *_DOCTEST.findall(text)]
    return tuple(dict.fromkeys(line.strip() for line in found))


def assertions_in(text: str) -> tuple[str, ...]:
    """The lines of a text that are assertions on a function of the program, each once."""
    found = [
        ast.unparse(statement)
        for line in _ASSERTION.findall(text)
        for statement in parsed(line)
        if isinstance(statement, ast.Assert) and called(statement.test) is not None
    ]
    return tuple(dict.fromkeys(found))


def parsed(source: str) -> list[ast.stmt]:
    """The statements of a text; none where it is no Python, too long, or nested too deep."""
    if len(source) > MAX_CHARACTERS:
        return []
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return tree.body if _depth(tree) <= MAX_DEPTH else []


def called(expression: ast.AST) -> ast.Call | None:
    """The first call of a function that the program must define."""
    for node in ast.walk(expression):
        match node:
            case ast.Call(func=ast.Name(id=name)) if not hasattr(builtins, name):
                return node
            case _:
                continue
    return None


def _subjects(test: str) -> Iterator[ast.expr]:
    for statement in parsed(test):
        if isinstance(statement, ast.Assert):
            subject = _compared(statement.test)
        elif isinstance(statement, ast.Expr):
            subject = statement.value
        else:
            continue
        if called(subject) is not None:
            yield subject


def _compared(test: ast.expr) -> ast.expr:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    if isinstance(test, ast.Compare):
        sides = [side for side in (test.left, *test.comparators) if called(side) is not None]
        return sides[0] if sides else test
    return test


def _depth(tree: ast.AST) -> int:
    level, depth = [tree], 0
    while level:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return depth


def _mutated(source: str, chance: random.Random) -> str:
    """The expression with one or two literal arguments of its call changed."""
    subject = ast.parse(source, mode="eval")
    call = called(subject)
    assert call is not None
    literal = [i for i, argument in enumerate(call.args) if _literal(argument) is not None]
    for i in chance.sample(literal, min(len(literal), chance.randint(1, 2))):
        value = mutated_value(ast.literal_eval(call.args[i]), chance)
        call.args[i] = ast.parse(repr(value), mode="eval").body
    return ast.unparse(subject)


def _literal(argument: ast.expr) -> object:
    """The value of an argument that can be written down again; else None."""
    try:
        value = ast.literal_eval(argument)
        written = ast.literal_eval(repr(value))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return value if written == value else None


def mutated_value(value: Any, chance: random.Random) -> Any:
    """A value of the same type that is a little different, most of the time."""
    match value:
        case bool():
            return not value
        case int():
            return value + chance.choice((-3, -2, -1, 1, 2, 3, -value))
        case float():
            moved = value + chance.choice((-1.0, -0.5, 0.5, 1.0, -value))
            return moved if math.isfinite(moved) else value
        case str():
            return "".join(_rearranged(list(value), chance, _letter))
        case list() | tuple() | set() | dict():
            return _mutated_collection(cast("Collection", value), chance)
        case _:
            return value


def _mutated_collection(value: Collection, chance: random.Random) -> Collection:
    if isinstance(value, dict):
        return {key: mutated_value(item, chance) for key, item in value.items()}
    # A tuple is often a record: it keeps its length.
    items = sorted(value, key=repr) if isinstance(value, set) else list(value)
    changed = _rearranged(items, chance, mutated_value, fixed=isinstance(value, tuple))
    return type(value)(changed)


def _rearranged(
    items: list[Any],
    chance: random.Random,
    change: Callable[[Any, random.Random], Any],
    *,
    fixed: bool = False,
) -> list[Any]:
    """The items with one changed, dropped, said twice or moved; `fixed` in number changes one."""
    if not items:
        return items
    i, j = chance.randrange(len(items)), chance.randrange(len(items))
    match "change" if fixed else chance.choice(("change", "drop", "repeat", "swap")):
        case "change":
            return [*items[:i], change(items[i], chance), *items[i + 1 :]]
        case "drop":
            return [*items[:i], *items[i + 1 :]]
        case "repeat":
            return [*items[:i], items[i], *items[i:]]
        case _:
            swapped = list(items)
            swapped[i], swapped[j] = items[j], items[i]
            return swapped


def _letter(mark: str, chance: random.Random) -> str:
    """Another character of the same kind, where the kind is known."""
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
    return chance.choice(next((kind for kind in kinds if mark in kind), mark))
