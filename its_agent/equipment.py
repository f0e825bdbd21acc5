"""What all runs of one agent share, and the live Context that is made of it for one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from its_agent.backends.connect import Met, Named, meet
from its_agent.backends.meter import Meter
from its_agent.backends.metered import MeteredBackend
from its_agent.backends.protocol import Backend
from its_agent.backends.retry import insistent
from its_agent.budget import Budget, Prices, Usage
from its_agent.difficulty.profile import Profile, check_model, profile_of
from its_agent.equality import AnswerEquality
from its_agent.errors import BackendUnreachable
from its_agent.events import Emitter
from its_agent.graphs.context import Context, Model, Settings
from its_agent.graphs.state import State
from its_agent.ledger import SOLVE, Ledger
from its_agent.policy import Strategy
from its_agent.preflight import counted
from its_agent.run_options import RunOptions
from its_agent.solution import Candidate, Exemplar
from its_agent.stop_signal import StopSignal
from its_agent.verifiers import CodeTests, Examiner, JsonSchema, Sandbox, Scorer, Verifier, Witness
from its_agent.verifiers.programs import Programs


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What knows right answers to one problem."""

    verifiers: tuple[Verifier, ...]
    examiners: tuple[Examiner, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What all runs of one agent share."""

    backends: tuple[Named, ...]
    """The usual model's first."""
    strategy: Strategy
    settings: Settings
    equality: AnswerEquality
    prices: Prices | None = None
    verifiers: tuple[Verifier, ...] = ()
    examiners: tuple[Examiner, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    scorers: tuple[Scorer, ...] = ()
    sandbox: Sandbox | None = None
    """Runs the programs of a strategy that asks for them."""
    exemplars: tuple[Exemplar, ...] = ()
    """Shown before every problem that has none of its own."""
    profiles: Mapping[str, Profile] = field(default_factory=dict[str, Profile])
    """How a model's samples behave, by the backend's name; the shipped one of the model else."""

    @property
    def backend(self) -> Backend:
        """The usual model's."""
        return self.backends[0].backend

    def checks(self, state: State) -> Checks:
        """The agent's own, and the problem's schema and tests. Raises InvalidOption for a schema
        that is none, and MissingExtra for tests without a sandbox."""
        tests, schema = state.task.get("tests"), state.schema
        return Checks(
            verifiers=self.verifiers if schema is None else (*self.verifiers, JsonSchema(schema)),
            examiners=(*self.examiners, CodeTests(tests)) if tests else self.examiners,
        )

    def _profile(self, met: Met) -> Profile | None:
        """Raises InvalidOption for another model's."""
        if not self.strategy.estimates:
            return None
        model = met.offer.fingerprint.model
        if met.name not in self.profiles:
            return profile_of(model)
        check_model(self.profiles[met.name], model)
        return self.profiles[met.name]

    def ledger(
        self,
        budget: Budget,
        options: RunOptions,
        spent: Mapping[str, Usage] | None = None,
        elapsed: float = 0.0,
    ) -> Ledger:
        """The run's own ledger, below the one that it shares with others."""
        if options.ledger is not None:
            return options.ledger.scope(budget, name=SOLVE, spent=spent, elapsed=elapsed)
        return Ledger(
            budget,
            prices=self.prices,
            spent=spent,
            elapsed=elapsed,
            name=SOLVE,
            clock=asyncio.get_running_loop().time,
        )

    async def met(
        self,
        ledger: Ledger,
        stop: StopSignal,
        state: State,
        *,
        is_new: bool = True,
        durable: bool = False,
    ) -> tuple[tuple[Met, ...], State]:
        """Meet the backends, and check that the usual one can serve a new state within the ledger.
        The prompt is counted for what compares prices by it, and for what is written down."""
        try:
            async with stop.guard(ledger.seconds_left):
                met = await insistent(partial(meet, self.backends))
                if is_new:
                    count = partial(
                        counted,
                        state,
                        met[0].backend,
                        ledger,
                        met[0].offer.fingerprint.context_length,
                        thinking=self.settings.thinking,
                        bounded=len(met) == 1 and not self.scorers and not durable,
                    )
                    state = await insistent(count)
        except TimeoutError:
            raise BackendUnreachable(
                "the backend did not say what it is before the solve had to end; "
                "check that it answers, or give the solve more seconds"
            ) from None
        return met, state

    def context(
        self,
        ledger: Ledger,
        met: Sequence[Met],
        stop: StopSignal,
        options: RunOptions,
        notes: list[str],
        *,
        checks: Checks,
        run_id: str,
        meter: Meter | None = None,
        paid: list[Candidate] | None = None,
        lost: Iterable[str] = (),
    ) -> Context:
        """What the nodes of the run share."""
        emit = Emitter(ledger, options.sinks, run_id=run_id)
        first, *others = met
        durable = options.thread_id is not None
        door = MeteredBackend(
            first.backend,
            ledger,
            emit,
            offer=first.offer,
            stop=stop,
            meter=meter,
            durable=durable,
        )
        doors = [door, *(door.to(one.backend, one.offer) for one in others)]
        return Context(
            models={
                one.name: Model(
                    name=one.name,
                    backend=one.backend,
                    door=opened,
                    offer=one.offer,
                    profile=self._profile(one),
                )
                for one, opened in zip(met, doors, strict=True)
            },
            ledger=ledger,
            emit=emit,
            equality=self.equality,
            strategy=self.strategy,
            settings=self.settings,
            verifiers=checks.verifiers,
            examiners=checks.examiners,
            witnesses=self.witnesses,
            scorers=self.scorers,
            programs=Programs(self.sandbox) if self.sandbox else None,
            market=options.market,
            durable=durable,
            notes=notes,
            paid=paid or [],
            lost=set(lost),
        )
