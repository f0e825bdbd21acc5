"""Reading a critique: whether it names an error that is really there to be looked at."""

from __future__ import annotations

import re

from its_agent.solution import AnswerType

_NOTHING_WRONG = re.compile(
    r"^\W*no errors?\b|\bno errors? (?:was|were|is|are)?\s*found\b|\bthere (?:is|are) no errors?\b"
    r"|\b(?:everything|(?:the|your|my) (?:solution|answer)) is (?:right|correct)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r'"([^"\n]+)"|“([^”\n]+)”|`([^`\n]+)`|\$+([^$\n]+)\$+|\\[(\[](.+?)\\[)\]]')
_MARKUP = re.compile(r"[\s*_`$\\\"“”]+")


def names_an_error(critique: str, solution: str, answer_type: AnswerType) -> bool:
    """Whether a critique is reason enough to write another solution.

    Where the answer is a value, it must quote words of the solution: models find errors in right
    solutions when they are asked for some (arXiv 2310.01798), and one that cannot be pointed at is
    not believed. Of free text anything may be criticised, what is missing included.
    """
    if not critique.strip() or _NOTHING_WRONG.search(critique):
        return False
    return answer_type == "text" or _quotes(critique, solution)


def _quotes(critique: str, solution: str) -> bool:
    text = _plain(solution)
    quoted = ("".join(groups) for groups in _QUOTED.findall(critique))
    return any(_says_something(words) and _plain(words) in text for words in quoted)


def _says_something(words: str) -> bool:
    """A number, or more than one word."""
    return any(mark.isdigit() for mark in words) or len(words.split()) > 1


def _plain(text: str) -> str:
    """Without spaces, markup and the stop at the end, which quotations change."""
    return _MARKUP.sub("", text).casefold().rstrip(".,;:!?…")
