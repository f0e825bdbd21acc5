"""Thinking that a model writes into its text, between tags."""

from __future__ import annotations

from typing import NamedTuple

OPEN, CLOSE = "<think>", "</think>"


class Parted(NamedTuple):
    """A text in two: what was thought, and what was said."""

    thinking: str
    answer: str


def parted(text: str) -> Parted:
    """Take the thinking apart. The opening tag may be missing, as many templates write it into the
    prompt; without the closing one all that follows is thought, and nothing is said."""
    before, close, after = text.rpartition(CLOSE)
    if not close:
        before, opened, thought = text.partition(OPEN)
        return Parted(thought.strip(), "") if opened and not before.strip() else Parted("", text)
    return Parted(before.strip().removeprefix(OPEN).strip(), after.lstrip())


def is_open(text: str) -> bool:
    """Whether a text ends in the middle of its thinking."""
    return text.rfind(OPEN) > text.rfind(CLOSE)


def rejoined(thinking: str, said: str, *, is_over: bool) -> str:
    """One text of thinking that a server keeps apart, and of what was said after it."""
    if not thinking:
        return said
    return f"{OPEN}\n{thinking}" + (f"\n{CLOSE}\n\n{said}" if said or is_over else "")
