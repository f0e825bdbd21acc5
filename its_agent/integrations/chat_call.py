"""What one call of the chat model asks for: every parameter is used, or refused by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from langchain_core.messages import BaseMessage

from its_agent.backends.langchain import LangChainBackend
from its_agent.backends.protocol import Backend, Request
from its_agent.backends.sampling import SAMPLING_SETTINGS, checked_sampling
from its_agent.budget import Budget
from its_agent.calling.turn import request_with_tools
from its_agent.calling.votes import Called
from its_agent.errors import InvalidOption
from its_agent.integrations.chat_messages import problem_messages
from its_agent.integrations.stops import cut
from its_agent.policy.fixed import Once, SearchOnly, ThinkOnly
from its_agent.policy.strategy import Strategy
from its_agent.solution import Problem
from its_agent.solver import Solver
from its_agent.within import within

OWN = (
    "max_completion_tokens",
    "max_compute_budget",
    "max_tokens",
    "model",
    "n",
    "parallel_tool_calls",
    "response_format",
    "stream",
    "temperature",
    "timeout",
    "tool_choice",
    "tools",
    "top_p",
)
"""Parameters of a call beside vLLM's own sampling settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCall:
    """One call, ready to be solved."""

    solver: Solver
    problem: Problem
    budget: Budget
    tools: Request | None = None
    """The request for a sample, where tools can be called."""
    stop: tuple[str, ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether one sample's text is the answer's, so that it can be shown while it is made."""
        return isinstance(self.solver.strategy.policy, Once) and self.problem.schema is None


def read_call(
    solver: Solver,
    messages: Sequence[BaseMessage],
    *,
    budget: Budget,
    stop: Sequence[str],
    parameters: Mapping[str, Any],
) -> ChatCall:
    """Read a call. Raises InvalidOption, which names the parameter, or InvalidProblem."""
    given = {name: value for name, value in parameters.items() if value is not None}
    _refuse_unknown(given)
    stops = _checked_stop(stop, solver.strategy)
    tuned = _tuned(solver, given, stops)
    plain = problem_messages(messages)
    schema = _schema(given.get("response_format"), tuned.backend)
    problem = Problem(plain, schema=schema)
    request = _with_tools(tuned, problem, given)
    return ChatCall(
        solver=tuned,
        problem=problem,
        budget=_budget(budget, given),
        tools=request,
        stop=stops,
    )


def content_of(asked: ChatCall, called: Called) -> str:
    """The answer's text: before a stop string, and of a schema's answer its JSON alone."""
    solution = called.solution
    if asked.problem.schema is not None and solution.answer is not None:
        return solution.answer
    return cut(solution.text, asked.stop)


def limited(budget: Budget, seconds: float | None) -> Budget:
    """The budget with a time limit, where that is the tighter one."""
    if seconds is None:
        return budget
    at_most = within("timeout", seconds, 1e-3, 1e9)
    return replace(budget, seconds=min(at_most, budget.seconds or at_most))


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    further = {name: value for name, value in given.items() if name not in OWN}
    checked_sampling(further)
    if given.get("n", 1) != 1:
        raise InvalidOption(f"n must be 1, got {given['n']!r}: how many samples is for the budget")
    if "tools" not in given:
        for name in ("tool_choice", "parallel_tool_calls"):
            if name in given:
                raise InvalidOption(f"{name} was given without tools; bind tools first")


def _checked_stop(stop: Sequence[str], strategy: Strategy) -> tuple[str, ...]:
    stops = tuple(stop)
    if any(not one for one in stops):
        raise InvalidOption(f"stop must be a list of texts that are not empty, got {stop!r}")
    if stops and isinstance(strategy.policy, (SearchOnly, ThinkOnly)):
        raise InvalidOption(
            f"stop: the strategy {strategy.name!r} cuts solutions itself; leave stop out, or use "
            "a strategy that takes whole samples"
        )
    return stops


def _tuned(solver: Solver, given: Mapping[str, Any], stop: tuple[str, ...]) -> Solver:
    """The solver with the settings of one call."""
    settings, strategy = solver.settings, solver.strategy
    sampling = {name: value for name, value in given.items() if name in SAMPLING_SETTINGS}
    longest = _longest(given, settings.max_tokens)
    temperature = sampling.pop("temperature", None)
    if temperature is not None:
        strategy = at_given_temperature(strategy)
    return replace(
        solver,
        strategy=strategy,
        settings=replace(
            settings,
            max_tokens=int(within("max_tokens", longest, 1, 1 << 20)),
            temperature=settings.temperature
            if temperature is None
            else within("temperature", temperature, 0.0, 2.0),
            top_p=within("top_p", given.get("top_p", settings.top_p), 0.01, 1.0),
            stop=stop,
            sampling={**settings.sampling, **sampling},
        ),
    )


def _longest(given: Mapping[str, Any], usual: int) -> Any:
    told = [given[name] for name in ("max_completion_tokens", "max_tokens") if name in given]
    if len(told) == 2 and told[0] != told[1]:
        raise InvalidOption(
            f"max_tokens {told[1]!r} is not what max_completion_tokens says, {told[0]!r}; give one"
        )
    return told[0] if told else usual


def at_given_temperature(strategy: Strategy) -> Strategy:
    """A single pass is greedy unless its temperature is named; of several samples the first one
    stays greedy where the strategy says so."""
    if not isinstance(strategy.policy, Once):
        return strategy
    return replace(strategy, policy=replace(strategy.policy, greedy=False))


def _schema(response_format: object, backend: Backend) -> Mapping[str, Any] | None:
    if response_format is None:
        return None
    form = cast("Mapping[str, Any]", response_format if isinstance(response_format, dict) else {})
    if form.get("type") == "text":
        return None
    if isinstance(backend, LangChainBackend):
        raise InvalidOption(
            "response_format: a LangChain chat model cannot be held to a schema in a way that all "
            "of them share; use with_structured_output(…, method='function_calling')"
        )
    if form.get("type") == "json_object":
        return {"type": "object"}
    schema: object = form.get("json_schema", {}).get("schema")
    if form.get("type") != "json_schema" or not isinstance(schema, dict):
        raise InvalidOption(
            "response_format must be of type 'text', 'json_object', or 'json_schema' with a "
            f"schema, got {response_format!r}"
        )
    return cast("dict[str, Any]", schema)


def _with_tools(solver: Solver, problem: Problem, given: Mapping[str, Any]) -> Request | None:
    tools = tuple(given.get("tools") or ())
    if not tools:
        return None
    if problem.schema is not None:
        raise InvalidOption("response_format cannot be combined with tools; ask for one of them")
    return request_with_tools(
        solver,
        problem,
        tools,
        tool_choice=given.get("tool_choice"),
        parallel_calls=given.get("parallel_tool_calls"),
    )


def _budget(budget: Budget, given: Mapping[str, Any]) -> Budget:
    asked = given.get("max_compute_budget")
    return limited(budget if asked is None else Budget.of(asked), given.get("timeout"))
