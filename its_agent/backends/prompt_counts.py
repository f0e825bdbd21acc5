"""Prompts whose tokens are known, and what they say of others that differ in the last message."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from its_agent.backends.protocol import PromptBound, Request

SEAMS = 16
"""Tokens that a template may have more around one text than around another, whose ends it may share
tokens with."""
_KEPT = 4_096
_FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")


@dataclass(frozen=True, slots=True)
class _Prompt:
    """What a prompt is kept by, and the shape that it has but for the last message's text."""

    key: bytes
    shape: bytes
    text: str | None
    """That text, where it is a user's and the shape says the rest; None where nothing follows from
    other prompts."""


class PromptCounts:
    """Counts of prompts, and bounds of those that end in another user's text.

    No tokenizer makes more tokens of a text than it has bytes, and what a chat template puts around
    it is part of any count of the same shape. A server's usage is taken for a count once it has
    agreed with what the server counted when asked, for several samples once it has for several; one
    contradiction, and it is not any more, and nothing is bounded.
    """

    def __init__(self) -> None:
        self._last: tuple[Request, _Prompt] | None = None
        self._counts: OrderedDict[bytes, int] = OrderedDict()
        self._least: OrderedDict[bytes, int] = OrderedDict()
        self._unproven: dict[bytes, tuple[bool, int]] = {}
        self._agreed: set[bool] = set()
        self._contradicted = False

    def of(self, request: Request) -> int | None:
        """The prompt's tokens, where they are known."""
        return _found(self._counts, self._read(request).key)

    def bound(self, request: Request) -> PromptBound | None:
        """The prompt's tokens, or no fewer than they can be; None where nothing is known."""
        prompt = self._read(request)
        count = _found(self._counts, prompt.key)
        if count is not None:
            return PromptBound(tokens=count, is_exact=True)
        most = self._most(prompt)
        return None if most is None else PromptBound(tokens=most, is_exact=False)

    def keep(self, request: Request, tokens: int) -> None:
        """Note what the server counted when it was asked."""
        prompt = self._read(request)
        self._keep(prompt, tokens)
        several, told = self._unproven.pop(prompt.key, (False, None))
        if told is not None:
            self._compare(several, agrees=told == tokens)

    def told(self, request: Request, tokens: int) -> None:
        """Note what the server's usage says of a prompt that it was sent."""
        prompt, several = self._read(request), request.n > 1
        count, most = self._counts.get(prompt.key), self._most(prompt)
        if count is not None:
            self._compare(several, agrees=tokens == count)
        elif most is not None and not 0 < tokens <= most:
            self._contradicted = True
        elif most is not None and several in self._agreed:
            self._keep(prompt, tokens)
        elif most is not None:
            self._unproven[prompt.key] = (several, tokens)

    def _read(self, request: Request) -> _Prompt:
        """One prompt is looked at several times in a row, under as many requests."""
        if self._last is None or not _is_alike(request, self._last[0]):
            self._last = request, _read(request)
        return self._last[1]

    def _most(self, prompt: _Prompt) -> int | None:
        least = _found(self._least, prompt.shape)
        if prompt.text is None or least is None or self._contradicted or not self._agreed:
            return None
        return least + _most_bytes(prompt.text) + SEAMS

    def _compare(self, several: bool, *, agrees: bool) -> None:
        self._unproven.clear()
        if agrees:
            self._agreed.add(several)
        else:
            self._contradicted = True

    def _keep(self, prompt: _Prompt, tokens: int) -> None:
        _put(self._counts, prompt.key, tokens)
        if prompt.text is not None:
            _put(self._least, prompt.shape, min(tokens, self._least.get(prompt.shape, tokens)))


def _read(request: Request) -> _Prompt:
    *before, last = request.messages or ({},)
    digest = hashlib.blake2b(
        repr((before, request.tools, request.continue_partial, request.thinking)).encode(),
        digest_size=16,
    )
    shape = digest.digest()
    digest.update(repr(last).encode())
    text = last.get("content")
    is_plain = last.keys() == {"role", "content"} and last["role"] == "user"
    follows = is_plain and isinstance(text, str) and not request.tools
    return _Prompt(key=digest.digest(), shape=shape, text=text if follows else None)


def _is_alike(one: Request, other: Request) -> bool:
    """Whether the prompts are the same."""
    is_same = one.messages == other.messages and one.tools is other.tools
    settings = one.continue_partial, one.thinking
    return is_same and settings == (other.continue_partial, other.thinking)


def _most_bytes(text: str) -> int:
    """Most bytes that a tokenizer can see, whichever way it normalizes a text."""
    if text.isascii():
        return len(text)
    forms = (text, *(unicodedata.normalize(form, text) for form in _FORMS))
    return max(len(form.encode(errors="surrogatepass")) for form in forms)


def _found(kept: OrderedDict[bytes, int], key: bytes) -> int | None:
    if key in kept:
        kept.move_to_end(key)
    return kept.get(key)


def _put(kept: OrderedDict[bytes, int], key: bytes, tokens: int) -> None:
    kept[key] = tokens
    kept.move_to_end(key)
    if len(kept) > _KEPT:
        kept.popitem(last=False)
