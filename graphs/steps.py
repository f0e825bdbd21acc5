"""How a solution is cut into steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from its_agent.backends.sample import Sample
from its_agent.errors import InvalidOption

MOST_TOKENS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Where a step ends: at the first of the strings `stop`, which stay part of its text, or after
    `tokens` tokens. Either may be left out; a search has a limit of its own on a step's tokens.

    Raises InvalidOption where nothing ends a step, for a string of nothing but spaces, and for
    less than one token.
    """

    stop: tuple[str, ...] = ()
    tokens: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.stop, str) or not all(_is_stop(string) for string in self.stop):
            raise InvalidOption(
                f"stop={self.stop!r}; give a tuple of strings that are not empty or only spaces"
            )
        if self.tokens is not None and not _is_count(self.tokens):
            raise InvalidOption(f"tokens={self.tokens!r}; give a whole number of 1 or more")
        if not self.stop and self.tokens is None:
            raise InvalidOption("nothing ends a step; give stop strings, or a number of tokens")

    def most(self, limit: int) -> int:
        """Most tokens of one step, where a search allows `limit`."""
        return limit if self.tokens is None else self.tokens


def is_complete(step: Sample, stop: Sequence[str]) -> bool:
    """Whether the text ends with this step: the model ended it, and no stop string of its request
    did. A step that ran out of tokens is only a step."""
    return step.finish == "stop" and _ended_by(step.text, stop) is None


def text_of(step: Sample, stop: Sequence[str]) -> str:
    """The step's text, less the spaces of the string that ended it: to a tokenizer they belong to
    the word that follows, and a model goes on badly after a space of its own."""
    ended_by = _ended_by(step.text, stop)
    return step.text if ended_by is None or ended_by[-1] != " " else step.text.rstrip(" ")


def _ended_by(text: str, stop: Sequence[str]) -> str | None:
    return next((string for string in stop if text.endswith(string)), None)


def _is_stop(string: object) -> bool:
    return isinstance(string, str) and bool(string.strip(" "))


def _is_count(tokens: object) -> bool:
    return isinstance(tokens, int) and not isinstance(tokens, bool) and 1 <= tokens <= MOST_TOKENS


PARAGRAPHS = Steps(stop=("\n\n",))
SENTENCES = Steps(stop=(". ", "? ", "! ", "\n\n"))
"""Not at a single line break: where a tokenizer has one token for two of them, a cut after the
first would leave a text that the model did not write."""
STEPS: Mapping[str, Steps] = MappingProxyType({"paragraph": PARAGRAPHS, "sentence": SENTENCES})


def steps_named(asked: object) -> Steps:
    """Take a Steps as it is, or find that of a name. Raises InvalidOption, listing the names."""
    if isinstance(asked, Steps):
        return asked
    if not isinstance(asked, str) or asked not in STEPS:
        raise InvalidOption(
            f"unknown steps {asked!r}; known: {', '.join(STEPS)}, or a Steps with stop strings or "
            "a number of tokens"
        )
    return STEPS[asked]
