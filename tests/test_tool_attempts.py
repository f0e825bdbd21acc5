"""Attempts that read by themselves, and what the vote on where they end acts on."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from langchain_core.tools import tool
from scripted_server import served
from virtual_time import in_virtual_time

from its_agent import Agent, Budget, Solution, StopSignal
from its_agent.backends import VLLMBackend
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.budget import Usage
from its_agent.calling.seniority import Seniority
from its_agent.errors import BackendRefused
from its_agent.event_lines import line
from its_agent.events import Event, Requested, Sampled, Solved, Started, ToolRan
from its_agent.ledger import Ledger
from its_agent.tool_calls import ToolCall
from its_agent.tools import read_only
from its_agent.trace.story import story

QUESTION = "How many pages are there? Look it up."
PAGES = "abcd"
Script = Callable[[Request, int], Any]


class Library:
    """Books whose last page says something, and a letter box; keeps all that happens."""

    def __init__(self, says: Mapping[str, str] | str = "42") -> None:
        self.says = says
        self.done: list[str] = []

    @property
    def tools(self) -> list[Any]:
        @read_only
        def look(book: str) -> str:
            """Look a book up."""
            self.done.append(f"look {book}")
            if not isinstance(self.says, str) and book not in self.says:
                raise LookupError(f"no book {book}")
            return self.says if isinstance(self.says, str) else self.says[book]

        def post(letter: str) -> str:
            """Send a letter."""
            self.done.append(f"post {letter}")
            return f"sent {letter}"

        return [look, post]


def asks(*calls: tuple[str, str], text: str = "", tokens: int = 20) -> Reply:
    """A sample that calls `look` or `post`."""
    named = {"look": "book", "post": "letter"}
    made = [
        ToolCall(id=f"call-{place}", name=name, arguments=json.dumps({named.get(name, "x"): given}))
        for place, (name, given) in enumerate(calls)
    ]
    return Reply(text=text, calls=tuple(made), tokens=tokens)


def answers(said: str) -> Reply:
    return Reply(text=rf"It is \boxed{{{said}}}.", tokens=20)


def heard(request: Request) -> list[str]:
    """What tools have said so far."""
    return [str(one["content"]) for one in request.messages if one["role"] == "tool"]


def each_its_own(request: Request, index: int) -> Reply:
    """Attempts look different books up, and repeat what they say."""
    told = heard(request)
    return answers(told[-1]) if told else asks(("look", PAGES[index % 4]))


async def solved(
    script: Script | ScriptedBackend,
    tools: Sequence[Any],
    *,
    budget: int | Budget = 4_000,
    strategy: str = "hedged_attempts",
    events: list[Event] | None = None,
    stop: StopSignal | None = None,
) -> tuple[Solution, ScriptedBackend]:
    backend = script if isinstance(script, ScriptedBackend) else ScriptedBackend(script)
    sink = None if events is None else events.append
    async with Agent(
        backend, tools=tools, strategy=strategy, max_tokens=60, on_event=sink
    ) as agent:
        return await agent.asolve(QUESTION, max_compute_budget=budget, stop=stop), backend


def adds_up(solution: Solution, backend: ScriptedBackend) -> None:
    """The receipt is what the backend counted, and the candidates are what it is made of."""
    receipt = solution.receipt
    assert receipt.spent.completion_tokens == backend.generated_tokens
    assert receipt.engine_prompt_tokens == backend.prompt_tokens
    assert receipt.spent.requests == len(backend.requests)
    assert sum(one.compute for one in receipt.by_purpose.values()) == receipt.spent.compute
    assert sum(step.spent.compute for step in receipt.steps) == receipt.spent.compute
    assert sum(one.usage.compute for one in solution.candidates) == receipt.spent.compute


async def test_attempts_look_different_things_up_and_agree_on_an_answer() -> None:
    library = Library()
    solution, backend = await solved(each_its_own, library.tools)
    assert (solution.answer, solution.status) == ("42", "agreed")
    assert solution.receipt.stopped_because == "confident"
    assert sorted(library.done) == ["look a", "look b", "look c", "look d"]
    assert len(solution.candidates) == 4, "an attempt is one candidate"
    assert all(one.answer == "42" for one in solution.candidates)
    adds_up(solution, backend)


async def test_the_answer_of_the_majority_wins_whatever_was_looked_up() -> None:
    library = Library({"a": "42", "b": "7", "c": "42", "d": "42"})
    solution, backend = await solved(each_its_own, library.tools)
    assert solution.answer == "42"
    assert {one.answer for one in solution.candidates} == {"42", "7"}
    adds_up(solution, backend)


async def test_a_candidate_tells_its_whole_attempt() -> None:
    solution, _ = await solved(each_its_own, Library().tools)
    first = solution.candidates[0]
    asking, told = first.turns
    assert asking["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"book": "a"}'}
    assert told == {"role": "tool", "tool_call_id": "call-0", "content": "42"}
    assert first.text == r"It is \boxed{42}."
    assert first.usage.requests == 2
    assert json.loads(solution.to_json())["candidates"][0]["turns"][1]["content"] == "42"


async def test_attempts_that_call_the_same_share_one_look_up_and_their_requests() -> None:
    library = Library()

    def alike(request: Request, index: int) -> Reply:
        told = heard(request)
        return answers(told[-1]) if told else asks(("look", "a"))

    solution, backend = await solved(alike, library.tools)
    assert library.done == ["look a"]
    assert [(one.n, one.temperature) for one in backend.requests] == [
        (1, 0.0),
        (3, 0.8),
        (1, 0.0),
        (3, 0.8),
    ]
    adds_up(solution, backend)


async def test_different_words_beside_the_same_call_are_different_conversations() -> None:
    def wordy(request: Request, index: int) -> Reply:
        told = heard(request)
        return answers(told[-1]) if told else asks(("look", "a"), text=f"I think {index}.")

    solution, backend = await solved(wordy, Library().tools)
    assert [one.n for one in backend.requests] == [1, 3, 1, 1, 1, 1]
    said = {turn["content"] for one in solution.candidates for turn in one.turns}
    assert said == {"42", "I think 0.", "I think 1.", "I think 2.", "I think 3."}


async def test_what_acts_is_called_once_after_the_vote() -> None:
    library = Library()

    def script(request: Request, index: int) -> Reply:
        told = heard(request)
        if not told:
            return asks(("look", PAGES[index % 4]))
        return answers("42") if told[-1].startswith("sent") else asks(("post", told[-1]))

    solution, backend = await solved(script, library.tools)
    assert library.done[4:] == ["post 42"]
    assert (solution.answer, solution.status) == ("42", "agreed")
    post = '[{"arguments":{"letter":"42"},"name":"post"}]'
    assert [one.answer for one in solution.candidates] == [post] * 4 + ["42"] * 4
    last = [one["role"] for one in backend.requests[-1].messages]
    assert last == ["user", "assistant", "tool", "assistant", "tool"], "it goes on from the winner"
    adds_up(solution, backend)


async def test_what_acts_is_not_called_where_it_loses_the_vote() -> None:
    library = Library()

    def script(request: Request, index: int) -> Reply:
        return asks(("post", "spam")) if index == 3 else answers("42")

    solution, _ = await solved(script, library.tools)
    assert (solution.answer, library.done) == ("42", [])
    assert any("post" in str(one.answer) for one in solution.candidates)


async def test_a_failure_is_data_of_its_own_attempt_alone() -> None:
    library = Library({"a": "42", "b": "42", "c": "42"})
    solution, backend = await solved(each_its_own, library.tools)
    assert solution.answer == "42"
    failed = "error: LookupError: no book d"
    told = [turn["content"] for one in solution.candidates for turn in one.turns if turn["content"]]
    assert told.count(failed) == 1
    adds_up(solution, backend)


async def test_what_was_read_is_not_read_again_until_something_has_acted() -> None:
    library = Library()

    def script(request: Request, index: int) -> Reply:
        replies = [("look", "a"), ("look", "a"), ("post", "x"), ("look", "a")]
        told = heard(request)
        return asks(replies[len(told)]) if len(told) < 4 else answers(told[-1])

    solution, _ = await solved(script, library.tools, strategy="single_pass")
    assert (solution.answer, library.done) == ("42", ["look a", "post x", "look a"])


async def test_a_failed_reading_is_tried_again_when_it_is_asked_for_again() -> None:
    library = Library({})

    def script(request: Request, index: int) -> Reply:
        told = heard(request)
        library.says = {"a": "42"} if told else {}
        return asks(("look", "a")) if len(told) < 2 else answers(told[-1])

    solution, _ = await solved(script, library.tools, strategy="single_pass")
    assert (solution.answer, library.done) == ("42", ["look a", "look a"])


async def test_readings_beside_a_call_that_acts_wait_for_the_vote() -> None:
    library = Library()

    def script(request: Request, index: int) -> Reply:
        if heard(request):
            return answers("42")
        if index == 3:
            return answers("7")
        return asks(("look", "a"), ("post", "x"), ("look", "b"))

    solution, backend = await solved(script, library.tools)
    assert library.done == ["look a", "post x", "look b"]
    assert solution.answer == "42"
    votes = [one for one in backend.requests if not heard(one)]
    assert len(votes) + 2 == len(backend.requests)


async def test_beside_a_call_that_cannot_be_made_nothing_acts() -> None:
    library = Library()

    def script(request: Request, index: int) -> Reply:
        told = heard(request)
        return answers("42") if told else asks(("post", "x"), ("fax", "y"), ("look", "a"))

    solution, _ = await solved(script, library.tools, strategy="single_pass")
    assert library.done == ["look a"]
    assert [turn["content"] for turn in solution.candidates[0].turns[1:]] == [
        "error: not called, as another call of this turn cannot be made",
        "error: there is no tool 'fax'",
        "42",
    ]


@pytest.mark.parametrize("budget", [250, 300, 400, 500, 700, 1_000, 1_500])
@pytest.mark.parametrize(
    "strategy", ["adaptive", "hedged_attempts", "single_pass", "self_consistency"]
)
async def test_a_budget_that_ends_in_the_middle_keeps_what_there_is(
    budget: int, strategy: str
) -> None:
    solution, backend = await solved(
        each_its_own, Library().tools, budget=budget, strategy=strategy
    )
    assert solution.receipt.spent.compute <= budget
    assert solution.candidates
    adds_up(solution, backend)


async def test_where_there_is_not_enough_for_all_the_first_attempts_come_to_their_ends() -> None:
    def deep(request: Request, index: int) -> Reply:
        told = heard(request)
        return answers(told[-1]) if len(told) == 3 else asks(("look", f"{len(told)} {index}"))

    plenty, backend = await solved(deep, Library().tools, strategy="single_pass")
    enough_for_one = plenty.receipt.spent.compute + 500
    solution, backend = await solved(deep, Library().tools, budget=enough_for_one)
    assert solution.answer == "42"
    assert solution.candidates[0].answer == "42"
    assert [one.finish for one in solution.candidates].count("aborted") >= 1
    assert solution.receipt.stopped_because == "budget"
    adds_up(solution, backend)


async def test_nobody_overtakes_the_first_attempt_while_its_tools_run() -> None:
    def deep(request: Request, index: int) -> Reply:
        told = heard(request)
        who = "first" if request.temperature == 0 else "other"
        return answers(told[-1]) if len(told) == 3 else asks(("look", f"{who} {len(told)} {index}"))

    @read_only
    async def look(book: str) -> str:
        """Look a book up."""
        await asyncio.sleep(0.02 if book.startswith("first") else 0)
        return "42"

    plenty, _ = await solved(deep, [look], strategy="single_pass")
    for more in (100, 200, 300, 400):
        solution, _ = await solved(deep, [look], budget=plenty.receipt.spent.compute + more)
        assert solution.candidates[0].answer == "42"


async def test_the_first_wave_is_small_as_only_that_shows_what_an_attempt_costs() -> None:
    solution, _ = await solved(each_its_own, Library().tools[:1], strategy="self_consistency")
    first, *others = solution.receipt.steps
    assert first.bought.startswith("4 samples")
    assert others
    assert solution.receipt.spent.compute > 3_000


async def test_waves_leave_half_for_later_rounds_where_something_may_act() -> None:
    def undecided(request: Request, index: int) -> Reply:
        return Reply(text=rf"\boxed{{{index}}}", tokens=60)

    for tools, low, high in ((Library().tools, 500, 1_000), (Library().tools[:1], 1_500, 2_000)):
        solution, _ = await solved(undecided, tools, budget=2_000)
        assert solution.receipt.stopped_because == "budget"
        assert low < solution.receipt.spent.compute <= high


async def test_nothing_acts_whose_outcome_could_not_be_told() -> None:
    library = Library()
    script: Script = lambda request, index: (  # noqa: E731
        answers("42") if heard(request) else asks(("post", "x"))
    )
    enough, _ = await solved(script, library.tools, strategy="single_pass")
    first = enough.receipt.steps[0].spent.compute
    library.done.clear()
    solution, backend = await solved(
        script, library.tools, strategy="single_pass", budget=first + 50
    )
    assert library.done == []
    assert solution.receipt.stopped_because == "budget"
    assert any("post: not called" in note for note in solution.receipt.notes)
    assert (solution.answer, solution.status) == (None, "abstained")
    adds_up(solution, backend)


def test_the_deadline_ends_a_reading_and_keeps_the_attempts_that_have_answered() -> None:
    @read_only
    async def look(book: str) -> str:
        """Look a book up."""
        await asyncio.sleep(60 if book == "d" else 0)
        return "42"

    in_time = Budget(compute=4_000, seconds=30)
    solution, backend = in_virtual_time(solved(each_its_own, [look], budget=in_time))
    assert (solution.answer, solution.receipt.stopped_because) == ("42", "deadline")
    assert "the solve had to end while look ran" in solution.receipt.notes
    assert [one.finish for one in solution.candidates] == ["stop", "stop", "stop", "aborted"]
    adds_up(solution, backend)


async def test_a_stop_signal_ends_what_acts() -> None:
    stop = StopSignal()

    async def post(letter: str) -> str:
        """Send a letter."""
        stop.set()
        await asyncio.sleep(60)
        return "sent"

    solution, backend = await solved(lambda request, index: asks(("post", "x")), [post], stop=stop)
    assert (solution.answer, solution.receipt.stopped_because) == (None, "cancelled")
    assert "the solve had to end while post ran" in solution.receipt.notes
    adds_up(solution, backend)


async def test_cancelling_leaves_no_task_behind() -> None:
    began = asyncio.Event()

    @read_only
    async def look(book: str) -> str:
        """Look a book up."""
        began.set()
        await asyncio.sleep(60)
        return book

    before = asyncio.all_tasks()
    running = asyncio.create_task(solved(each_its_own, [look]))
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert asyncio.all_tasks() == before


async def test_a_backend_that_fails_one_attempt_keeps_the_others() -> None:
    def script(request: Request, index: int) -> Any:
        told = heard(request)
        if told and told[-1] == "bad":
            return BackendRefused("no such conversation", status=400)
        return each_its_own(request, index)

    library = Library({"a": "42", "b": "42", "c": "42", "d": "bad"})
    solution, backend = await solved(script, library.tools)
    assert (solution.answer, solution.receipt.stopped_because) == ("42", "backend_lost")
    assert [one.answer for one in solution.candidates] == ["42", "42", "42", None]
    assert solution.receipt.spent.completion_tokens == backend.generated_tokens


async def test_a_conversation_that_outgrows_the_context_ends_its_own_attempt_alone() -> None:
    library = Library({"a": "42", "b": "42", "c": "42", "d": "word " * 5_000})
    backend = ScriptedBackend(each_its_own, context_length=2_000)
    solution, _ = await solved(backend, library.tools, budget=60_000)
    assert solution.answer == "42"
    assert solution.receipt.stopped_because == "confident"
    assert any("context" in note for note in solution.receipt.notes)
    assert [one.finish for one in solution.candidates][3] == "aborted"
    adds_up(solution, backend)


async def test_attempts_that_go_round_in_circles_end_the_solve() -> None:
    solution, backend = await solved(
        lambda request, index: asks(("look", "a")), Library().tools, budget=100_000
    )
    assert (solution.answer, solution.receipt.stopped_because) == (None, "no_gain")
    assert "16 turns of calls and no answer" in solution.receipt.notes
    assert len(solution.receipt.steps) == 1
    adds_up(solution, backend)


async def test_thinking_is_kept_and_no_part_of_the_conversation() -> None:
    def script(request: Request, index: int) -> Reply:
        if heard(request):
            return Reply(text=r"<think>so that is it</think>\boxed{42}", tokens=20)
        return asks(("look", "a"), text="<think>let me see</think>I look it up.")

    solution, backend = await solved(script, Library().tools, strategy="single_pass")
    assert backend.requests[1].messages[1]["content"] == "I look it up."
    assert solution.candidates[0].thinking == "let me see\n\nso that is it"
    assert solution.candidates[0].text == r"\boxed{42}"


async def test_calls_without_an_id_get_one() -> None:
    def script(request: Request, index: int) -> Reply:
        call = ToolCall(id="", name="look", arguments='{"book": "a"}')
        return answers("42") if heard(request) else Reply(text="", calls=(call,), tokens=9)

    solution, _ = await solved(script, Library().tools, strategy="single_pass")
    asking, told = solution.candidates[0].turns
    assert re.match(r"call_\w{8}", told["tool_call_id"])
    assert asking["tool_calls"][0]["id"] == told["tool_call_id"]


async def test_events_tell_one_run_with_all_that_was_called() -> None:
    events: list[Event] = []

    def script(request: Request, index: int) -> Reply:
        told = heard(request)
        if not told:
            return asks(("look", "a"))
        return answers("42") if told[-1].startswith("sent") else asks(("post", told[-1]))

    solution, backend = await solved(script, Library().tools, events=events)
    ran = [event for event in events if isinstance(event, ToolRan)]
    assert [(one.name, one.acts, one.again, one.attempts) for one in ran] == [
        ("look", False, False, 1),
        ("look", False, True, 3),
        ("post", True, False, 1),
    ]
    assert [line(one) for one in ran] == [
        'tool       look {"book": "a"}: 42',
        'tool       look {"book": "a"} (known, 3 attempts): 42',
        'tool       post {"letter": "42"} (acts): sent 42',
    ]
    asked = [event.request for event in events if isinstance(event, Requested)]
    assert asked == list(range(1, len(backend.requests) + 1))
    spent = [event.spent.compute for event in events]
    assert spent == sorted(spent)
    assert [type(event) for event in events].count(Started) == 1
    assert [event.solution for event in events if isinstance(event, Solved)] == [solution]
    sampled = [event.candidate.id for event in events if isinstance(event, Sampled)]
    assert sampled == [one.id for one in solution.candidates]


async def test_the_page_is_told_of_turns_and_tools() -> None:
    events: list[Event] = []
    solution, _ = await solved(each_its_own, Library().tools, events=events)
    told = story(events)
    assert sorted(one["call"] for one in told["rounds"][0]["tools"]) == [
        f'look {{"book": "{book}"}}' for book in PAGES
    ]
    assert [turn["role"] for turn in told["candidates"][0]["turns"]] == ["assistant", "tool"]
    assert '"look"' in told["candidates"][0]["turns"][0]["content"]
    assert sum(one["spent"] for one in told["rounds"]) == solution.receipt.spent.compute
    assert solution.receipt.steps[0].bought == "4 samples, 4 results of tools"


async def test_over_http_it_is_the_same() -> None:
    library, backend = Library(), ScriptedBackend(each_its_own)
    with served(backend) as url:
        async with Agent(
            VLLMBackend(url), tools=library.tools, max_tokens=60, strategy="hedged_attempts"
        ) as agent:
            solution = await agent.asolve(QUESTION)
    assert (solution.answer, solution.status) == ("42", "agreed")
    assert sorted(library.done) == ["look a", "look b", "look c", "look d"]
    adds_up(solution, backend)


@tool
async def slowly(book: str) -> str:
    """Look a book up."""
    await asyncio.sleep(0.01)
    return "42"


async def test_a_langchain_tool_that_says_it_reads_is_read_by_every_attempt() -> None:
    slowly.metadata = {"readOnlyHint": True}
    solution, _ = await solved(
        lambda request, index: (
            answers(heard(request)[-1])
            if heard(request)
            else Reply(
                text="",
                calls=(ToolCall(id="1", name="slowly", arguments=f'{{"book": "{index}"}}'),),
                tokens=9,
            )
        ),
        [slowly],
    )
    assert (solution.answer, len(solution.candidates)) == ("42", 4)


async def test_who_began_later_waits_where_there_is_not_enough_for_both() -> None:
    line_up, cost = Seniority(Ledger(Budget(compute=239))), Usage(compute=60)
    await line_up.turn(0, cost)
    later = asyncio.create_task(line_up.turn(1, cost))
    await asyncio.sleep(0)
    assert not later.done()
    line_up.leave(0)
    await later


async def test_who_began_later_goes_beside_where_there_is_enough() -> None:
    line_up, cost = Seniority(Ledger(Budget(compute=240))), Usage(compute=60)
    await line_up.turn(0, cost)
    await asyncio.wait_for(line_up.turn(1, cost), 1)
