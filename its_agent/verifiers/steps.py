"""The steps of a solution, and the tokens at which a process reward model scores them."""

from __future__ import annotations

from its_agent.backends.pooling import PoolingBackend
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
    """The tokens of the conversation, and the position of each step's last token: the first one
    with which the text reaches over the step's last character.

    The text in front of a cut may be cut into tokens differently without what follows it, so that
    its own tokens are only a first guess, and the whole conversation's are spelt out from there.
    """
    answer = answer_of(conversation)
    whole = await backend.tokenize(with_answer(conversation, answer))
    length = len(await backend.detokenize(whole))
    ends: list[int] = []
    for end in step_ends(answer, separator)[:-1]:
        guess = len(await backend.tokenize(with_answer(conversation, answer[:end])))
        to_come = len(answer) - end
        ends.append(await _reaching(backend, whole, length - to_come, guess) - 1)
    return whole, (*ends, len(whole) - 1)


async def _reaching(
    backend: PoolingBackend, tokens: tuple[int, ...], characters: int, guess: int
) -> int:
    """How many tokens it takes to spell so many characters."""

    async def short(count: int) -> bool:
        return len(await backend.detokenize(tokens[:count])) < characters

    count = min(guess, len(tokens))
    while count < len(tokens) and await short(count):
        count += 1
    while count > 1 and not await short(count - 1):
        count -= 1
    return count


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
