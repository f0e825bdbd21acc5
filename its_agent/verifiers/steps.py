"""The steps of a solution, and the tokens at which a process reward model scores them."""

from __future__ import annotations

from its_agent.backends.pooling import PoolingBackend
from its_agent.backends.text_reader import shared_start
from its_agent.verifiers.protocol import Conversation
from its_agent.verifiers.side_by_side import answer_of, with_answer


def split_steps(text: str, separator: str) -> tuple[str, ...]:
    """The steps of a text, without white space around them; blank ones do not count."""
    return tuple(step.strip() for step in text.split(separator) if step.strip())


def step_ends(text: str, separator: str) -> tuple[int, ...]:
    """Where each step ends, in characters: behind its separator, the last one at the text's end."""
    ends: list[int] = []
    at = 0
    for piece in text.split(separator):
        at = min(at + len(piece) + len(separator), len(text))
        if piece.strip():
            ends.append(at)
    return tuple(ends)


async def tokens_at_separators(
    backend: PoolingBackend, conversation: Conversation, separator: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens of the conversation, and the position of each step's last token.

    A step ends where the conversation, cut off behind its separator, does: at that text's last
    token where the whole text has it too, else at the token in the whole text that reaches across
    the cut. So no tokenizer's own way of counting characters is asked for.
    """
    answer = answer_of(conversation)
    whole = await backend.tokenize(with_answer(conversation, answer))
    ends: list[int] = []
    for end in step_ends(answer, separator)[:-1]:
        cut = await backend.tokenize(with_answer(conversation, answer[:end]))
        shared = shared_start(cut, whole)
        ends.append(shared - 1 if shared == len(cut) else shared)
    return whole, (*ends, len(whole) - 1)


async def tokens_at_tags(
    backend: PoolingBackend, conversation: Conversation, separator: str, tag: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens of the conversation with a tag behind each step in place of its separator, and the
    positions of the tags; none where other texts hold the tag, too, or it is not one token."""
    steps = split_steps(answer_of(conversation), separator)
    tagged = "".join(step + tag for step in steps)
    whole = await backend.tokenize(with_answer(conversation, tagged))
    mark = await backend.tokenize_mark(tag)
    ends = tuple(i for i, token in enumerate(whole) if (token,) == mark)
    return whole, ends if len(ends) == len(steps) else ()
