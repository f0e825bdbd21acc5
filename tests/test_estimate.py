"""Estimates of token counts are never below the counts."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tiktoken import Encoding
from tokenizers import Tokenizer

from its_agent.backends import estimate
from its_agent.backends.estimate import (
    by_characters,
    by_encoding,
    estimate_prompt,
    estimate_tokens,
)
from its_agent.backends.models import ensure_model
from its_agent.backends.progress import silent

TEXTS = [
    "Natalia sold clips to 48 of her friends in April, and then half as many in May.",
    r"So \(\frac{3}{4} \cdot 16 = 12\), and \boxed{12}.",
    "1 2 3 4\n5 6 7 8\n13 13 12 11",
    "3141592653589793238462643383279",
    "def f(x):\n    return {'a': x[0], \"b\": [1, 2.5e-7]}",
    "+-*/=<>!@#$%^&*()((((((a+b)*c)-d)/e))",
    "一个农民有十七只羊，除了九只以外都死了。",
    "ሰላም ለዓለም እንዴት ነህ",
    "У фермера семнадцать овец.",
    "👩‍👩‍👧‍👦😀😁😂",
    "\n\n\n\t\t  \n",
]
LETTERS = Encoding(
    "letters",
    pat_str=r"[a-z]+|[0-9]{1,3}|.",
    mergeable_ranks={bytes([byte]): byte for byte in range(256)} | {b"ab": 256, b"12": 257},
    special_tokens={},
)
"""Bytes, and two pairs of them."""


@pytest.mark.parametrize(
    ("said", "tokens"),
    [("", 0), ("abcd", 2), ("abc", 2), ("17", 2), ("a 1", 3), ("é", 2), ("羊", 3), ("😀", 4)],
)
def test_two_letters_are_a_token_and_anything_else_is_its_bytes(said: str, tokens: int) -> None:
    assert by_characters(said) == tokens


@pytest.mark.engine
@pytest.mark.parametrize("said", TEXTS)
def test_no_estimate_is_below_a_real_tokenizer(said: str) -> None:
    folder = ensure_model("SmolLM2-135M-Instruct", progress=silent)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert by_characters(said) >= len(tokenizer.encode(said, add_special_tokens=False).ids)


def test_an_encoding_counts_digits_one_by_one_and_adds_its_margin() -> None:
    # "ab" is one token, "12" another and "3" a third; one by one the digits are three.
    assert by_encoding("ab123", LETTERS) == math.ceil(1.3 * (1 + 2 + 2))


def test_bytes_that_are_not_ascii_are_added() -> None:
    assert by_encoding("é", LETTERS) == math.ceil(1.3 * 2) + 2


def test_no_encoding_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert estimate_tokens("four words of it") == by_characters("four words of it")
    assert list(tmp_path.iterdir()) == []


def test_a_conversation_is_at_least_its_texts_and_tools_cost_their_words() -> None:
    asked = [{"role": "user", "content": "What is 17 + 25?"}]
    alone = estimate_prompt(asked)
    tool = {"type": "function", "function": {"name": "add"}}
    assert alone == estimate.PROMPT_OVERHEAD + estimate.MESSAGE_OVERHEAD + by_characters(
        "What is 17 + 25?"
    )
    assert estimate_prompt(asked, [tool]) > alone + estimate.TOOLS_OVERHEAD
