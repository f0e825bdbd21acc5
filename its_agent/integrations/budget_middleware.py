"""BudgetMiddleware: one budget for a whole agent run, and an answer before it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

from langchain_core.messages import HumanMessage, ToolMessage
from langgraph.runtime import Runtime
from langgraph.types import Command

from its_agent.budget import Budget, Prices, Usage
from its_agent.integrations.accounts import Accounts
from its_agent.integrations.agents import (
    AgentMiddleware,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
    ToolCallRequest,
    hook_config,
)
from its_agent.integrations.budget_state import KEY, BudgetState
from its_agent.integrations.last_call import BudgetedCall, budgeted, without_calls
from its_agent.integrations.message_usage import next_call, priced, usage_of_answers
from its_agent.integrations.run_account import RunAccount, Shares
from its_agent.ledger import Remaining
from its_agent.within import within

Request: TypeAlias = ModelRequest[Any]
Response: TypeAlias = ModelResponse[Any]
Answer: TypeAlias = ExtendedModelResponse[Any]
Result: TypeAlias = ToolMessage | Command[Any]


class BudgetMiddleware(AgentMiddleware[BudgetState, Any, Any]):
    """Keeps an agent of `create_agent` inside one budget, over all its turns.

    `budget` is a number of compute units (tokens, but for those that the prompt cache serves) or a
    Budget; its seconds are those of calls. What is spent is kept in the state, under `its_budget`,
    so that a checkpointed thread goes on where it stood. Subagents that are called inside tools and
    share this very object are paid from the same account.

    When less than the share `short` of a limit is left, the agent is told before every call what is
    left; when another call would not leave the share `kept`, it is asked for its final answer
    without tools, which may be as long as the rest allows. A call that was begun is never cut. When
    not even an answer fits, the run ends with what it has, and raises BudgetExceeded where that is
    nothing but the question. What an answer does not tell of its usage is estimated from above.
    """

    state_schema = BudgetState

    def __init__(
        self,
        budget: int | Budget,
        *,
        prices: Prices | None = None,
        short: float = 0.35,
        kept: float = 0.15,
    ) -> None:
        """Raises InvalidBudget, or InvalidOption."""
        super().__init__()
        self._shares = Shares(
            short=within("short", short, 0.0, 1.0), kept=within("kept", kept, 0.0, 0.9)
        )
        self._accounts = Accounts(Budget.of(budget), prices, self._shares)

    def left(self, state: Any) -> Remaining:
        """What is left for the run with this state, what is kept for its last answer included."""
        return self._accounts.of(state).left

    @hook_config(can_jump_to=["end"])
    def before_model(self, state: BudgetState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Name the run's account; end the run where not even an answer can be paid. Raises
        BudgetExceeded where it has not begun."""
        named = self._accounts.named(state)
        account = self._accounts.of({**state, KEY: named} if named else state)
        refusal = account.refusal(next_call(state["messages"]))
        if refusal is None:
            return {KEY: named} if named else None
        if isinstance(state["messages"][-1], HumanMessage):
            raise refusal
        return {"jump_to": "end"}

    @hook_config(can_jump_to=["end"])
    async def abefore_model(
        self, state: BudgetState, runtime: Runtime[Any]
    ) -> dict[str, Any] | None:
        """Do what `before_model` does."""
        return self.before_model(state, runtime)

    def wrap_model_call(
        self, request: Request, handler: Callable[[Request], Response]
    ) -> Answer | Response:
        """Say what is left, if it is short, and charge the call."""
        account = self._accounts.of(request.state)
        call = budgeted(request, account, self._shares)
        with _charged(account, call) as used:
            response = handler(call.request)
            used.append(usage_of_answers(response.result, prompt=call.prompt))
        return self._answer(request, call, response)

    async def awrap_model_call(
        self, request: Request, handler: Callable[[Request], Awaitable[Response]]
    ) -> Answer | Response:
        """Do what `wrap_model_call` does."""
        account = self._accounts.of(request.state)
        call = budgeted(request, account, self._shares)
        with _charged(account, call) as used:
            response = await handler(call.request)
            used.append(usage_of_answers(response.result, prompt=call.prompt))
        return self._answer(request, call, response)

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Result]
    ) -> Result:
        """Have what the tool calls pay from this run's account; the tool is never cut."""
        account = self._accounts.of(request.state)
        with account.at_work(), self._accounts.around_tool(account):
            result = handler(request)
        return self._result(request, result)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Result]]
    ) -> Result:
        """Do what `wrap_tool_call` does."""
        account = self._accounts.of(request.state)
        with account.at_work(), self._accounts.around_tool(account):
            result = await handler(request)
        return self._result(request, result)

    def after_agent(self, state: BudgetState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Write down what was spent."""
        written = self._accounts.written(state)
        self._accounts.ended(state)
        return written or None

    async def aafter_agent(
        self, state: BudgetState, runtime: Runtime[Any]
    ) -> dict[str, Any] | None:
        """Do what `after_agent` does."""
        return self.after_agent(state, runtime)

    def _answer(self, request: Request, call: BudgetedCall, response: Response) -> Answer:
        kept = without_calls(response) if call.is_last else response
        return ExtendedModelResponse(
            model_response=kept, command=Command(update=self._accounts.written(request.state))
        )

    def _result(self, request: ToolCallRequest, result: Result) -> Result:
        """The tool's result with what is spent by now. A command to another graph, or one that is
        not an update by names, stays as it is: the next call writes it down."""
        written = self._accounts.written(request.state)
        if not written:
            return result
        if isinstance(result, ToolMessage):
            return Command(update={"messages": [result], **written})
        if result.graph is None and isinstance(result.update, dict):
            update = cast("dict[str, Any]", result.update)
            return Command(update={**update, **written}, goto=result.goto, resume=result.resume)
        return result


@contextmanager
def _charged(account: RunAccount, call: BudgetedCall) -> Generator[list[Usage]]:
    """Charge what a call tells; one that failed is charged its prompt."""
    used: list[Usage] = []
    try:
        with account.at_work():
            yield used
    finally:
        account.charge(used[0] if used else priced(call.prompt, 0, 0))
