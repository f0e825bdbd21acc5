"""What a request comes to: a problem, a budget, a strategy, and how the answer is wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

from its_agent.budget import Budget
from its_agent.errors import InvalidOption
from its_agent.integrations.gateway.chat_request import ChatRequest, FittingObject
from its_agent.integrations.gateway.options import GatewayOptions
from its_agent.integrations.gateway.refusal import Refusal, bad
from its_agent.integrations.gateway.tools import Tools, tools_of
from its_agent.policy import STRATEGIES
from its_agent.solution import Message, Problem
from its_agent.verifiers import JsonSchema

BUDGET_HEADER = "x-its-budget"
STRATEGY_HEADER = "x-its-strategy"
RECEIPT_HEADER = "x-its-receipt"
GREEDY = "single_pass"
_ANY_OBJECT: Mapping[str, Any] = {"type": "object"}
_UNTIMED = "patternProperties"
T = TypeVar("T", int, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request as a client wants it; None leaves a setting to the operator."""

    model: str
    problem: Problem
    choices: int
    """Answers that are wanted, each of a solve of its own."""
    budget: Budget
    """Of each of these solves."""
    strategy: str
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    stop: tuple[str, ...]
    tools: Tools | None
    stream: bool
    include_usage: bool
    receipt: bool
    user: str | None
    """A hash of who asks for it."""


def order_of(
    asked: ChatRequest, headers: Mapping[str, str], options: GatewayOptions, *, model: str
) -> Order:
    """Put together what body, headers and the model's name say; `model` is the one served.

    Raises Refusal, and InvalidInput for what is no problem.
    """
    suffix = _suffix(asked.model, model)
    strategy = _strategy(asked, headers, suffix, options)
    _check_greedy(asked, strategy)
    return Order(
        model=model,
        problem=Problem(_messages(asked), schema=_schema(asked)),
        choices=asked.n,
        budget=Budget(
            compute=_part(_budget(asked, headers, suffix, options), asked.n),
            seconds=options.seconds,
        ),
        strategy=strategy,
        temperature=asked.temperature,
        top_p=asked.top_p,
        max_tokens=_max_tokens(asked),
        stop=tuple(asked.stop),
        tools=tools_of(asked),
        stream=asked.stream,
        include_usage=_include_usage(asked),
        receipt=_wants_receipt(asked, headers),
        user=_hashed(asked.safety_identifier or asked.user),
    )


class _Suffix(NamedTuple):
    """What the name of the model says beside it."""

    budget: str | None = None
    strategy: str | None = None


def _suffix(asked: str, served: str) -> _Suffix:
    """Read what follows the name of the model, as in MODEL@4000 or MODEL@beam@4000."""
    if asked == served:
        return _Suffix()
    if not asked.startswith(f"{served}@"):
        raise Refusal(
            404,
            f"model: there is no model {asked[:128]!r}; this gateway serves {served!r}, and takes "
            f"a budget or a strategy with the name: {served}@4000",
            code="model_not_found",
            param="model",
        )
    parts = asked.removeprefix(f"{served}@").split("@")
    numbers = [part for part in parts if part[:1].isdigit()]
    names = [part for part in parts if part not in numbers]
    if len(numbers) > 1 or len(names) > 1:
        raise bad("model", "a model's name takes one budget and one strategy, each after an @")
    return _Suffix(*(next(iter(told), None) for told in (numbers, names)))


def _budget(
    asked: ChatRequest, headers: Mapping[str, str], suffix: _Suffix, options: GatewayOptions
) -> int:
    told: dict[str, int] = {}
    if asked.max_compute_budget is not None:
        told["max_compute_budget"] = asked.max_compute_budget
    if (header := headers.get(BUDGET_HEADER)) is not None:
        told["X-ITS-Budget"] = _units(header, "X-ITS-Budget")
    if suffix.budget is not None:
        told["model"] = _units(suffix.budget, "model")
    named, budget = _only("budget", told) or ("", options.default_budget)
    if budget > options.most_compute:
        raise bad(
            named,
            f"a budget of {budget:,} compute units is asked for, and this gateway allows at most "
            f"{options.most_compute:,}",
            code="budget_too_large",
        )
    return budget


