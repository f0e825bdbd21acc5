"""Density ratio: the paper's number, by each model's own tokens and template, at both prices."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Literal

import pytest
from fake_second_models import (
    COMPLETIONS,
    Tokenizer,
    account_of,
    answered,
    completed,
    second_model,
)
from fake_vllm import Answer, Server, listening, page
from hypothesis import given, settings
from hypothesis import strategies as st

from its_agent.backends import ScriptedReader, VLLMBackend
from its_agent.backends.text_reader import shared_start
from its_agent.errors import BackendError, BackendLost, InvalidOption
from its_agent.solution import Message
from its_agent.verifiers import DensityRatio, Scorer
from its_agent.verifiers.protocol import Reading

STRONG, WEAK = (-1.0, -1.0, -0.5), (-3.0, -2.0, -4.0)
"""The last token of each ends the turn."""
FOUR = answered("4")


def reader(told: Sequence[float | None] | BackendError, **options: Any) -> ScriptedReader:
    return ScriptedReader(lambda messages: told, **options)


async def ratio(strong: Any, weak: Any, **options: Any) -> Reading:
    account, _ = account_of()
    (reading,) = await DensityRatio(strong, weak, **options).score([FOUR], account)
    return reading


@pytest.mark.parametrize(
    ("reduce", "mask", "expected"),
    [("sum", False, 6.5), ("mean", False, 6.5 / 3), ("sum", True, 3.0), ("mean", True, 1.5)],
)
async def test_it_is_the_difference_of_log_probabilities(
    reduce: Literal["mean", "sum"], mask: bool, expected: float
) -> None:
    found = await ratio(reader(STRONG), reader(WEAK), reduce=reduce, mask_end_of_turn=mask)
    assert found == pytest.approx(expected)


async def test_the_end_of_the_turn_is_left_out_unless_it_is_asked_for() -> None:
    assert await ratio(reader(STRONG), reader(WEAK)) == pytest.approx(1.5)


@pytest.mark.parametrize(("reduce", "expected"), [("mean", 1.0), ("sum", 7.0)])
async def test_models_that_cut_the_answer_differently_each_count_their_own_tokens(
    reduce: Literal["mean", "sum"], expected: float
) -> None:
    strong = reader((-1.0, -1.0, 0.0))
    weak = reader((-2.0, -1.0, -3.0, -1.0, -2.0, -9.0))
    if reduce == "mean":
        weak = reader((-3.0, -1.0, -2.0, -9.0))
    assert await ratio(strong, weak, reduce=reduce) == pytest.approx(expected)


@settings(deadline=None)
@given(st.lists(st.floats(-20, 0), min_size=2, max_size=8))
async def test_a_model_against_itself_says_nothing(logprobs: list[float]) -> None:
    assert await ratio(reader(logprobs), reader(logprobs)) == 0


@pytest.mark.parametrize("told", [(None, -1.0, -0.5), (float("-inf"), -1.0, -0.5), (-0.5,)])
async def test_what_an_engine_does_not_tell_is_unknown(told: Sequence[float | None]) -> None:
    assert await ratio(reader(told), reader(WEAK)) == "unknown"
    assert await ratio(reader(STRONG), reader(told)) == "unknown"


async def test_an_engine_that_fails_is_broken_and_the_receipt_says_why() -> None:
    account, _ = account_of()
    scorer = DensityRatio(reader(BackendLost("it went away")), reader(WEAK))
    assert await scorer.score([FOUR], account) == ["broken"]
    assert account.notes == ["density_ratio: it went away"]


async def test_both_models_are_charged_at_their_own_price() -> None:
    account, ledger = account_of()
    strong = reader(STRONG, prompt_tokens=10, relative_cost=2.0)
    weak = reader(WEAK, prompt_tokens=30, relative_cost=0.5)
    await DensityRatio(strong, weak).score([FOUR], account)
    # Ten and thirty tokens of prompt, two of the answer, and the one that the engine makes.
    assert ledger.spent.compute == (10 + 2 + 1) * 2 + 17
    assert (ledger.spent.prompt_tokens, ledger.spent.requests) == (44, 2)
    assert account.usage == ledger.spent


async def test_where_one_read_has_no_room_nothing_is_said_and_the_budget_is_kept() -> None:
    account, ledger = account_of(compute=30)
    strong, weak = reader(STRONG), reader(WEAK)
    assert await DensityRatio(strong, weak).score([FOUR], account) == ["unknown"]
    assert (len(weak.read), len(strong.read)) == (1, 0)
    assert ledger.spent.compute == 23


@pytest.mark.parametrize(
    ("head", "heads"),
    [
        ((), [{"role": "system", "content": "Be safe."}]),
        (
            ({"role": "system", "content": "You help."},),
            [{"role": "system", "content": "You help.\n\nBe safe."}],
        ),
    ],
)
async def test_both_models_are_given_the_instruction(
    head: tuple[Message, ...], heads: list[Message]
) -> None:
    account, _ = account_of()
    strong, weak = reader(STRONG), reader(WEAK)
    scorer = DensityRatio(strong, weak, instruction="Be safe.")
    await scorer.score([(*head, *FOUR)], account)
    assert strong.read == weak.read == [(*heads, *FOUR)]


def test_only_a_sum_or_a_mean_is_taken() -> None:
    with pytest.raises(InvalidOption, match="mean or sum"):
        DensityRatio(reader(STRONG), reader(WEAK), reduce="max")  # type: ignore[arg-type]


def test_it_is_a_scorer_whose_scores_compare_answers_to_one_problem() -> None:
    scorer = DensityRatio(reader(STRONG, relative_cost=3), reader(WEAK, relative_cost=0.5))
    assert isinstance(scorer, Scorer)
    assert scorer.compares
    assert scorer.typical(99) == 350
    assert scorer.worst(99).compute > 700
    assert scorer.worst(99).requests == 2


# --- reading a text on vLLM ------------------------------------------------------------------


def constant(logprob: float) -> Callable[[list[int]], dict[str, Any]]:
    def read(tokens: list[int]) -> dict[str, Any]:
        return completed((None, *[logprob] * (len(tokens) - 1)), tokens)

    return read


@asynccontextmanager
async def engines(*servers: Server, **options: Any) -> AsyncGenerator[list[VLLMBackend]]:
    async with AsyncExitStack() as stack:
        addresses = [await stack.enter_async_context(listening(server)) for server in servers]
        yield [
            await stack.enter_async_context(aclosing(VLLMBackend(address, **options)))
            for address in addresses
        ]


async def tokens_of_answer(tokenizer: Tokenizer, text: str, *, end_of_turn: bool) -> list[str]:
    async with engines(second_model(tokenizer, {})) as (backend,):
        found = await backend.tokenize_text(answered(text, "Q"), end_of_turn=end_of_turn)
    return tokenizer.decode(found.tokens)[found.start :]


@pytest.mark.parametrize(
    ("template", "end_of_turn", "tokens"),
    [
        ({}, False, ["It", " ", "is", " ", "4"]),
        ({}, True, ["It", " ", "is", " ", "4", "<end>"]),
        # The template opens an answer with thoughts that this one does not have.
        ({"opening": "<assistant><think>\n"}, False, ["It", " ", "is", " ", "4"]),
        ({"closing": " </s>"}, True, ["It", " ", "is", " ", "4", " "]),
        ({"closing": ""}, True, ["It", " ", "is", " ", "4"]),
    ],
)
async def test_the_answer_is_found_by_the_models_own_template(
    template: dict[str, Any], end_of_turn: bool, tokens: list[str]
) -> None:
    found = await tokens_of_answer(Tokenizer(**template), "It is 4", end_of_turn=end_of_turn)
    assert found == tokens


async def test_a_token_across_the_border_belongs_to_the_answer() -> None:
    # One line break opens the answer, which begins with another one: both are one token.
    tokenizer = Tokenizer(opening="<assistant>\n", lead="\n")
    found = await tokens_of_answer(tokenizer, "\nBut 4", end_of_turn=False)
    assert found == ["\n\n", "But", " ", "4"]


@settings(deadline=None)
@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_two_texts_share_what_comes_before_they_part(one: list[int], other: list[int]) -> None:
    shared = shared_start(one, other)
    assert one[:shared] == other[:shared]
    assert one[shared : shared + 1] != other[shared : shared + 1] or shared == len(one) == len(
        other
    )


async def test_the_prompt_is_read_by_number_and_only_the_answer_is_told() -> None:
    tokenizer = Tokenizer()

    def read(tokens: list[int]) -> dict[str, Any]:
        told = [None, *(-float(i) for i in range(1, len(tokens)))]
        return completed(told, tokens)

    server = second_model(tokenizer, {COMPLETIONS: read})
    async with engines(server, relative_cost=0.5) as (backend,):
        text = await backend.tokenize_text(FOUR)
        found = await backend.read_text(text)
    last = len(text.tokens) - 1
    assert found.logprobs == (-float(last),)
    assert server.bodies(COMPLETIONS) == [
        {"model": "qwen", "prompt": list(text.tokens), "max_tokens": 1, "prompt_logprobs": 0}
    ]
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (last + 1, 1)
    assert found.usage.compute == (last + 3) // 2


async def test_each_model_reads_the_answer_behind_its_own_template() -> None:
    strong = second_model(Tokenizer(), {COMPLETIONS: constant(-1.0)})
    longer = Tokenizer(closing="<stop>", tokens=r"<[^>]+>|.")
    weak = second_model(longer, {COMPLETIONS: constant(-2.0)})
    account, _ = account_of()
    async with engines(strong, weak) as (one, other):
        scorer = DensityRatio(one, other, reduce="sum")
        assert await scorer.score([answered("four")], account) == [-1.0 + 4 * 2.0]


@pytest.mark.parametrize(
    ("answer", "reading", "charged"),
    [
        (
            page({"error": {"message": "maximum context length is 64", "code": 400}}, 400),
            "unknown",
            0,
        ),
        (page({"error": {"message": "died", "code": 500}}, 500), "broken", 0),
        (page({"choices": [{"prompt_logprobs": None}]}), "broken", 1),
        (page({"choices": [{"prompt_logprobs": [None]}]}), "broken", 1),
        (page({"choices": []}), "broken", 1),
        (Answer(b"<html>"), "broken", 1),
    ],
)
async def test_an_answer_that_is_no_reading_is_never_a_score(
    answer: Answer, reading: Reading, charged: int
) -> None:
    account, ledger = account_of()
    async with engines(second_model(Tokenizer(), {COMPLETIONS: lambda tokens: answer})) as (one,):
        assert await DensityRatio(one, one).score([FOUR], account) == [reading]
    assert (ledger.spent.compute > 0) is bool(charged)
    assert ledger.held.compute == 0


@pytest.mark.parametrize("lowest", [-9999.0, -12345.0])
async def test_a_token_that_the_model_finds_impossible_is_unknown(lowest: float) -> None:
    account, ledger = account_of()
    server = second_model(Tokenizer(), {COMPLETIONS: constant(lowest)})
    async with engines(server) as (one,):
        assert await DensityRatio(one, one).score([FOUR], account) == ["unknown"]
    assert ledger.spent.requests == 1


async def test_a_reading_of_other_tokens_is_broken() -> None:
    account, _ = account_of()
    server = second_model(
        Tokenizer(), {COMPLETIONS: lambda tokens: constant(-1.0)([t + 1 for t in tokens])}
    )
    async with engines(server) as (one,):
        assert await DensityRatio(one, one).score([FOUR], account) == ["broken"]
