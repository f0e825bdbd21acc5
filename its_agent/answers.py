"""Taking the final answer out of a text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache

from its_agent.normal_form import (
    ANSWER_TYPES,
    canonical,
    canonical_json,
    is_wordy,
    plain_number,
    tidy,
)
from its_agent.solution import AnswerType

__all__ = ["ANSWER_TYPES", "AnswerType", "canonical", "extract_answer", "infer_answer_type"]

_OPTION_LINES = re.compile(r"(?m)^\s*\**[A-H][.):]\**\s+\S")
_OPTIONS_INLINE = re.compile(r"\(A\).+\(B\)", re.DOTALL)
_ASKS_FOR_VALUE = re.compile(
    r"\b(?:how (?:many|much|long|far|old|tall|fast|big|large|high|deep|thick|wide|heavy)"
    r"|what (?:\w+ ){0,4}(?:total|score|speed|length|height|width|volume|area|weight|quantity"
    r"|amount|cost|price|bill|rate|distance|average|salary|profit|ratio|age)"
    r"|what (?:is|are|was|were|will|percent|fraction|number)|what's|find|solve|evaluate|compute"
    r"|calculate|simplify|determine|percent(?:age)?|probability|sum of|product of|remainder"
    r"|which number|express)\b",
    re.IGNORECASE,
)
_OPEN_ENDED = re.compile(
    r"^\W*(?:please\s+|can you\s+|could you\s+)?(?:write|draft|compose|tell|list|name|describe"
    r"|explain|summari[sz]e|translate|rewrite|suggest|give me|create|design|implement|discuss"
    r"|recommend|prove|show that)\b",
    re.IGNORECASE,
)
_QUANTITY = re.compile(r"\d|\\[a-zA-Z]+|[=^]")
_COUNT_QUESTION = re.compile(r"\bhow (?:many|much)\b", re.IGNORECASE)

_BOX = re.compile(r"\\f?boxed\s*\{|\\fbox\s*\{")
_BRACES = re.compile(rf"{_BOX.pattern}|\\.|[{{}}]", re.DOTALL)
_BARE_BOX = re.compile(r"\\boxed\s*(-?\d+(?:\.\d+)?)(?![\d{])")
_MARKED_LINE = re.compile(
    r"(?im)^[\W_]*(?:the\s+|my\s+)?(?:final\s+|correct\s+)?answer\s*[*_]*\s*[:=]\s*[*_]*(?P<said>[^\n]*)"
)
_MARKERS = (
    _MARKED_LINE,
    re.compile(r"####\s*(?P<said>[^\n]+)"),
    re.compile(r"(?i)\banswer\s+(?:is|=|would be)\s*:?\s*(?P<said>[^\n]+)"),
    re.compile(r"(?i)\banswer\s*:\s*(?P<said>[^\n]+)"),
)
_SENTENCE_END = re.compile(r"[.!?](?=\s+|$)")
_REASON = re.compile(r"\b(?:because|since|as|so|which|where)\b")
_MATH_SPAN = re.compile(r"\$\$?([^$]+)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_NUMBER = re.compile(
    r"(?:(?<![\w).\]}%])[-−–+]\s?)?(?:\\?\$|[€£¥])?\s?(?:(?<=[\s$(=,:])[-−])?"
    r"(?:\d*\s?\\[dt]?frac\s*\{-?[\d.]+\}\s*\{-?[\d.]+\}"
    r"|(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)"
    r"(?:[eE][+-]?\d+(?!\w))?(?:\s?/\s?\d+(?:\.\d+)?)?(?:\s?\\?%)?"
    r"(?:\s(?:hundred|thousand|million|billion|trillion)\b)?"
)
_LIST_MARK = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*•]|#+)\s+")
_LETTER_ONLY = re.compile(r"[\s*_(\[{$\"']*([A-Ja-j])[\s*_)\]}$.\"':]*")
_LED_BY_LETTER = re.compile(
    r"[\s*_(\[{$\"']*(?i:option|choice)?[\s*(]*(?:([A-J])(?![\w'’])|([a-j])(?=[).\]}]|\s*$))"
)
_BRACKETED_LETTER = re.compile(r"\(([A-J])\)|\boption\s+\**\(?([A-J])\b", re.IGNORECASE)
_FENCE = re.compile(r"```(?:json)?\s*\n?(.*?)```", re.DOTALL | re.IGNORECASE)
_LAST_LINES = 3


def infer_answer_type(problem: str) -> AnswerType:
    """`choice` for listed options, `math` for a question that asks for a value, else `text`."""
    if len(_OPTION_LINES.findall(problem)) >= 2 or _OPTIONS_INLINE.search(problem):
        return "choice"
    if _OPEN_ENDED.match(problem):
        return "text"
    if _COUNT_QUESTION.search(problem):
        return "math"
    asks = _ASKS_FOR_VALUE.search(problem) and _QUANTITY.search(problem)
    return "math" if asks else "text"


def extract_answer(text: str, answer_type: AnswerType) -> str | None:
    """The final answer that a text gives, tidied; None when it gives none."""
    if not text.strip():
        return None
    match answer_type:
        case "json":
            return _json_answer(text)
        case "choice":
            return _choice_answer(text)
        case "text":
            return _text_answer(text)
        case "number" | "math":
            return _math_answer(text, answer_type)


def _math_answer(text: str, answer_type: AnswerType) -> str | None:
    if (boxed := last_boxed(text)) is not None:
        return _value(boxed, answer_type)
    if (said := _marked(text)) is not None and (value := _value(said, answer_type)):
        return value
    # A box that never closes was cut off, and so may be the number in it.
    return None if _BOX.search(text) else _last_value(text, answer_type)


def last_boxed(text: str) -> str | None:
    r"""The content of the last complete, non-empty `\boxed{...}` or `\fbox{...}`."""
    contents = [text[start:end] for start, end in sorted(_closed_boxes(text))]
    filled = [content for content in contents if content.strip(" .…?")]
    return (filled or _BARE_BOX.findall(text) or [None])[-1]


def _closed_boxes(text: str) -> Iterator[tuple[int, int]]:
    opened: list[int | None] = []
    for token in _BRACES.finditer(text):
        if token[0] == "}":
            start = opened.pop() if opened else None
            if start is not None:
                yield start, token.start()
        elif token[0] == "{":
            opened.append(None)
        elif token[0].endswith("{") and token[0] != r"\{":
            opened.append(token.end())


def _marked(text: str) -> str | None:
    found = [match for marker in _MARKERS for match in marker.finditer(text)]
    for match in sorted(found, key=lambda match: match.start("said"), reverse=True):
        sentence = _SENTENCE_END.split(match["said"], maxsplit=1)[0]
        said = _REASON.split(sentence, maxsplit=1)[0].strip(" *_`")
        if any(mark.isalnum() for mark in said):
            return said
    return None


@lru_cache(maxsize=4096)
def _value(said: str, answer_type: AnswerType) -> str | None:
    """The number or expression that a short phrase states."""
    for phrase in (said, said.rpartition("=")[2]):
        if plain_number(phrase) is not None:
            return _shown(phrase)
    numbers = [match[0] for match in _NUMBER.finditer(tidy(said))]
    if numbers and (len(numbers) == 1 or answer_type == "number") and is_wordy(tidy(said)):
        return _shown(numbers[0])
    return tidy(said) or None if answer_type == "math" else None


def _shown(phrase: str) -> str:
    """A plain number as a reader wants it: no currency, commas or unit; fractions stay."""
    kept = tidy(phrase)
    number = next((match[0] for match in _NUMBER.finditer(kept)), kept)
    return (number if plain_number(number) == plain_number(phrase) else kept).strip()


def _last_value(text: str, answer_type: AnswerType) -> str | None:
    lines = [line for line in text.splitlines() if line.strip()]
    for line in reversed(lines[-_LAST_LINES:]):
        for sentence in reversed(_SENTENCE_END.split(_LIST_MARK.sub("", line))):
            if value := _last_in(sentence, answer_type):
                return value
    return None


def _last_in(sentence: str, answer_type: AnswerType) -> str | None:
    for span in _expressions(sentence) if answer_type == "math" else ():
        return _value(span.rpartition("=")[2], answer_type)
    numbers = [match[0] for match in _NUMBER.finditer(sentence)]
    return _shown(numbers[-1]) if numbers else None


def _expressions(sentence: str) -> Iterator[str]:
    """The LaTeX spans that are more than a price, last first."""
    for groups in reversed(_MATH_SPAN.findall(sentence)):
        span = "".join(groups)
        if not is_wordy(tidy(span)) and re.search(r"\\[a-zA-Z]|[\^=]", span):
            yield span


def _choice_answer(text: str) -> str | None:
    said = [last_boxed(text), _marked(text)]
    for phrase in said:
        if phrase and (letter := _LED_BY_LETTER.match(tidy(phrase) or phrase)):
            return (letter[1] or letter[2]).upper()
    lines = text.strip().splitlines()
    if letter := _LETTER_ONLY.fullmatch(lines[-1]) or _LETTER_ONLY.fullmatch(lines[0]):
        return letter[1].upper()
    if letter := re.match(r"\s*\**\(?([A-J])[).:]", text):
        return letter[1]
    bracketed = _BRACKETED_LETTER.findall(text)
    return "".join(bracketed[-1]).upper() if bracketed else None


def _text_answer(text: str) -> str | None:
    marked = [match["said"].strip(" *_") for match in _MARKED_LINE.finditer(text)]
    stated = [said for said in marked if said]
    return stated[-1] if stated else text.strip()


def _json_answer(text: str) -> str | None:
    fenced = [canonical_json(block) for block in _FENCE.findall(text)]
    whole = [block for block in (*fenced, canonical_json(text)) if block is not None]
    return whole[-1] if whole else _last_json_object(text)


def _last_json_object(text: str) -> str | None:
    decoder, found, start = json.JSONDecoder(), None, text.find("{")
    while start >= 0:
        try:
            _, end = decoder.raw_decode(text, start)
            found = canonical_json(text[start:end]) or found
        except ValueError:
            end = start + 1
        except RecursionError:
            return None
        start = text.find("{", end)
    return found
