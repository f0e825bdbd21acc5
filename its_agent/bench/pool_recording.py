"""Recording a pool: many problems, every arm, and what scorers and other models make of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from its_agent.backends.account import Account
from its_agent.backends.metered import MeteredBackend
from its_agent.backends.pool_file import Pool, ReadingRow, append_line
from its_agent.backends.protocol import Request
from its_agent.backends.recording import Label, RecordingBackend
from its_agent.backends.shelves import READ_TOKENS, said
from its_agent.backends.text_reader import TextReader
from its_agent.bench.arms import SampledArm
from its_agent.bench.collected import texts_of
from its_agent.bench.first_request import Posed
from its_agent.bench.problems import BenchProblem
from its_agent.budget import Budget
from its_agent.errors import BackendLost
from its_agent.events import Emitter
from its_agent.ledger import Ledger
from its_agent.solution import Message
from its_agent.together import together
from its_agent.verifiers import Conversation, Scorer

AT_ONCE = 16
"""Samples of one request at most."""
_DIGITS = 2
"""Of a reading's log-probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One problem of which everything is there."""

    id: str
    samples: int
    bought_tokens: int
    """Generated for the whole recording so far; what was there before is not counted."""


async def record_samples(
    problems: Sequence[BenchProblem],
    arms: Sequence[SampledArm],
    backend: RecordingBackend,
    *,
    scorers: Sequence[Scorer] = (),
    concurrency: int,
    on_problem: Callable[[Recorded], None],
    max_tokens: int = 512,
    top_p: float = 0.95,
) -> None:
    """Take every arm's samples of every problem, and what the scorers ask about each finished one;
    what the record holds is not bought again. Raises BackendError."""
    places = asyncio.Semaphore(concurrency)
    base = Request(messages=(), max_tokens=max_tokens, top_p=top_p)

    async def one(problem: BenchProblem) -> None:
        async with places:
            taken = [await _sampled(problem, arm, backend, base) for arm in arms]
            texts = [pair for pairs in taken for pair in pairs]
            for scorer in scorers if texts else ():
                await _scored(problem, scorer, texts, backend)
        on_problem(Recorded(id=problem.id, samples=len(texts), bought_tokens=backend.bought_tokens))

    async with together() as group:
        for problem in problems:
            group.create_task(one(problem))


def _label(problem: BenchProblem, arm: str) -> Label:
    return Label(id=problem.id, problem=problem.problem, answer=problem.answer, arm=arm)


async def _sampled(
    problem: BenchProblem, arm: SampledArm, backend: RecordingBackend, base: Request
) -> list[Conversation]:
    """Each finished sample behind the prompt that it answers."""
    messages = Posed.of(problem, arm.prompt).messages
    request = replace(base, messages=messages, temperature=arm.temperature)
    texts: list[str | None] = []
    with backend.replay(_label(problem, arm.prompt)):
        for first in range(0, arm.samples, AT_ONCE):
            some = replace(request, n=min(AT_ONCE, arm.samples - first))
            texts += (await texts_of(backend, some))[0]
    return [(*messages, _answer(text)) for text in texts if text is not None]


def _answer(text: str) -> Message:
    return {"role": "assistant", "content": text}


async def _scored(
    problem: BenchProblem,
    scorer: Scorer,
    conversations: Sequence[Conversation],
    backend: RecordingBackend,
) -> None:
    """Let a scorer ask what it asks: the record keeps it. Equal texts are asked about once."""
    different = list({said(one): one for one in conversations}.values())
    async with _unlimited(backend) as account:
        with backend.replay(_label(problem, scorer.name)):
            readings = await scorer.score(different, account)
    if "broken" in readings:
        raise BackendLost("; ".join(dict.fromkeys(account.notes)))


@asynccontextmanager
async def _unlimited(backend: RecordingBackend) -> AsyncGenerator[Account]:
    ledger = Ledger(Budget(seconds=86_400), clock=asyncio.get_running_loop().time)
    door = MeteredBackend(backend, ledger, Emitter(ledger, ()), offer=await backend.offer())
    yield Account(door=door)


def unread(pool: Pool, reader: str) -> list[Conversation]:
    """Every sample that was finished and this model has not read, once, in the pool's order."""
    seen = {reading.of for reading in pool.readings if reading.reader == reader}
    found: list[Conversation] = []
    for row in pool.rows:
        if row.max_tokens <= READ_TOKENS:
            continue
        for sample in row.samples:
            conversation = (*row.conversation, _answer(sample.text))
            if sample.finish == "stop" and said(conversation) not in seen:
                seen.add(said(conversation))
                found.append(conversation)
    return found


async def record_readings(
    conversations: Iterable[Conversation],
    reader: TextReader,
    out: Path,
    *,
    model: str,
    concurrency: int,
    on_reading: Callable[[ReadingRow], None],
) -> None:
    """Let another model read answers, and write down how likely it finds each of their tokens; one
    with a token that it finds impossible is left out. Raises BackendError."""
    waiting = iter(conversations)

    async def work() -> None:
        for conversation in waiting:
            text = await reader.tokenize_text(conversation)
            told = await reader.read_text(text)
            if None in told.logprobs or not told.logprobs:
                continue
            row = ReadingRow(
                reader=model,
                of=said(conversation),
                prompt_tokens=len(text.tokens),
                logprobs=tuple(round(one, _DIGITS) for one in told.logprobs if one is not None),
            )
            append_line(out, row)
            on_reading(row)

    async with together() as group:
        for _ in range(concurrency):
            group.create_task(work())
