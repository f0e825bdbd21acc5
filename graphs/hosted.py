"""A solve as a node of another graph: messages in, the answer as a message out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, Protocol, TypeAlias, TypedDict, cast

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, interrupt

from its_agent.errors import InvalidBudget
from its_agent.events import Event, Generating, Solved
from its_agent.graphs.state import Plain, flat
from its_agent.solution import Message, Solution

AfterSolve: TypeAlias = Literal["approve", "answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A solve that has ended, and where it stands: plain data from which it can go on."""

    solution: Solution
    standing: Plain


class Host(Protocol):
    """What solves; the graph never sees its connections."""

    async def begin(
        self, messages: Sequence[Message], budget: int | None, sink: Callable[[Event], None]
    ) -> Ended:
        """Solve the last user message within so many compute units, by default the agent's."""
        ...

    async def extend(self, standing: Plain, more: int, sink: Callable[[Event], None]) -> Ended:
        """Go on with a solve that has ended, with so many compute units more."""
        ...


class HostedState(TypedDict, total=False):
    """What the graph shares with its host; a host with `messages` needs nothing else."""

    messages: Annotated[list[AnyMessage], add_messages]
    max_compute_budget: int
    """Compute units; the agent's default else."""
    solution: Plain
    """The whole solution as plain data, its receipt included."""
    standing: Plain
    """Where the solve stands, so that more can be granted."""
    granted: int
    """Compute units that were granted last, beyond the budget."""


class GrantedState(TypedDict):
    """What there is of it once more was granted."""

    standing: Plain
    granted: int


class SolvedState(TypedDict):
    """What there is of it once a solve has ended."""

    solution: Plain


def hosted_graph(host: Host, *, approve: bool) -> StateGraph[HostedState, None, HostedState]:
    """Build the graph, uncompiled: solve, have more compute approved where it may help, answer.

    With `approve` a solve that stopped unsure, for want of budget or as more was not worth its
    price at this budget, is interrupted, for which the host needs a checkpointer: resume it with
    the compute units that are granted, 0 for none.
    """

    def after(ended: Ended) -> Command[AfterSolve]:
        wants_more = approve and _may_gain(ended.solution)
        update = HostedState(solution=ended.solution.to_dict(), standing=ended.standing)
        return Command(update=update, goto="approve" if wants_more else "answer")

    async def solve(state: HostedState) -> Command[AfterSolve]:
        """Solve the last message."""
        return after(await host.begin(_asked(state), state.get("max_compute_budget"), _teller()))

    async def extend(state: GrantedState) -> Command[AfterSolve]:
        """Go on with what was granted."""
        return after(await host.extend(state["standing"], state["granted"], _teller()))

    graph = StateGraph(HostedState)
    graph.add_node(solve)
    graph.add_node(extend)
    graph.add_node("approve", _approve)
    graph.add_node("answer", _answer)
    graph.add_edge(START, "solve")
    graph.add_edge("answer", END)
    return graph


def _may_gain(solution: Solution) -> bool:
    """What compute has to bring follows the budget, so that a larger one may go on from both."""
    unsure = solution.status in ("best_effort", "abstained")
    return unsure and solution.receipt.stopped_because in ("budget", "no_gain")


def _teller() -> Callable[[Event], None]:
    """Write events to the custom stream of whoever runs the graph."""
    write = get_stream_writer()

    def tell(event: Event) -> None:
        if not isinstance(event, Solved):
            write({"event": type(event).__name__.lower(), **_plain(event)})

    return tell


def _plain(event: Event) -> Plain:
    """The fields of an event; of pieces that arrive there are many, and `asdict` copies deeply."""
    if isinstance(event, Generating) and not event.calls:
        return flat(event) | {"spent": flat(event.spent), "held": flat(event.held)}
    return asdict(event)


def _asked(state: HostedState) -> list[Message]:
    messages = cast("list[BaseMessage]", state.get("messages", []))
    return cast("list[Message]", convert_to_openai_messages(messages))


async def _approve(state: SolvedState) -> Command[Literal["extend", "answer"]]:
    """Ask whether the solve may have more. It runs anew when the answer comes, and buys nothing."""
    solution = state["solution"]
    granted = interrupt(
        {
            "question": "this is not sure; how many more compute units may be used?",
            "answer": solution["answer"],
            "confidence": solution["confidence"],
            "spent": solution["receipt"]["spent"]["compute"],
        }
    )
    if isinstance(granted, bool) or not isinstance(granted, int) or granted < 0:
        raise InvalidBudget(
            f"resume with the whole number of compute units to grant, 0 for none; got {granted!r}"
        )
    return Command(update={"granted": granted}, goto="extend" if granted else "answer")


async def _answer(state: SolvedState) -> HostedState:
    """Put the answer into the conversation, with what it has used."""
    solution = state["solution"]
    message = AIMessage(
        content=solution["text"],
        usage_metadata=_usage(solution["receipt"]["spent"]),
        response_metadata={
            name: solution[name] for name in ("answer", "confidence", "status", "receipt")
        },
    )
    return {"messages": [message]}


def _usage(spent: dict[str, Any]) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=spent["prompt_tokens"],
        output_tokens=spent["completion_tokens"],
        total_tokens=spent["prompt_tokens"] + spent["completion_tokens"],
        input_token_details=InputTokenDetails(cache_read=spent["cached_prompt_tokens"]),
    )
