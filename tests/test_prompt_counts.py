"""What counted prompts say of others: never too little, and nothing where a server's usage lies."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from its_agent.backends.models import local_model
from its_agent.backends.prompt_counts import SEAMS, PromptCounts
from its_agent.backends.protocol import PromptBound, Request
from its_agent.solution import Message

HELLO = "How many eggs are there in 3 boxes of 6?"
NASTY = (
    "",
    "\n\n",
    " " * 300,
    "\U0001d160" * 40,
    "\u0958\ufb1f\u0390" * 40,
    "e\u0301\u0323" * 30,
    "\ufdfa" * 20,
    "👩‍👩‍👧‍👦" * 20,
    "한국어 문장입니다." * 10,
    "\x00\x01\x7f",
    "<|im_end|>\n<|im_start|>user\n",
    "\\boxed{1} " * 50,
)
"""Texts that normal forms make longer, that are cut finely, and that look like templates."""
TEMPLATES = (
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    "[INST] {} [/INST]",
    "{}",
)
FORMS = ("NFC", "NFD", "NFKC", "NFKD")
SYSTEM: Message = {"role": "system", "content": "Be brief."}

Count = Callable[[str], int]


def asking(text: str, *before: Message, **settings: Any) -> Request:
    return Request(messages=(*before, {"role": "user", "content": text}), max_tokens=8, **settings)


def trusted(text: str, tokens: int, *before: Message) -> PromptCounts:
    """A prompt was counted, and the usage of a request for one sample agreed."""
    known = PromptCounts()
    known.keep(asking(text, *before), tokens)
    known.told(asking(text, *before), tokens)
    return known


def bound(known: PromptCounts, request: Request) -> int | None:
    """A bound that is not a count."""
    told = known.bound(request)
    if told is None:
        return None
    assert not told.is_exact
    return told.tokens


def holds(count: Count, before: str, text: str) -> bool:
    """Whether what was counted of one text bounds another one."""
    if before == text:
        return True
    most = bound(trusted(before, count(before)), asking(text))
    return most is not None and count(text) <= most


@cache
def byte_pairs(normal_form: str) -> Tokenizer:
    """A byte-level tokenizer as chat models have them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = getattr(normalizers, normal_form)()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.train_from_iterator(
        [HELLO, *TEMPLATES, *NASTY] * 4,
        trainers.BpeTrainer(
            vocab_size=600,
            special_tokens=["<|im_start|>", "<|im_end|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return tokenizer


def counting(normal_form: str, template: str) -> Count:
    return lambda text: len(byte_pairs(normal_form).encode(template.format(text)).ids)


def test_a_bound_is_an_earlier_count_and_a_token_for_each_byte_of_the_new_text() -> None:
    known = trusted(HELLO, 30)
    assert bound(known, asking("abc")) == 30 + 3 + SEAMS
    assert bound(known, asking("äß")) == 30 + 5 + SEAMS
    assert known.bound(asking(HELLO)) == PromptBound(tokens=30, is_exact=True)


def test_the_shortest_earlier_prompt_says_most() -> None:
    known = trusted(HELLO, 30)
    known.keep(asking("Hi"), 19)
    known.keep(asking(HELLO * 9), 200)
    assert bound(known, asking("abc")) == 19 + 3 + SEAMS


@pytest.mark.parametrize(
    "other",
    [
        asking("abc"),
        asking("abc", {"role": "system", "content": "Be long."}),
        asking("abc", SYSTEM, thinking=True),
        asking("abc", SYSTEM, tools=({"type": "function"},)),
        Request(messages=(SYSTEM, {"role": "assistant", "content": "abc"}), max_tokens=8),
        Request(messages=(SYSTEM, {"role": "user", "content": [{"type": "image"}]}), max_tokens=8),
        Request(messages=(SYSTEM, {"role": "user", "content": "a", "name": "b"}), max_tokens=8),
        Request(messages=(), max_tokens=8),
    ],
)
def test_nothing_is_said_of_a_prompt_of_another_shape(other: Request) -> None:
    known = trusted(HELLO, 30, SYSTEM)
    assert bound(known, asking("abc", SYSTEM)) == 30 + 3 + SEAMS
    assert known.bound(other) is None


def test_nothing_is_bounded_before_a_usage_has_agreed_with_a_count() -> None:
    known = PromptCounts()
    known.keep(asking(HELLO), 30)
    assert known.bound(asking("abc")) is None
    known.told(asking("abc"), 20)
    assert known.of(asking("abc")) is None


@pytest.mark.parametrize("wrong", [0, 15, 29, 31, 120])
def test_one_usage_that_contradicts_a_count_ends_it(wrong: int) -> None:
    known = trusted(HELLO, 30)
    known.told(asking(HELLO), wrong)
    assert known.bound(asking("abc")) is None
    assert known.of(asking(HELLO)) == 30


def test_a_usage_that_has_agreed_counts_new_prompts() -> None:
    known = trusted(HELLO, 30)
    known.told(asking("abc"), 20)
    assert known.bound(asking("abc")) == PromptBound(tokens=20, is_exact=True)


@pytest.mark.parametrize("impossible", [0, -1, 30 + 3 + SEAMS + 1])
def test_a_usage_beyond_the_bound_counts_nothing_and_ends_it(impossible: int) -> None:
    known = trusted(HELLO, 30)
    known.told(asking("abc"), impossible)
    assert known.of(asking("abc")) is None
    assert known.bound(asking("abcd")) is None


def test_what_a_usage_says_of_several_samples_counts_once_it_has_agreed_for_several() -> None:
    known = trusted(HELLO, 30)
    known.told(asking("abc", n=4), 40)
    assert known.of(asking("abc")) is None
    known.told(asking(HELLO, n=4), 30)
    known.told(asking("abc", n=4), 20)
    assert known.of(asking("abc")) == 20


@pytest.mark.parametrize(("counted", "later"), [(20, 21), (10, None)])
def test_what_it_said_of_several_is_compared_once_the_server_was_asked(
    counted: int, later: int | None
) -> None:
    known = trusted(HELLO, 30)
    known.told(asking("abc", n=4), 20)
    known.keep(asking("abc"), counted)
    known.told(asking("abcd", n=4), 21)
    assert known.of(asking("abcd")) == later


@given(before=st.text(), text=st.text(), form=st.sampled_from(FORMS))
def test_a_byte_level_tokenizer_never_makes_more_of_a_text(
    before: str, text: str, form: str
) -> None:
    assert all(holds(counting(form, template), before, text) for template in TEMPLATES)


@pytest.mark.parametrize("text", NASTY)
def test_nor_does_it_of_what_normal_forms_make_longer(text: str) -> None:
    for form in FORMS:
        for template in TEMPLATES:
            assert all(holds(counting(form, template), before, text) for before in NASTY)


@given(before=st.text(), text=st.text(), form=st.sampled_from(("", *FORMS)))
def test_not_even_one_that_makes_a_token_of_every_byte(before: str, text: str, form: Any) -> None:
    def count(written: str) -> int:
        normal = unicodedata.normalize(form, written) if form else written
        return 7 + len(normal.encode(errors="surrogatepass"))

    assert holds(count, before, text)


@pytest.mark.parametrize("model", ["SmolLM2-135M-Instruct", "Qwen2.5-Coder-0.5B-Instruct"])
def test_nor_does_the_tokenizer_of_a_real_model(model: str) -> None:
    folder = local_model(model)
    if folder is None:
        pytest.skip(f"{model} is not on this machine: its-agent model fetch {model}")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    written = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    template = Environment(trim_blocks=True, lstrip_blocks=True).from_string(written)

    def count(text: str) -> int:
        asked = [{"role": "user", "content": text}]
        whole = template.render(messages=asked, add_generation_prompt=True)
        return len(tokenizer.encode(whole, add_special_tokens=False).ids)

    texts = (HELLO, *NASTY)
    assert all(holds(count, before, text) for before in texts for text in texts)
