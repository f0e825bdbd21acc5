"""What a sample says: its thinking, its text, and the answer in it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from its_agent.answers import extract_answer
from its_agent.backends.sample import Sample
from its_agent.graphs.context import Context
from its_agent.prompts import PROGRAM_ARM
from its_agent.solution import AnswerType
from its_agent.thinking.tags import parted


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A sample, read. Without thinking it is all text."""

    thinking: str
    text: str
    answer: str | None


def read(sample: Sample, answer_type: AnswerType) -> Said:
    """Read a sample; only a finished one has an answer, and never in its thinking."""
    thinking, text = parted(sample.text)
    return Said(
        thinking="\n\n".join(part for part in (sample.thinking, thinking) if part),
        text=text,
        answer=extract_answer(text, answer_type) if sample.finish == "stop" else None,
    )


async def read_all(
    context: Context, samples: Sequence[Sample], *, arm: str, answer_type: AnswerType
) -> list[Said]:
    """Read samples of one arm. Those that are programs have what they print for an answer."""
    said = [read(sample, answer_type) for sample in samples]
    if arm != PROGRAM_ARM:
        return said
    whole = {
        place: one.text
        for place, (sample, one) in enumerate(zip(samples, said, strict=True))
        if sample.finish == "stop" and one.text.strip()
    }
    printed = await _run(context, whole, answer_type)
    return [replace(one, answer=printed.get(place)) for place, one in enumerate(said)]


async def _run(
    context: Context, programs: Mapping[int, str], answer_type: AnswerType
) -> dict[int, str | None]:
    """Run programs as far as the time goes, and return what they print, by their places."""
    printed: dict[int, str | None] = {}
    runner = context.programs
    assert runner is not None

    async def run(place: int, program: str) -> None:
        try:
            printed[place] = await runner.answer(program, answer_type)
        except OSError as trouble:
            context.notes.append(f"a program could not be run: {trouble}")

    try:
        async with context.door.until_the_end(), asyncio.TaskGroup() as group:
            for place, program in programs.items():
                group.create_task(run(place, program))
    except TimeoutError:
        context.notes.append("the time was up before every program had run")
    return printed
