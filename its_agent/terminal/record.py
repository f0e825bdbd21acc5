"""`its-agent record`: samples of many problems, and what scorers and other models make of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from its_agent.errors import InvalidOption
from its_agent.terminal.bench import make_writable
from its_agent.terminal.by_default import by_default
from its_agent.terminal.checks import listed
from its_agent.terminal.engine import Engine, engine
from its_agent.terminal.options import BaseUrl, MaxTokens, Model, TopP

if TYPE_CHECKING:
    from its_agent.bench.arms import SampledArm
    from its_agent.bench.pool_recording import Recorded
    from its_agent.bench.problems import BenchProblem
    from its_agent.verifiers import Conversation, Scorer

record_app = typer.Typer(
    cls=by_default("samples"),
    no_args_is_help=True,
    help="Record a pool of samples (record PROBLEMS.jsonl …), to replay and to calibrate on.",
)


@record_app.command()
def samples(
    problems: Annotated[Path, typer.Argument(help="JSON lines of id, problem, answer (or .gz).")],
    *,
    out: Annotated[Path, typer.Option(help="The pool; what is in it is not bought again.")],
    arms: Annotated[
        str, typer.Option(help="PROMPT@TEMPERATURExSAMPLES, with commas.")
    ] = "step_by_step@0x1,step_by_step@0.8x16",
    scorers: Annotated[
        str | None, typer.Option(help="Asked about every sample: p_true, rating.")
    ] = None,
    alternatives: Annotated[
        bool,
        typer.Option(help="Keep how sure each token was, by 20 alternatives; slows an engine."),
    ] = False,
    limit: Annotated[int, typer.Option(help="How many problems, from the first.")] = 100,
    exclude: Annotated[
        list[Path] | None,
        typer.Option(help="Leave out the problems of this file; may be given several times."),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Problems worked on at once.")] = 3,
    max_tokens: MaxTokens = 512,
    top_p: TopP = 0.95,
    model: Model = None,
    base_url: BaseUrl = None,
) -> None:
    """Sample many problems by every arm, with log-probabilities, into one file."""
    from its_agent.bench.arms import SampledArm
    from its_agent.bench.problems import read_problems

    chosen = read_problems(problems, limit=limit, exclude=exclude or [])
    wanted = [SampledArm.parse(spelt) for spelt in listed(arms, option="--arms")]
    asked = _scorers(scorers)
    make_writable(out)
    console = Console(stderr=True)
    with engine(base_url, model, console=console) as place, _bar(console) as bar:
        asyncio.run(
            _sample(
                place,
                chosen,
                wanted,
                asked,
                bar,
                out=out,
                alternatives=alternatives,
                concurrency=concurrency,
                max_tokens=max_tokens,
                top_p=top_p,
            )
        )


async def _sample(
    place: Engine,
    problems: Sequence[BenchProblem],
    arms: Sequence[SampledArm],
    scorers: Sequence[Scorer],
    bar: Progress,
    *,
    out: Path,
    alternatives: bool,
    concurrency: int,
    max_tokens: int,
    top_p: float,
) -> None:
    from its_agent.backends.recording import RecordingBackend
    from its_agent.bench.pool_recording import record_samples

    task = bar.add_task("problems", total=len(problems))

    def tell(one: Recorded) -> None:
        bar.advance(task)
        bar.console.print(
            f"{one.id}: {one.samples} finished samples; {one.bought_tokens:,} tokens bought so far",
            highlight=False,
        )

    backend = RecordingBackend(
        place.backend(), out, max_tokens=max_tokens, alternatives=alternatives
    )
    async with aclosing(backend):
        await record_samples(
            problems,
            arms,
            backend,
            scorers=scorers,
            concurrency=concurrency,
            on_problem=tell,
            max_tokens=max_tokens,
            top_p=top_p,
        )


@record_app.command()
def readings(
    pools: Annotated[list[Path], typer.Argument(help="Pools whose finished samples are read.")],
    *,
    out: Annotated[Path, typer.Option(help="Where the readings go; those in it are kept.")],
    limit: Annotated[
        int | None, typer.Option(min=1, help="Samples to read this time; all without it.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Samples read at once.")] = 4,
    model: Model = None,
    base_url: BaseUrl = None,
) -> None:
    """Let another model read the samples: how likely it finds each of their tokens."""
    from its_agent.backends.pool_file import Pool, read_pool, read_record
    from its_agent.bench.pool_recording import unread

    make_writable(out)
    pool = Pool(rows=read_pool(pools).rows, readings=read_record(out).readings)
    console = Console(stderr=True)
    with engine(base_url, model, console=console) as place, _bar(console) as bar:
        name = place.model or asyncio.run(_served(place))
        waiting = unread(pool, name)[:limit]
        asyncio.run(_read(place, name, waiting, bar, out=out, concurrency=concurrency))


async def _served(place: Engine) -> str:
    async with aclosing(place.backend()) as backend:
        return (await backend.offer()).fingerprint.model


async def _read(
    place: Engine,
    model: str,
    conversations: Sequence[Conversation],
    bar: Progress,
    *,
    out: Path,
    concurrency: int,
) -> None:
    from its_agent.bench.pool_recording import record_readings

    task = bar.add_task("samples", total=len(conversations))
    async with aclosing(place.reader(model)) as reader:
        await record_readings(
            conversations,
            reader,
            out,
            model=model,
            concurrency=concurrency,
            on_reading=lambda _: bar.advance(task),
        )


def _scorers(names: str | None) -> list[Scorer]:
    from its_agent.verifiers import PTrue, Rating

    known = {"p_true": PTrue, "rating": Rating}
    chosen = listed(names, option="--scorers") if names else []
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise InvalidOption(f"--scorers takes {', '.join(known)}, got {', '.join(unknown)}")
    return [known[name]() for name in chosen]


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console)
