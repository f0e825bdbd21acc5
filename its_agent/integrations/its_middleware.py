"""ITSMiddleware: an agent's model calls are sampled until their vote is decided."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import add_usage

from its_agent.budget import Usage
from its_agent.errors import BudgetExceeded
from its_agent.graphs.state import flat
from its_agent.integrations.agents import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from its_agent.integrations.budget_middleware import BudgetMiddleware
from its_agent.integrations.message_usage import (
    RECEIPT,
    expected_prompt,
    next_call,
    usage_of_answers,
)
from its_agent.integrations.message_votes import Vote, question_in, vote
from its_agent.integrations.unheard import unheard
from its_agent.within import within

Request: TypeAlias = ModelRequest[Any]
Response: TypeAlias = ModelResponse[Any]

SHARE = 0.25
"""Part of what a run has left that one call may use, where it has a budget."""
TYPICAL_ANSWER = 100
"""Tokens of an answer, before the first one is known."""


@dataclass(slots=True, kw_only=True)
class _Drawn:
    """The candidates of one call so far."""

    question: str
    prompt: int
    responses: list[Response] = field(default_factory=list[Response])
    refused: bool = False
    """The run's budget pays for no other candidate."""

    @property
    def answers(self) -> list[AIMessage]:
        """What each candidate says."""
        return [_answer_of(response) for response in self.responses]

    @property
    def usage(self) -> Usage:
        """What all of them have used."""
        each = [usage_of_answers(one.result, prompt=self.prompt) for one in self.responses]
        return sum(each, Usage())

    @property
    def vote(self) -> Vote:
        """Where their vote stands."""
        return vote(self.answers, self.question)


class ITSMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Draws several candidates for each model call of `create_agent`, and goes on with the one that
    most of them agree on: the same tools with the same arguments, or the same final answer.

    As many candidates are drawn as could decide the vote, then more while it is open, up to `most`;
    `confidence` is the Beta lead at which it is decided, so that three of the same are enough at
    .9. The first candidate is taken as the model is set, the others at `temperature`, or as the
    model is set for None. `max_compute_budget` is in tokens of one call of the model;
    `budget` is the BudgetMiddleware of the same agent, to be listed after this one: then every
    candidate is charged, and one call takes at most a quarter of what the run has left. Streams
    show only the answer that is chosen; its usage is that of all candidates.
    """

    def __init__(
        self,
        *,
        most: int = 8,
        confidence: float = 0.9,
        temperature: float | None = 0.8,
        max_compute_budget: int | None = None,
        budget: BudgetMiddleware | None = None,
    ) -> None:
        """Raises InvalidOption."""
        super().__init__()
        self._most = int(within("most", most, 1, 64))
        self._confidence = within("confidence", confidence, 0.5, 0.999)
        self._warm = (
            {} if temperature is None else {"temperature": within("temperature", temperature, 0, 2)}
        )
        self._limit = (
            None
            if max_compute_budget is None
            else within("max_compute_budget", max_compute_budget, 1, 1e12)
        )
        self._budget = budget

    def wrap_model_call(self, request: Request, handler: Callable[[Request], Response]) -> Response:
        """Draw candidates side by side, in threads, until their vote is decided."""
        drawn = _begun(request)
        with ThreadPoolExecutor(self._most, thread_name_prefix="its_candidate") as threads:
            while asked := self._next(request, drawn):
                calls = [threads.submit(unheard().run, handler, one) for one in asked]
                _take(drawn, [call.exception() or call.result() for call in calls])
        return _chosen(drawn)

    async def awrap_model_call(
        self, request: Request, handler: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Draw candidates side by side until their vote is decided."""
        drawn = _begun(request)
        loop = asyncio.get_running_loop()
        while asked := self._next(request, drawn):
            calls = [loop.create_task(_made(handler, one), context=unheard()) for one in asked]
            _take(drawn, await asyncio.gather(*calls, return_exceptions=True))
        return _chosen(drawn)

    def _next(self, request: Request, drawn: _Drawn) -> list[Request]:
        """The requests of the next wave; none once the vote is decided or nothing more is paid."""
        there = len(drawn.responses)
        standing = drawn.vote
        if drawn.refused or there >= self._most or standing.lead >= self._confidence:
            return []
        wanted = min(standing.missing(self._confidence, self._most), self._most - there)
        paid = self._affordable(request, drawn)
        wave = max(min(wanted, paid), 0 if there else 1)
        warm = request.override(model_settings={**request.model_settings, **self._warm})
        return [request if there + place == 0 else warm for place in range(wave)]

    def _affordable(self, request: Request, drawn: _Drawn) -> int:
        """How many further candidates the call's budget pays for."""
        limits = [] if self._limit is None else [self._limit - drawn.usage.compute]
        left = self._budget.left(request.state).compute if self._budget else None
        if left is not None:
            limits.append(SHARE * (left + drawn.usage.compute) - drawn.usage.compute)
        if not limits:
            return self._most
        count = len(drawn.responses)
        each = drawn.usage.compute / count if count else _typical(request, drawn)
        return max(0, int(min(limits) // max(1, each)))


def _begun(request: Request) -> _Drawn:
    return _Drawn(
        question=question_in(request.messages),
        prompt=expected_prompt(request.messages, tools=request.tools),
    )


def _typical(request: Request, drawn: _Drawn) -> float:
    expected = next_call(request.messages, tools=request.tools)
    return drawn.prompt + (expected.completion_tokens or TYPICAL_ANSWER)


async def _made(handler: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    return await handler(request)


def _take(drawn: _Drawn, made: Sequence[Response | BaseException]) -> None:
    """Add a wave. A budget that is spent ends the drawing; any other failure is the call's own."""
    for one in made:
        if isinstance(one, BudgetExceeded):
            drawn.refused = True
        elif isinstance(one, BaseException):
            raise one
        else:
            drawn.responses.append(one)
    refusals = [one for one in made if isinstance(one, BudgetExceeded)]
    if refusals and not drawn.responses:
        raise refusals[0]


def _chosen(drawn: _Drawn) -> Response:
    """The response that the vote chose; its answer carries what all candidates used."""
    decided = drawn.vote
    response, answer = drawn.responses[decided.chosen], drawn.answers[decided.chosen]
    receipt = {
        "spent": flat(drawn.usage),
        "candidates": len(drawn.responses),
        "votes": decided.votes,
        "confidence": decided.lead,
    }
    told = [one.usage_metadata for one in drawn.answers if one.usage_metadata is not None]
    usage = None
    for one in told:
        usage = add_usage(usage, one)
    whole = answer.model_copy(
        update={
            "usage_metadata": usage,
            "response_metadata": {**answer.response_metadata, RECEIPT: receipt},
        }
    )
    return replace(response, result=[whole if one is answer else one for one in response.result])


def _answer_of(response: Response) -> AIMessage:
    return next(one for one in response.result if isinstance(one, AIMessage))
