"""What is looked at before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from its_agent.answers import infer_answer_type
from its_agent.backends.metered import MIN_TOKENS
from its_agent.backends.protocol import Backend, Request
from its_agent.budget import Budget, Usage, compute_units
from its_agent.errors import BudgetTooSmall, PromptTooLong
from its_agent.events import new_run_id
from its_agent.graphs.state import State, new_state
from its_agent.ledger import Ledger
from its_agent.prompts import ask, shown_first
from its_agent.solution import AnswerType, Exemplar, Problem


def initial_state(
    problem: Problem, budget: Budget, strategy: str, exemplars: Sequence[Exemplar] = ()
) -> State:
    """The state that a solve starts from; the problem's own exemplars win over these."""
    return new_state(
        shown_first(problem.exemplars or exemplars, problem.messages),
        _answer_type(problem),
        schema=problem.schema,
        tests=problem.tests,
        budget=budget,
        strategy=strategy,
        run_id=new_run_id(),
    )


async def counted(
    state: State,
    backend: Backend,
    ledger: Ledger,
    context_length: int | None,
    *,
    thinking: bool | None = None,
) -> State:
    """Count the prompt. Raises PromptTooLong or BudgetTooSmall where not even one short answer is
    possible."""
    prompt = await backend.count_prompt(replace(_shortest(state), thinking=thinking))
    check_room(prompt, backend, ledger, context_length)
    return replace(state, task={**state.task, "prompt_tokens": prompt})


def check_room(prompt: int, backend: Backend, ledger: Ledger, context_length: int | None) -> None:
    """Raise PromptTooLong or BudgetTooSmall where a prompt leaves no room for a short answer."""
    if context_length is not None and prompt + MIN_TOKENS > context_length:
        raise PromptTooLong(
            f"the prompt has {prompt:,} tokens and the model's context {context_length:,}; at "
            f"least {MIN_TOKENS} must be left for the answer: shorten the problem"
        )
    price = compute_units(
        prompt=prompt, cached=0, completion=MIN_TOKENS, relative_cost=backend.relative_cost
    )
    least = Usage(prompt_tokens=prompt, completion_tokens=MIN_TOKENS, requests=1, compute=price)
    shortfall = ledger.shortfall(least, ledger.unspent)
    if shortfall is not None:
        raise BudgetTooSmall(
            f"{shortfall}: one call with this prompt ({prompt:,} tokens) and an answer of at "
            f"least {MIN_TOKENS} tokens needs {price:,} compute units; raise the budget"
        )


def _answer_type(problem: Problem) -> AnswerType:
    if problem.schema is not None:
        return "json"
    return problem.answer_type or infer_answer_type(problem.question)


def _shortest(state: State) -> Request:
    arm = "plain" if state.answer_type == "text" else "step_by_step"
    return Request(messages=ask(arm, state.messages, state.answer_type), max_tokens=MIN_TOKENS)
