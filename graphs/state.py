"""The checkpointed state of a solve: plain data only, whatever happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypedDict

from its_agent.backends.protocol import PromptBound
from its_agent.budget import Budget, Usage
from its_agent.difficulty import Belief
from its_agent.receipt import Step, StopReason
from its_agent.solution import AnswerType, Candidate, Message, Verdict, question_in

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Plain: TypeAlias = dict[str, Any]


def merge_by_id(old: list[Plain], new: list[Plain]) -> list[Plain]:
    """Add entries, or replace those with the same id: a subgraph hands back what it was given."""
    if not old or not new:
        return new or old
    merged = {entry["id"]: entry for entry in old} | {entry["id"]: entry for entry in new}
    return list(merged.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a solution is made of; what the graph hands back."""

    candidates: Annotated[list[Plain], merge_by_id] = field(default_factory=list[Plain])
    steps: Annotated[list[Plain], merge_by_id] = field(default_factory=list[Plain])
    verdict: Plain | None = None
    stopped_because: StopReason | None = None
    explored_nodes: int = 0
    notes: Annotated[list[Plain], merge_by_id] = field(default_factory=list[Plain])


@dataclass(frozen=True, slots=True, kw_only=True)
class State(Outcome):
    """Where a solve stands. What changes together is one field: LangGraph reads every field at
    every superstep."""

    task: Plain
    """What is asked for; made by `new_state`. Nothing of it changes, but that a bound of the
    prompt's tokens gives way to their count."""
    belief: Plain = field(default_factory=lambda: Belief().to_plain())
    plan: Plain | None = None
    """The purchase that is about to be made, with the most it may cost; None in between."""
    intent: Plain | None = None
    """Usage that the next superstep reserves at most; None where it buys nothing."""
    bought: Plain | None = None
    """The purchase that was just made, until its outcome is known."""
    books: Plain = field(default_factory=dict[str, Any])
    """Settled usage by purpose ("spent"), what the receipt counts beside the ledger ("meter"),
    seconds since the solve began without those between a kill and its resumption ("elapsed"), and
    the models that are not asked any more ("lost")."""
    refined_to_an_end: bool = False
    refining: Plain | None = None
    """Where the refinement stands: a `Refinement`."""
    search: Plain | None = None
    """The search in progress."""
    thinking: Plain | None = None
    """The traces of the thinking in progress."""

    @property
    def messages(self) -> list[Plain]:
        """The problem as it was given."""
        messages: list[Plain] = self.task["messages"]
        return messages

    @property
    def question(self) -> str:
        """The text of the last user message."""
        return question_in(self.messages)

    @property
    def answer_type(self) -> AnswerType:
        """What kind of answer is wanted."""
        kind: AnswerType = self.task["answer_type"]
        return kind

    @property
    def schema(self) -> Plain | None:
        """The JSON schema of the answer."""
        schema: Plain | None = self.task["schema"]
        return schema

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt of one sample, as it is usually put, or no fewer than those."""
        return int(self.task["prompt_tokens"])

    @property
    def prompt_is_bounded(self) -> bool:
        """They are a bound, and not counted yet."""
        return bool(self.task.get("prompt_is_bounded", False))

    @property
    def strategy(self) -> str:
        """The name of the strategy that the solve began with."""
        return str(self.task["strategy"])

    @property
    def run_id(self) -> str:
        """The name of the solve; the same after a resumption."""
        return str(self.task.get("run_id", ""))

    @property
    def budget(self) -> Budget:
        """The limits that the solve began with."""
        return Budget(**self.task["budget"])


def new_state(
    messages: Sequence[Message],
    answer_type: AnswerType,
    *,
    budget: Budget,
    schema: Mapping[str, Any] | None = None,
    tests: Sequence[str] = (),
    prompt_tokens: int = 0,
    strategy: str = "adaptive",
    run_id: str = "",
) -> State:
    """The state that a solve starts from."""
    return State(
        task={
            "messages": [dict(message) for message in messages],
            "answer_type": answer_type,
            "schema": None if schema is None else dict(schema),
            "tests": list(tests),
            "prompt_tokens": prompt_tokens,
            "budget": flat(budget),
            "strategy": strategy,
            "run_id": run_id,
        }
    )


def with_prompt(state: State, known: PromptBound) -> State:
    """The state with what is known of its prompt."""
    told = {"prompt_tokens": known.tokens, "prompt_is_bounded": not known.is_exact}
    return replace(state, task={**state.task, **told})


class Update(TypedDict, total=False):
    """What a node may change of the state."""

    task: Plain
    belief: Plain
    plan: Plain | None
    intent: Plain | None
    bought: Plain | None
    candidates: list[Plain]
    steps: list[Plain]
    verdict: Plain | None
    books: Plain
    stopped_because: StopReason | None
    refined_to_an_end: bool
    explored_nodes: int
    refining: Plain | None
    search: Plain | None
    thinking: Plain | None
    notes: list[Plain]


def flat(value: DataclassInstance) -> Plain:
    """The fields of a value as they are: `asdict` would copy what no one changes."""
    return {name: getattr(value, name) for name in _names(type(value))}


@cache
def _names(kind: type[DataclassInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def state_from(values: Mapping[str, Any]) -> State:
    """Read a state back from the values of a checkpoint."""
    return State(**values)


def plain_candidate(candidate: Candidate) -> Plain:
    """Write a candidate as plain data."""
    return flat(candidate) | {"usage": flat(candidate.usage)}


def candidate_from(plain: Plain) -> Candidate:
    """Read a candidate back."""
    turns = tuple(plain.get("turns", ()))
    values: Plain = {**plain, "usage": Usage(**plain["usage"]), "turns": turns}
    return Candidate(**values)


def candidates_of(state: Outcome) -> tuple[Candidate, ...]:
    """Read all candidates back."""
    return tuple(candidate_from(plain) for plain in state.candidates)


def verdict_of(state: Outcome) -> Verdict | None:
    """Read the verdict back, once there is one."""
    if state.verdict is None:
        return None
    values: Plain = {**state.verdict, "reasons": tuple(state.verdict["reasons"])}
    return Verdict(**values)


def steps_of(state: Outcome) -> tuple[Step, ...]:
    """Read the receipt's steps back."""
    return tuple(_step(plain) for plain in state.steps)


def _step(plain: Plain) -> Step:
    values: Plain = {name: plain[name] for name in Step._fields}
    arm = f"{plain['model']}/{plain['arm']}" if plain["model"] else plain["arm"]
    return Step(**values)._replace(spent=Usage(**plain["spent"]), arm=arm)


def note(number: int, text: str) -> Plain:
    """Make an entry of `notes`."""
    return {"id": f"{number}:{text}", "text": text}


def plain_usage(by_purpose: Mapping[str, Usage]) -> dict[str, Plain]:
    """Write the ledger's counters as plain data."""
    return {purpose: flat(usage) for purpose, usage in by_purpose.items()}
