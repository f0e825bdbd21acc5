"""What is looked at before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from its_agent.answers import infer_answer_type
from its_agent.backends.fitting import MIN_TOKENS
from its_agent.backends.protocol import Backend, PromptBound, Request, prompt_bound
from its_agent.budget import Budget, Usage, compute_units
from its_agent.errors import BudgetTooSmall, InvalidInput, PromptTooLong
from its_agent.events import new_run_id
from its_agent.graphs.state import State, new_state, with_prompt
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
    bounded: bool = False,
) -> State:
    """Count the prompt; with `bounded`, only where a bound of it that is known already leaves no
    room. Raises PromptTooLong or BudgetTooSmall where not even one short answer is possible."""
    asked = replace(_shortest(state), thinking=thinking)
    known = prompt_bound(backend, asked) if bounded else None
    if known is not None and _trouble(known.tokens, backend, ledger, context_length) is None:
        return with_prompt(state, known)
    prompt = await backend.count_prompt(asked)
    check_room(prompt, backend, ledger, context_length)
    return with_prompt(state, PromptBound(tokens=prompt, is_exact=True))


def check_room(prompt: int, backend: Backend, ledger: Ledger, context_length: int | None) -> None:
    """Raise PromptTooLong or BudgetTooSmall where a prompt leaves no room for a short answer."""
    trouble = _trouble(prompt, backend, ledger, context_length)
    if trouble is not None:
        raise trouble


def _trouble(
    prompt: int, backend: Backend, ledger: Ledger, context_length: int | None
) -> InvalidInput | None:
    if context_length is not None and prompt + MIN_TOKENS > context_length:
        return PromptTooLong(
            f"the prompt has {prompt:,} tokens and the model's context {context_length:,}; at "
            f"least {MIN_TOKENS} must be left for the answer: shorten the problem"
        )
    price = compute_units(
        prompt=prompt, cached=0, completion=MIN_TOKENS, relative_cost=backend.relative_cost
    )
    least = Usage(prompt_tokens=prompt, completion_tokens=MIN_TOKENS, requests=1, compute=price)
    shortfall = ledger.shortfall(least, ledger.unspent)
    if shortfall is None:
        return None
    return BudgetTooSmall(
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
