"""Which candidate a judge names that saw all of them at once, against a checklist of its own
(CHOPS, arXiv 2506.20544)."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NOUN = r"(?:answers?|candidates?|responses?|solutions?|options?|choices?|repl(?:y|ies)|texts?|one)"
_MARKS = r"[\s\"'“”*_`#\[({]{0,9}"
_NUMBERED = rf"(?:{_NOUN}\b)?{_MARKS}(?:(?:number|no\.?|nr\.?)(?![a-z]))?{_MARKS}"
_SAYS = r"(?:\s{0,3}(?:[:=]|->|→|\b(?:is|was)\b:?)|\s{1,3}[-–—](?=\s))"
_NUMBER = r"(?P<number>[0-9]{1,6})(?![0-9])"
_ANOTHER = (
    r"(?P<another>\.[0-9]|[^\S\n]{0,3}%|[^\S\n\"'*_`\])}]{0,9}[^\w\n]{0,9}"
    r"(?:[-–—,/&]|(?<=\s)(?:and|or|to|of|out of)\b|(?<=\s))[^\w\n]{0,9}[0-9])?"
)

_LABELLED = re.compile(
    rf"(?<!second )(?<!second-)(?<!third )(?<!third-)(?<!next )(?<!next-)(?<![a-z])best"
    rf"{_MARKS}{_NUMBERED}(?:overall\b)?{_MARKS}{_SAYS}{_MARKS}{_NUMBERED}{_NUMBER}{_ANOTHER}",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    rf"\b{_NOUN}{_MARKS}{_NUMBER}(?P<another>)[\"'*_`\])]{{0,9}}\s{{1,3}}(?:is|was)"
    r"(?:\s{1,3}(?:clearly|overall|therefore|thus))?\s{1,3}the\s{1,3}best\b(?!-)",
    re.IGNORECASE,
)
_ALONE = re.compile(
    rf"\s*{_MARKS}{_NUMBERED}{_NUMBER}(?P<another>)[\"'*_`\])}}.]{{0,9}}\s*", re.IGNORECASE
)


def best_named(reply: str, count: int) -> int | None:
    """The place, from 0, of the one candidate of `count`, numbered from 1, that a reply names best.

    Reads `Best: 3`, `**Best answer: [3]**`, `{"best": 3}`, `The best one is no. 3`, `Answer 3 is
    the best`, and a number that stands alone. None where the reply names nobody, several, a
    number that no candidate has, or a number that may be a rating (`3/5`, `3.5`).
    """
    named = set(_named(reply))
    if len(named) != 1:
        return None
    number = named.pop()
    return number - 1 if number is not None and 1 <= number <= count else None


def _named(reply: str) -> Iterator[int | None]:
    """The numbers of the most explicit form that the reply has; None for one with another beside
    it."""
    for form in (_LABELLED, _SENTENCE):
        found = list(form.finditer(reply))
        if found:
            yield from (None if one["another"] else int(one["number"]) for one in found)
            return
    alone = _ALONE.fullmatch(reply)
    if alone:
        yield int(alone["number"])
