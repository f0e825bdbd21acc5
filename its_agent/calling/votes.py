"""A vote among samples that call tools, and what comes of it.

Two samples vote together if they call the same tools with the same arguments, or, where neither
calls any, if they give the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from its_agent.backends.protocol import Request
from its_agent.backends.sample import Sample
from its_agent.events import Judged
from its_agent.graphs.context import Context
from its_agent.graphs.outcome import solution_of
from its_agent.graphs.purchase import describe
from its_agent.graphs.reading import Said, read
from its_agent.graphs.sampling import Taken, candidate
from its_agent.graphs.state import Outcome, Plain, flat, note, plain_candidate
from its_agent.policy.protocol import Buy
from its_agent.receipt import StopReason
from its_agent.selection.judgement import Judgement, judge
from its_agent.solution import AnswerType, Candidate, Message, Solution
from its_agent.tool_calls import ToolCall, meaning

PATH = "calling"
ARM = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """The answer, and the calls that it asks for in place of one. Its candidates' answers are
    their calls as JSON."""

    solution: Solution
    calls: tuple[ToolCall, ...]
    is_cut: bool = False
    """The calls were not written to their end, so that none of them can be made."""


@dataclass(slots=True, kw_only=True)
class Sampled:
    """What the waves have brought so far."""

    taken: Taken = Taken()
    candidates: list[Candidate] = field(default_factory=list[Candidate])
    calls: dict[str, tuple[ToolCall, ...]] = field(default_factory=dict[str, tuple[ToolCall, ...]])
    steps: list[Plain] = field(default_factory=list[Plain])
    judgement: Judgement | None = None
    agreeing: int = 0

    @property
    def chosen(self) -> Candidate | None:
        """The candidate whose answer, or calls, won the vote."""
        if self.judgement is None:
            return None
        name = self.judgement.verdict.candidate_id
        return next((one for one in self.judgement.candidates if one.id == name), None)

    @property
    def chosen_calls(self) -> tuple[ToolCall, ...]:
        """What is to be called in place of an answer."""
        return self.calls[self.chosen.id] if self.chosen else ()

    @property
    def troubles(self) -> list[str]:
        """What the receipt should say about the requests."""
        taken = self.taken
        return [*taken.notes, *(str(one) for one in (taken.failure, taken.too_long) if one)]


def add(
    context: Context,
    request: Request,
    sample: Sample,
    kind: AnswerType,
    so_far: Sampled,
    turns: tuple[Message, ...] = (),
) -> None:
    """Make a candidate of a sample, whose answer is its calls as JSON where it makes any."""
    said = read(sample, kind)
    if sample.calls:
        known = [str(tool["function"]["name"]) for tool in request.tools]
        whole = sample.finish == "stop"
        said = Said(
            thinking=said.thinking,
            text=said.text,
            answer=meaning(sample.calls, known) if whole else None,
        )
    strategy = f"{ARM}@{request.temperature:g}"
    made = candidate(context, sample, said, path=PATH, strategy=strategy, turns=turns)
    so_far.candidates.append(made)
    so_far.calls[made.id] = sample.calls


async def judge_all(context: Context, kind: AnswerType, so_far: Sampled, before: int) -> None:
    """Vote among all candidates; `before` of them were there when this wave began."""
    clusters = await _clusters(context, kind, so_far)
    rule = context.strategy.rule
    so_far.judgement = judge(so_far.candidates, clusters, rule=rule)
    new = set(clusters[before:])
    together = len(new) == 1 and None not in new
    so_far.agreeing = len(clusters) - before if together else 0
    context.emit(Judged, verdict=so_far.judgement.verdict, votes=so_far.judgement.shares)


async def _clusters(context: Context, kind: AnswerType, so_far: Sampled) -> list[int | None]:
    """Calls by what they mean, answers by what is equal; a call is never equal to an answer."""
    answers = [None if so_far.calls[one.id] else one.answer for one in so_far.candidates]
    merged = await context.equality.merge(answers, kind, within=context.ledger.seconds_left)
    numbers: dict[tuple[str, object], int] = {}
    clusters: list[int | None] = []
    for one, cluster in zip(so_far.candidates, merged, strict=True):
        key = ("call", one.answer) if so_far.calls[one.id] else ("answer", cluster)
        clusters.append(None if key[1] is None else numbers.setdefault(key, len(numbers)))
    return clusters


def step_of(decision: Buy, taken: Taken, new: Sequence[Candidate], so_far: Sampled) -> Plain:
    """The wave as a step of the receipt."""
    assert so_far.judgement is not None
    verdict = so_far.judgement.verdict
    return {
        "id": len(so_far.steps) + 1,
        "path": PATH,
        "arm": ARM,
        "model": "",
        "why": decision.why,
        "bought": _bought(new),
        "spent": flat(taken.usage),
        "outcome": f"{verdict.votes} votes, confidence {verdict.confidence:.2f}",
    }


def _bought(new: Sequence[Candidate]) -> str:
    read = sum(turn["role"] == "tool" for one in new for turn in one.turns)
    said = f", {read} results of tools" if read > 1 else ", 1 result of a tool" if read else ""
    return describe(new) + said


def result_of(context: Context, so_far: Sampled, reason: StopReason) -> Called:
    """The answer, or what is to be called in place of one."""
    solution = solution_of(outcome_of([so_far], reason), context)
    chosen, calls = so_far.chosen, so_far.chosen_calls
    is_cut = bool(calls) and chosen is not None and chosen.finish != "stop"
    return Called(solution=solution, calls=calls, is_cut=is_cut)


def outcome_of(votes: Sequence[Sampled], reason: StopReason) -> Outcome:
    """What one vote after the other has come to; the last one decides."""
    judged = [one.judgement for one in votes if one.judgement is not None]
    candidates = [plain_candidate(one) for each in judged for one in each.candidates]
    return Outcome(
        candidates=candidates,
        steps=[step for one in votes for step in one.steps],
        verdict=flat(judged[-1].verdict) if candidates else None,
        stopped_because=reason,
        notes=[note(place, said) for place, one in enumerate(votes, 1) for said in one.troubles],
    )
