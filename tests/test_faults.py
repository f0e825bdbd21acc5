"""What a solve does when its server misbehaves: tried on a server of our own over a socket."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any

import pytest
from fault_injection import run_many
from scripted_server import Quirk, served

from its_agent import Agent, Budget, Problem, Solution
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend, count_tokens
from its_agent.backends.vllm import VLLMBackend
from its_agent.errors import SolveFailed

EGGS = "How many eggs are there in 3 boxes of 6?"
PAUSE: Mapping[str, str] = {"Retry-After": "0"}


ANSWER = "Three boxes of six eggs each: 3 * 6 = 18. The answer is \\boxed{18}."


def eggs(request: Request, index: int) -> Reply:
    return Reply(text=ANSWER)


def engine() -> ScriptedBackend:
    return ScriptedBackend(eggs)


def solve_at(
    address: str, budget: int | Budget = 4_000, *, strategy: str = "adaptive", timeout: float = 60
) -> Solution:
    async def once() -> Solution:
        backend = VLLMBackend(address, timeout=timeout)
        async with Agent(backend, strategy=strategy) as agent:
            return await agent.asolve(EGGS, max_compute_budget=budget)

    return asyncio.run(once())


def refuses(field: str, says: str) -> Quirk:
    def judge(body: Mapping[str, Any]) -> str | None:
        asked = body.get(field)
        return says if asked is not None and asked is not False and asked != 1 else None

    return Quirk(refuses=judge)


RECOVERABLE = {
    "busy": Quirk(failures=[(429, PAUSE), (503, PAUSE)]),
    "busy before it says what it is": Quirk(page_failures=[(503, PAUSE), (429, PAUSE)]),
    "an error of its own before": Quirk(page_failures=[(500, PAUSE)]),
    "busy until a date": Quirk(failures=[(429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})]),
    "an error of its own": Quirk(failures=[(500, PAUSE)]),
    "no /tokenize": Quirk(tokenizes=False),
    "no usage": Quirk(lacks=["usage"]),
    "no log-probabilities": Quirk(lacks=["logprobs"]),
    "neither": Quirk(lacks=["usage", "logprobs"]),
    "nothing at all": Quirk(lacks=["usage", "logprobs"], tokenizes=False, one_choice=True),
    "one choice only": Quirk(one_choice=True),
    "refuses n": refuses("n", "n > 1 is not supported"),
    "refuses logprobs": refuses("logprobs", "logprobs are not supported"),
    "refuses stream_options": refuses("stream_options", "unknown field stream_options"),
    "says everything twice": Quirk(repeats=True),
    "cuts one answer": Quirk(cut_after=3),
    "keeps the connection open": Quirk(hangs_after=-1),
    "is slow to begin": Quirk(slow=1.0),
}


@pytest.mark.parametrize("name", RECOVERABLE)
def test_a_solve_goes_on_past_what_can_be_got_over(name: str) -> None:
    source = engine()
    with served(source, quirk=RECOVERABLE[name]) as address:
        solution = solve_at(address)
    assert solution.answer == "18"
    assert solution.receipt.stopped_because == "confident"
    assert solution.receipt.spent.compute <= 4_000
    assert solution.receipt.spent.completion_tokens >= source.generated_tokens
    assert solution.receipt.engine_prompt_tokens >= source.prompt_tokens


@pytest.mark.parametrize(
    ("name", "retries"),
    [("busy", 2), ("an error of its own", 1), ("refuses n", 1), ("cuts one answer", 1)],
)
def test_what_was_tried_again_is_on_the_receipt(name: str, retries: int) -> None:
    with served(engine(), quirk=RECOVERABLE[name]) as address:
        receipt = solve_at(address, strategy="self_consistency").receipt
    assert receipt.retries == retries
    assert receipt.spent.requests > retries
    assert len([note for note in receipt.notes if "tried again after" in note]) == retries


@pytest.mark.parametrize("name", ["no /tokenize", "neither", "nothing at all"])
def test_what_nobody_counted_is_marked_as_estimated(name: str) -> None:
    with served(engine(), quirk=RECOVERABLE[name]) as address:
        receipt = solve_at(address).receipt
    assert (receipt.estimated_tokens > 0) is (name != "no /tokenize")
    assert ("estimated" in str(receipt)) is (name != "no /tokenize")


def test_what_nobody_counted_is_counted_by_the_tokenizer() -> None:
    source = engine()
    with served(source, quirk=Quirk(lacks=["usage", "logprobs"])) as address:
        receipt = solve_at(address, strategy="single_pass").receipt
    # The end of the turn is a token that no text shows, and that this engine does not count.
    assert receipt.spent.completion_tokens == source.generated_tokens + 1
    assert receipt.estimated_tokens == source.generated_tokens + 1
    assert receipt.spent.prompt_tokens == source.prompt_tokens


def test_a_cut_answer_that_nobody_counted_is_counted_by_the_tokenizer_as_far_as_it_came() -> None:
    source = engine()
    cut = Quirk(lacks=["usage", "logprobs"], cut_after=2)
    with served(source, quirk=cut) as address:
        receipt = solve_at(address, strategy="single_pass").receipt
    assert receipt.retries == 1
    counted = receipt.spent.completion_tokens - receipt.unseen_tokens
    assert counted == 16 + count_tokens(ANSWER) + 1


def test_twice_the_same_piece_is_read_once() -> None:
    source = engine()
    with served(source, quirk=RECOVERABLE["says everything twice"]) as address:
        solution = solve_at(address)
    assert {c.text for c in solution.candidates} == {ANSWER}
    assert solution.receipt.spent.completion_tokens == source.generated_tokens


HOPELESS = {
    "garbage": Quirk(says=b"data: {broken\n\n"),
    "a web page": Quirk(says=b"<html>Welcome</html>"),
    "an error of its own, always": Quirk(failures=[(500, PAUSE)] * 99),
    "busy, always": Quirk(failures=[(503, PAUSE)] * 99),
    "refuses everything": Quirk(refuses=lambda body: "no"),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_what_cannot_be_got_over_is_an_error_with_the_receipt(name: str) -> None:
    with (
        served(engine(), quirk=HOPELESS[name]) as address,
        pytest.raises(SolveFailed, match="backend was lost") as caught,
    ):
        solve_at(address)
    assert caught.value.receipt.stopped_because == "backend_lost"
    assert caught.value.receipt.spent.requests >= 1
    assert caught.value.receipt.notes


def test_a_server_that_hangs_is_given_up_and_what_it_said_is_kept() -> None:
    source = ScriptedBackend(lambda r, i: Reply(text="So it is \\boxed{18}.", tokens=8 * (i + 1)))
    with served(source, quirk=Quirk(hangs_after=6)) as address:
        solution = solve_at(address, strategy="self_consistency", timeout=0.3)
    assert solution.receipt.stopped_because == "backend_lost"
    assert "silent for longer" in solution.receipt.notes[-1]
    assert solution.receipt.spent.compute <= 4_000
    assert any("So it is" in candidate.text for candidate in solution.candidates)


def test_a_server_that_never_begins_is_an_error_with_the_receipt() -> None:
    with (
        served(engine(), quirk=Quirk(slow=30)) as address,
        pytest.raises(SolveFailed, match="silent for longer") as failed,
    ):
        solve_at(address, strategy="single_pass", timeout=0.3)
    assert failed.value.receipt.stopped_because == "backend_lost"
    assert failed.value.receipt.retries == 1


def test_a_deadline_ends_the_wait_for_a_first_token() -> None:
    with (
        served(engine(), quirk=Quirk(slow=30)) as address,
        pytest.raises(SolveFailed, match="the time was up") as failed,
    ):
        solve_at(address, Budget(seconds=0.5), strategy="single_pass")
    assert failed.value.receipt.elapsed_seconds < 0.75


def test_a_server_that_hangs_does_not_hold_up_a_deadline() -> None:
    with served(engine(), quirk=Quirk(hangs_after=4)) as address:
        solution = solve_at(address, Budget(seconds=1.0), strategy="self_consistency")
    assert solution.receipt.stopped_because == "deadline"
    assert solution.receipt.elapsed_seconds < 1.25


def test_a_server_that_ignores_max_tokens_is_cut_off_within_the_stated_bound() -> None:
    source = ScriptedBackend(lambda r, i: Reply(text="So it is \\boxed{18}.", tokens=4_000))
    ignoring = Quirk(ignores=["max_tokens", "max_completion_tokens"])
    with served(source, quirk=ignoring) as address:
        solution = solve_at(address, 600, strategy="single_pass")
    assert solution.answer is None
    assert "went on after max_tokens" in solution.receipt.notes[0]
    assert solution.receipt.spent.compute <= 600 + 2 * 8 + 8


def test_a_server_that_ignores_stop_strings_is_read_up_to_them() -> None:
    def steps(request: Request, index: int) -> Reply:
        if request.continue_partial:
            return Reply(text="So it is \\boxed{18}.", tokens=10)
        return Reply(text="Step one.\n\nStep two, which nobody asked for.", tokens=64)

    with served(ScriptedBackend(steps), quirk=Quirk(ignores=["stop"])) as address:
        solution = solve_at(address, strategy="beam")
    assert solution.answer == "18"
    assert all("nobody asked" not in c.text for c in solution.candidates)


@pytest.mark.timeout(1_500)
def test_random_faults_break_no_promise() -> None:
    failed = run_many(first=0, cases=20_000, processes=os.cpu_count() or 1)
    assert not failed, f"seeds and what went wrong: {failed[:5]}; replay: fault_injection.py --help"


def test_a_model_that_answers_nothing_is_no_answer() -> None:
    with served(ScriptedBackend(lambda r, i: Reply(text="", tokens=0))) as address:
        solution = solve_at(address, 1_000)
    assert (solution.answer, solution.status) == (None, "abstained")


def test_a_conversation_that_outgrows_the_context_keeps_the_answer() -> None:
    def script(request: Request, index: int) -> Reply:
        is_draft = len(request.messages) == 1
        return eggs(request, index) if is_draft else Reply(text='"3 * 6" is wrong. ' * 40)

    too_long = "This model's maximum context length is 4096 tokens. However, you asked for more"
    quirk = Quirk(refuses=lambda body: too_long if len(body["messages"]) > 3 else None)
    with served(ScriptedBackend(script), quirk=quirk) as address:
        solution = solve_at(address, strategy="refine")
    assert solution.answer == "18"
    assert "refused the prompt" in solution.receipt.notes[0]


FITTING = {"type": "object", "properties": {"eggs": {"type": "integer"}}, "required": ["eggs"]}
REFUSED_SCHEMAS = [
    "Failed to transform json schema into a grammar: unknown property 'n'",
    "The provided JSON schema contains features not supported by xgrammar.",
    "Invalid schema for response_format 'answer': multipleOf is not permitted",
]


@pytest.mark.parametrize(
    ("says", "asked_again"),
    [(says, True) for says in REFUSED_SCHEMAS]
    + [("response_format is not supported", False), ("unknown field json_schema", False)],
)
async def test_a_schema_that_is_refused_says_nothing_of_others(
    says: str, asked_again: bool
) -> None:
    bodies: list[Mapping[str, Any]] = []

    def judge(body: Mapping[str, Any]) -> str | None:
        bodies.append(body)
        lacking = not asked_again and "response_format" in body
        return says if lacking or "multipleOf" in str(body.get("response_format")) else None

    odd = {**FITTING, "properties": {"eggs": {"type": "integer", "multipleOf": 3}}}
    source = ScriptedBackend(lambda request, index: Reply(text='{"eggs": 18}'))
    with served(source, quirk=Quirk(refuses=judge)) as address:
        async with Agent(address, strategy="self_consistency") as agent:
            for schema in (odd, FITTING):
                problem = Problem([{"role": "user", "content": "How many?"}], schema=schema)
                solution = await agent.asolve(problem, max_compute_budget=4_000)
                assert solution.answer is not None
                assert json.loads(solution.answer) == {"eggs": 18}
                bodies.append({})
    later = bodies[bodies.index({}) + 1 :]
    assert any("response_format" in body for body in later) is asked_again
    assert max(body.get("n", 1) for body in later) > 1
