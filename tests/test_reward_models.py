"""Process and outcome rewards: which tokens are scored, what becomes of the labels, who pays."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from fake_second_models import (
    CLASSIFY,
    POOLING,
    TOKENIZE,
    Tokenizer,
    account_of,
    answered,
    classified,
    pooled,
    second_model,
)
from fake_vllm import ADDRESS, Answer, Server, listening, page
from hypothesis import given, settings
from hypothesis import strategies as st

from its_agent.backends import PoolingBackend
from its_agent.backends.account import Account
from its_agent.errors import InvalidOption
from its_agent.verifiers import OutcomeReward, ProcessReward, Scorer
from its_agent.verifiers.protocol import Reading
from its_agent.verifiers.steps import split_steps, step_ends

THREE_STEPS = "Add two.\n\nIt is four.\n\nSo 4"
GOOD = {0: 0.9, 1: 0.5, 2: 0.8}
"""P(good) of the steps of THREE_STEPS."""


def labels(p: float) -> tuple[float, float]:
    """Logits whose softmax gives the second label this probability."""
    return (1.0, 1.0 + math.log(p / (1 - p)))


def scoring_steps(tokenizer: Tokenizer) -> Callable[[list[int]], dict[str, Any]]:
    """Labels the last token of each step by GOOD, and all others as hopeless."""

    def score(tokens: list[int]) -> dict[str, Any]:
        texts = tokenizer.decode(tokens)
        ends = [i for i, text in enumerate(texts) if text.endswith("\n\n")] + [len(texts) - 1]
        probabilities = {end: GOOD[step] for step, end in enumerate(ends)}
        rows = [labels(probabilities.get(i, 0.001)) for i in range(len(texts))]
        return pooled(rows, tokens=len(tokens))

    return score


@asynccontextmanager
async def rewards(server: Server, **options: Any) -> AsyncGenerator[PoolingBackend]:
    async with (
        listening(server) as address,
        aclosing(PoolingBackend(address, **options)) as backend,
    ):
        yield backend


async def score(server: Server, account: Account, text: str, **options: Any) -> Reading:
    async with rewards(server, relative_cost=options.pop("relative_cost", 1.0)) as backend:
        (reading,) = await ProcessReward(backend, **options).score([answered(text)], account)
    return reading


# --- which tokens are scored -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("aggregate", "score_of_all"),
    [("min", 0.5), ("last", 0.8), ("product", 0.36), ("mean", 2.2 / 3)],
)
async def test_each_step_is_scored_at_its_last_token(aggregate: str, score_of_all: float) -> None:
    tokenizer = Tokenizer()
    server = second_model(tokenizer, {POOLING: scoring_steps(tokenizer)})
    account, _ = account_of()
    found = await score(server, account, THREE_STEPS, aggregate=aggregate)
    assert found == pytest.approx(score_of_all)


async def test_a_token_that_reaches_across_a_separator_ends_the_step() -> None:
    # Three line breaks are one token, and a separator is two of them.
    tokenizer = Tokenizer()
    server = second_model(tokenizer, {POOLING: scoring_steps(tokenizer)})
    account, _ = account_of()
    text = "Add two\n\n\nIt is four\n\n\n\n\nSo 4\n\n"

    def all_steps(tokens: list[int]) -> dict[str, Any]:
        texts = tokenizer.decode(tokens)
        rows = [labels(0.9 if t.startswith("\n\n") or t == "4" else 0.001) for t in texts]
        return pooled(rows, tokens=len(tokens))

    server.answers[POOLING] = lambda: page(all_steps(server.seen[-1][1]["input"]))
    assert await score(server, account, text) == pytest.approx(0.9)


async def test_a_step_ends_where_it_does_in_the_whole_text_however_its_beginning_is_cut() -> None:
    # Two line breaks are one token at the end of a text, and two in front of another word.
    tokenizer = Tokenizer(tokens=r"<[^>]+>|\n\n$|\n|\w+|\s|[^\w\s]")

    def second_breaks(tokens: list[int]) -> dict[str, Any]:
        texts = ["", *tokenizer.decode(tokens)]
        good = [pair == ("\n", "\n") for pair in zip(texts, texts[1:], strict=False)]
        rows = [labels(0.9 if g else 0.001) for g in (*good[:-1], True)]
        return pooled(rows, tokens=len(tokens))

    server = second_model(tokenizer, {POOLING: second_breaks})
    account, _ = account_of()
    assert await score(server, account, THREE_STEPS) == pytest.approx(0.9)


async def test_a_tag_stands_behind_each_step_and_is_where_it_is_scored() -> None:
    tokenizer = Tokenizer()

    def at_tags(tokens: list[int]) -> dict[str, Any]:
        texts = tokenizer.decode(tokens)
        probabilities = iter(GOOD.values())
        rows = [labels(next(probabilities) if t == "<extra_0>" else 0.001) for t in texts]
        return pooled(rows, tokens=len(tokens))

    server = second_model(tokenizer, {POOLING: at_tags})
    account, _ = account_of()
    found = await score(server, account, THREE_STEPS, tag="<extra_0>", aggregate="product")
    assert found == pytest.approx(0.36)
    sent = "".join(tokenizer.decode(server.bodies(POOLING)[0]["input"]))
    assert sent.endswith("<assistant>Add two.<extra_0>It is four.<extra_0>So 4<extra_0>")


async def test_a_server_that_pools_by_steps_labels_only_the_tags() -> None:
    tokenizer = Tokenizer()
    rows = [labels(p) for p in GOOD.values()]
    server = second_model(tokenizer, {POOLING: lambda tokens: pooled(rows, tokens=len(tokens))})
    account, _ = account_of()
    found = await score(server, account, THREE_STEPS, tag="<extra_0>", aggregate="mean")
    assert found == pytest.approx(2.2 / 3)


@pytest.mark.parametrize(
    ("text", "tag"), [("One <t> more.\n\nFour.", "<t>"), ("One.\n\nFour.", "two tokens")]
)
async def test_a_tag_that_cannot_be_told_apart_is_unknown_and_costs_nothing(
    text: str, tag: str
) -> None:
    server = second_model(Tokenizer(), {})
    account, ledger = account_of()
    assert await score(server, account, text, tag=tag) == "unknown"
    assert (server.bodies(POOLING), ledger.spent.requests) == ([], 0)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b c", " ", "", "\n", "|"]), max_size=12).map("|".join))
def test_every_step_ends_behind_its_own_text(text: str) -> None:
    text = text.strip()
    steps, ends = split_steps(text, "|"), step_ends(text, "|")
    assert len(steps) == len(ends)
    assert list(ends) == sorted(set(ends))
    for number, (step, end) in enumerate(zip(steps, ends, strict=True)):
        assert split_steps(text[:end], "|") == steps[: number + 1]
        assert text[:end].rstrip("|").rstrip().endswith(step)


# --- what becomes of the labels --------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "options", "score_of_it"),
    [
        ((0.0, math.log(3)), {}, 0.75),
        ((math.log(3), 0.0), {"good_label": 0}, 0.75),
        ((0.0, 0.0, math.log(2)), {"good_label": 2}, 0.5),
        ((1000.0, -1000.0), {}, 0.0),
        ((math.log(4),), {"activation": "sigmoid"}, 0.8),
        ((-1000.0,), {"activation": "sigmoid"}, 0.0),
        ((-3.25,), {"activation": "none"}, -3.25),
    ],
)
async def test_labels_become_a_probability_or_stay_what_they_are(
    row: tuple[float, ...], options: dict[str, Any], score_of_it: float
) -> None:
    def everywhere(tokens: list[int]) -> dict[str, Any]:
        return pooled([row] * len(tokens), tokens=len(tokens))

    account, _ = account_of()
    server = second_model(Tokenizer(), {POOLING: everywhere})
    assert await score(server, account, "4", **options) == pytest.approx(score_of_it)


@pytest.mark.parametrize(
    ("row", "options", "says"),
    [
        ((0.5,), {}, "gives 1 labels where softmax needs at least 2"),
        ((0.5, 0.5), {"good_label": 2}, "gives 2 labels where softmax needs at least 3"),
        ((0.5, 0.5), {"activation": "sigmoid"}, "gives 2 labels where .* needs exactly 1"),
    ],
)
async def test_a_model_with_other_labels_is_broken_and_the_receipt_says_so(
    row: tuple[float, ...], options: dict[str, Any], says: str
) -> None:
    account, ledger = account_of()
    server = second_model(
        Tokenizer(), {POOLING: lambda tokens: pooled([row] * len(tokens), tokens=len(tokens))}
    )
    assert await score(server, account, "4", **options) == "broken"
    (note,) = account.notes
    assert re.search(says, note)
    assert ledger.spent.requests == 1


@pytest.mark.parametrize(
    ("activation", "row", "score_of_it"),
    [("sigmoid", (math.log(4),), 0.8), ("none", (2.5,), 2.5), ("softmax", labels(0.3), 0.3)],
)
async def test_an_outcome_is_scored_over_the_whole_turn(
    activation: Any, row: tuple[float, ...], score_of_it: float
) -> None:
    tokenizer = Tokenizer()
    server = second_model(tokenizer, {CLASSIFY: lambda tokens: classified(row, tokens=len(tokens))})
    account, ledger = account_of()
    async with rewards(server) as backend:
        reward = OutcomeReward(backend, activation=activation)
        (found,) = await reward.score([answered("4")], account)
    assert found == pytest.approx(score_of_it)
    body = server.bodies(CLASSIFY)[0]
    assert "".join(tokenizer.decode(body["input"])).endswith("<assistant>4<end>\n")
    assert (body["model"], body["use_activation"]) == ("qwen", False)
    assert reward.compares is (activation == "none")
    assert ledger.spent.compute == len(body["input"])


# --- what goes out, and who pays -------------------------------------------------------------


async def test_the_tokens_that_were_counted_are_the_ones_that_are_read_and_charged() -> None:
    tokenizer = Tokenizer()
    server = second_model(tokenizer, {POOLING: scoring_steps(tokenizer)})
    account, ledger = account_of()
    await score(server, account, THREE_STEPS, relative_cost=0.5)
    (body,) = server.bodies(POOLING)
    tokens = len(body["input"])
    assert body == {
        "model": "qwen",
        "input": body["input"],
        "task": "token_classify",
        "use_activation": False,
    }
    assert ledger.by_purpose["verify"].prompt_tokens == tokens
    assert ledger.spent.compute == account.usage.compute == math.ceil(tokens / 2)
    assert ledger.held.compute == 0


async def test_a_conversation_that_the_budget_has_no_room_for_is_unknown() -> None:
    tokenizer = Tokenizer()
    server = second_model(tokenizer, {POOLING: scoring_steps(tokenizer)})
    account, ledger = account_of(compute=20)
    assert await score(server, account, THREE_STEPS) == "unknown"
    assert (server.bodies(POOLING), ledger.spent.compute) == ([], 0)


async def test_readings_keep_the_order_of_the_conversations() -> None:
    def by_digit(tokens: list[int]) -> dict[str, Any]:
        digit = int(tokenizer.decode(tokens)[-1])
        return pooled([(float(digit),)] * len(tokens), tokens=len(tokens))

    tokenizer = Tokenizer()
    server = second_model(tokenizer, {POOLING: by_digit})
    account, _ = account_of()
    async with rewards(server) as backend:
        reward = ProcessReward(backend, activation="none")
        asked = [answered("3"), answered("  "), answered("1"), answered("2")]
        assert await reward.score(asked, account) == [3.0, "unknown", 1.0, 2.0]


@pytest.mark.parametrize(
    "conversation",
    [(), ({"role": "user", "content": "What?"},), ({"role": "assistant", "content": None},)],
)
async def test_without_an_answer_nothing_is_asked(conversation: Any) -> None:
    server = second_model(Tokenizer(), {})
    account, _ = account_of()
    async with rewards(server) as backend:
        assert await ProcessReward(backend).score([conversation], account) == ["unknown"]
    assert server.seen == []


# --- what can go wrong -----------------------------------------------------------------------

TOO_LONG = {"error": {"message": "maximum context length is 512 tokens", "code": 400}}
NO_TASK = {"error": {"message": "Unsupported task: 'token_classify'", "code": 400}}


@pytest.mark.parametrize(
    ("answer", "reading", "says", "charged"),
    [
        (page(TOO_LONG, 400), "unknown", "", False),
        (page(NO_TASK, 400), "broken", "Unsupported task", False),
        (page({"detail": "Not Found"}, 404), "broken", "404", False),
        (
            page({"error": {"message": "EngineCore died", "code": 500}}, 500),
            "broken",
            "died",
            False,
        ),
        (page(pooled([labels(0.5)], tokens=4)), "broken", "texts of 4 tokens, and was sent", True),
        (page({"data": [], "usage": {"prompt_tokens": 0}}), "broken", "labelled 0 texts", True),
        (page(classified((0.5,), tokens=9)), "broken", "labels of tokens", True),
        (Answer(b"<html>"), "broken", "labels of tokens", True),
    ],
)
async def test_a_failure_is_never_a_score(
    answer: Answer, reading: Reading, says: str, charged: bool
) -> None:
    server = second_model(Tokenizer(), {POOLING: lambda tokens: answer})
    account, ledger = account_of()
    assert await score(server, account, THREE_STEPS) == reading
    assert says in "".join(account.notes)
    assert ledger.spent.requests == 1
    assert (ledger.spent.compute > 0) is charged
    assert ledger.held.compute == 0


async def test_too_few_labels_are_not_taken_for_those_of_the_steps() -> None:
    server = second_model(
        Tokenizer(), {POOLING: lambda tokens: pooled([labels(0.5)] * 2, tokens=len(tokens))}
    )
    account, _ = account_of()
    assert await score(server, account, THREE_STEPS) == "broken"
    assert "labelled 2 places" in account.notes[0]


async def test_a_model_that_the_server_does_not_have_is_named_once() -> None:
    server = second_model(Tokenizer(), {})
    server.answers[TOKENIZE] = lambda: page({"error": {"message": "no such", "code": 404}}, 404)
    account, ledger = account_of()
    async with (
        listening(server) as address,
        aclosing(PoolingBackend(address, "gpt")) as backend,
    ):
        reward = ProcessReward(backend)
        assert await reward.score([answered("4"), answered("5")], account) == ["broken", "broken"]
    assert account.notes == [f"process_reward: {address} has no model 'gpt'; it serves: qwen"]
    assert ledger.spent.requests == 0


async def test_nobody_at_the_address_is_broken() -> None:
    account, ledger = account_of()
    async with aclosing(PoolingBackend("http://127.0.0.1:9")) as backend:
        assert await OutcomeReward(backend).score([answered("4")], account) == ["broken"]
    assert "nothing answers" in account.notes[0]
    assert ledger.spent.compute == 0


@pytest.mark.parametrize("path", [TOKENIZE, POOLING])
async def test_a_silent_server_is_unknown_when_the_time_is_up(path: str) -> None:
    tokenizer = Tokenizer()
    server = second_model(tokenizer, {POOLING: scoring_steps(tokenizer)})
    server.answers[path] = lambda: Answer(hangs=True)
    account, ledger = account_of(seconds=0.5, compute=1000)
    async with asyncio.timeout(20):
        assert await score(server, account, THREE_STEPS) == "unknown"
    assert (ledger.spent.compute > 0) is (path == POOLING)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"aggregate": "median"}, "min, last, product, mean"),
        ({"activation": "tanh"}, "softmax, sigmoid or none"),
        ({"good_label": -1}, "from 0"),
        ({"separator": ""}, "empty"),
        ({"tag": ""}, "empty"),
    ],
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidOption, match=says):
        ProcessReward(PoolingBackend(ADDRESS), **options)


@pytest.mark.parametrize("name", ["timeout", "relative_cost", "max_concurrency"])
def test_a_backend_takes_no_limit_of_nothing(name: str) -> None:
    nothing: dict[str, Any] = {name: 0}
    with pytest.raises(InvalidOption, match=name):
        PoolingBackend(ADDRESS, **nothing)


def test_rewards_are_scorers_whose_worst_case_is_above_the_typical_one() -> None:
    backend = PoolingBackend(ADDRESS, relative_cost=0.25)
    for reward in (ProcessReward(backend), OutcomeReward(backend)):
        assert isinstance(reward, Scorer)
        assert reward.typical(100) == 25
        assert reward.worst(100).compute > 50
        assert reward.worst(100).requests == 1