def _part(budget: int, choices: int) -> int:
    if budget < choices:
        raise bad(
            "n",
            f"{choices} answers are to share {budget} compute units; ask for fewer, or raise "
            "max_compute_budget",
        )
    return budget // choices


def _units(text: str, param: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) > 0):
        raise bad(param, f"a budget is a whole number of compute units above 0, got {text[:64]!r}")
    return int(text)


def _strategy(
    asked: ChatRequest, headers: Mapping[str, str], suffix: _Suffix, options: GatewayOptions
) -> str:
    told: dict[str, str] = {}
    if asked.strategy is not None:
        told["strategy"] = asked.strategy
    if (header := headers.get(STRATEGY_HEADER)) is not None:
        told["X-ITS-Strategy"] = header
    if suffix.strategy is not None:
        told["model"] = suffix.strategy
    named, strategy = _only("strategy", told) or ("", options.strategy)
    allowed = options.strategies or tuple(STRATEGIES)
    if strategy not in allowed:
        raise bad(
            named,
            f"there is no strategy {strategy[:64]!r} here; allowed: {', '.join(allowed)}",
            code="unknown_strategy",
        )
    return strategy


def _only(what: str, told: Mapping[str, T]) -> tuple[str, T] | None:
    """The value, and the name of what tells it; None where nothing does."""
    if len(set(told.values())) > 1:
        raise bad(
            next(iter(told)), f"the {what} is told twice, by {' and by '.join(told)}; tell it once"
        )
    return next(iter(told.items()), None)


def _check_greedy(asked: ChatRequest, strategy: str) -> None:
    if strategy == GREEDY and asked.temperature:
        raise bad(
            "temperature",
            f"{GREEDY} takes one greedy sample; leave temperature out, or take another strategy",
        )


def _messages(asked: ChatRequest) -> list[Message]:
    return [
        said.model_dump(exclude_none=True)
        | {"role": "system" if said.role == "developer" else said.role}
        for said in asked.messages
    ]


def _schema(asked: ChatRequest) -> Mapping[str, Any] | None:
    wanted = asked.response_format
    if wanted is None:
        return None
    if not isinstance(wanted, FittingObject):
        return _ANY_OBJECT
    schema = wanted.json_schema.schema_
    param = "response_format.json_schema.schema"
    if _holds(schema, _UNTIMED):
        raise bad(param, f"{_UNTIMED} is not supported, as nothing limits the time it takes")
    try:
        JsonSchema(schema)
    except InvalidOption as error:
        raise bad(param, str(error)) from None
    return schema


def _holds(value: object, keyword: str) -> bool:
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return keyword in fields or any(_holds(one, keyword) for one in fields.values())
    if isinstance(value, list):
        return any(_holds(one, keyword) for one in cast("list[object]", value))
    return False


def _max_tokens(asked: ChatRequest) -> int | None:
    told = (asked.max_completion_tokens, asked.max_tokens)
    if None not in told and told[0] != told[1]:
        raise bad("max_tokens", "it is not what max_completion_tokens says; tell it once")
    return told[0] if told[0] is not None else told[1]


def _include_usage(asked: ChatRequest) -> bool:
    if asked.stream_options is not None and not asked.stream:
        raise bad("stream_options", "it is for streams; set stream, or leave it out")
    return asked.stream_options is not None and bool(asked.stream_options.include_usage)


def _wants_receipt(asked: ChatRequest, headers: Mapping[str, str]) -> bool:
    told = headers.get(RECEIPT_HEADER, "0").lower()
    if told not in ("0", "1", "true", "false"):
        raise bad("X-ITS-Receipt", f"it is 0, 1, true or false, got {told[:64]!r}")
    return asked.receipt or told in ("1", "true")


def _hashed(user: str | None) -> str | None:
    return hashlib.blake2b(user.encode(), digest_size=6).hexdigest() if user else None
