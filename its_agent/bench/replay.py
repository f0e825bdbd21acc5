"""Replaying a recorded pool: every strategy meets the same samples in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from its_agent.backends.pool import PoolBackend
from its_agent.backends.pool_file import read_pool
from its_agent.backends.priced import cost_beside
from its_agent.backends.protocol import Request
from its_agent.bench.first_request import first_request
from its_agent.bench.problems import BenchProblem
from its_agent.bench.run import Job, check_same_engine, run_jobs
from its_agent.bench.runs import Run
from its_agent.bench.seats import LONE
from its_agent.difficulty.calibrate import cross_fitted
from its_agent.difficulty.graded import graded
from its_agent.difficulty.profile import Profile
from its_agent.errors import InvalidInput, InvalidOption


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Files of recorded samples, and the models whose samples are replayed."""

    files: tuple[Path, ...]
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    """The models by the names that strategies have for them, the usual one first; empty where the
    files hold one model's samples."""

    @property
    def usual(self) -> str:
        """The name of the first model."""
        return next(iter(self.models), LONE)

    def backends(self, order: int = 0) -> dict[str, PoolBackend]:
        """A pool for each model, in the order of this number; a token of another model than the
        first costs by its size. Raises InvalidOption."""
        if not self.models:
            return {LONE: PoolBackend(self.files, seed=order)}
        usual = next(iter(self.models.values()))
        return {
            name: PoolBackend(
                self.files, seed=order, model=model, relative_cost=cost_beside(model, usual)
            )
            for name, model in self.models.items()
        }

    def told(self, profiles: Sequence[Profile]) -> dict[str, Profile]:
        """Each profile by the name of the model that it was fitted on; one that was fitted on none
        of them by the usual one's. Raises InvalidOption for two of one model."""
        names = {model: name for name, model in self.models.items()}
        known = dict[str, Profile]()
        for profile in profiles:
            name = names.get(profile.model, self.usual)
            if name in known:
                raise InvalidOption(
                    f"{known[name].model} and {profile.model} are profiles for one model; give "
                    "--profile once for each model of --models"
                )
            known[name] = profile
        return known

    def __str__(self) -> str:
        return ", ".join(map(str, self.files))


async def held_problems(
    problems: Sequence[BenchProblem], pool: Recorded, *, temperature: float, top_p: float
) -> list[BenchProblem]:
    """The problems that the pool has samples of under this sampling, in their order; of further
    models than the first greedy ones will do.

    Raises InvalidInput when it has none, and InvalidOption for a file that is no pool.
    """
    sampling = Request(messages=(), max_tokens=512, temperature=temperature, top_p=top_p)
    held, known = list(problems), set[str]()
    accepted = [sampling]
    for backend in pool.backends().values():
        known |= {f"{row.temperature:g} and {row.top_p:g}" for row in backend.rows}
        held = [
            one
            for one in held
            if any([await backend.supply(first_request(one, way)) for way in accepted])
        ]
        accepted = [sampling, replace(sampling, temperature=0.0, top_p=1.0)]
    if not held:
        raise InvalidInput(
            f"the pool {pool} holds none of these problems at temperature {temperature:g} and "
            f"top-p {top_p:g}; its samples were taken at {'; '.join(sorted(known))}"
        )
    return held


async def replay_jobs(
    plans: Sequence[Sequence[Sequence[Job]]],
    pool: Recorded,
    *,
    earlier: Sequence[Run],
    command: str,
    on_run: Callable[[Run], None],
    max_tokens: int,
    temperature: float,
    top_p: float,
    folds: int = 0,
    profiles: Sequence[Profile] = (),
) -> None:
    """Make the runs of each order's plan on the pool in that order, one at a time.

    With `folds` every problem is met with profiles that were fitted on the other parts of the pool,
    without with `profiles`, as `Recorded.told` has them, else with the shipped ones. Raises
    InvalidInput when earlier runs come from something else, or the pool cannot be split so,
    InvalidOption for two profiles of one model, and MissingExtra where a profile cannot be fitted.
    """
    left = [(order, plan) for order, plan in enumerate(plans) if plan]
    told = _Part(profiles=pool.told(profiles))
    parts = list(_fitted_without(pool, folds)) if left and folds else [told]
    for order, plan in left:
        backends = pool.backends(order)
        offers = [await backend.offer() for backend in backends.values()]
        check_same_engine(earlier, *(offer.fingerprint for offer in offers))
        for part in parts:
            await run_jobs(
                part.of(plan),
                backends,
                concurrency=1,
                command=command,
                on_run=on_run,
                max_tokens=max_tokens,
                temperature=temperature,
                top_p=top_p,
                profile=part.profiles,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Problems that are met with the same profiles."""

    profiles: Mapping[str, Profile] = field(default_factory=dict[str, Profile])
    """By model; the shipped ones else."""
    ids: frozenset[str] | None = None
    """None for all problems."""

    def of(self, plan: Sequence[Sequence[Job]]) -> list[Sequence[Job]]:
        if self.ids is None:
            return list(plan)
        return [jobs for jobs in plan if jobs[0].problem.id in self.ids]


def _fitted_without(pool: Recorded, folds: int) -> Iterator[_Part]:
    """The parts of the pool, each with profiles of the others: of every model from the same
    problems."""
    rows = read_pool(pool.files).rows
    backends = pool.backends()
    problems = {name: graded(rows, model=one.model) for name, one in backends.items()}
    held = [{one.id for one in listed} for listed in problems.values()]
    shared = set[str].intersection(*held)
    fitted = [
        cross_fitted(
            [one for one in problems[name] if one.id in shared],
            model=backend.model,
            folds=folds,
        )
        for name, backend in backends.items()
    ]
    for parts in zip(*fitted, strict=True):
        yield _Part(
            profiles=dict(zip(backends, (part.profile for part in parts), strict=True)),
            ids=frozenset(one.id for one in parts[0].held_out),
        )
