"""One problem solved by one peer: asked, measured by the engine's counters, graded, recorded."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from its_agent.answers import extract_answer
from its_agent.backends.counters import settled_counters
from its_agent.bench.first_request import Posed
from its_agent.bench.grading import Grader
from its_agent.bench.peer_price import Price, price
from its_agent.bench.peer_process import Answered, Failure, PeerProcess
from its_agent.bench.run import Job
from its_agent.bench.runs import Run, Sample
from its_agent.bench.tap import Tap
from its_agent.errors import BackendLost
from its_agent.receipt import Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all peers share."""

    base_url: str
    engine: Fingerprint
    command: str
    max_tokens: int = 512
    temperature: float = 0.8
    top_p: float = 0.95
    seconds: float = 1800.0
    """Longest wait for one answer."""

    @property
    def sampling(self) -> dict[str, Any]:
        """How samples are drawn, in the words of the protocol."""
        return {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerBench:
    """The peers on one engine, one problem at a time."""

    tap: Tap
    processes: Mapping[str, PeerProcess]
    versions: Mapping[str, str]
    setting: Setting
    grader: Grader = Grader()

    async def run(self, job: Job, calls: int) -> Run:
        """Let a peer solve one problem with so many calls, and record it."""
        posed = Posed.of(job.problem)
        came, cost = await self._measured(job, calls, posed)
        samples = await self._samples(job, posed)
        step = self._step(job, calls, cost, came)
        said = came.text if isinstance(came, Answered) else None
        answer = said and extract_answer(said, posed.answer_type)
        return await self._recorded(job, answer, came, cost, step, samples)

    async def _measured(
        self, job: Job, calls: int, posed: Posed
    ) -> tuple[Answered | Failure, Price]:
        peer, _, method = job.strategy.partition(":")
        asked = {
            "method": method,
            "calls": calls,
            "question": posed.messages[-1]["content"],
            "answer_type": posed.answer_type,
        }
        before = await settled_counters(self.setting.base_url)
        self.tap.pose(posed.messages)
        began = time.monotonic()
        came = await self.processes[peer].ask(asked, seconds=self.setting.seconds)
        seconds = time.monotonic() - began
        counted = await settled_counters(self.setting.base_url) - before
        self._refuse_lost(counted.generation_tokens)
        return came, price(self.tap.calls, counted, seconds=seconds)

    def _refuse_lost(self, generated: int) -> None:
        if self.tap.lost is not None or generated < 0:
            why = str(self.tap.lost or "the engine has started anew")
            raise BackendLost(
                f"{why}; the runs so far are kept, start the same command to go on"
            ) from self.tap.lost

    def _step(
        self, job: Job, calls: int, cost: Price, came: Answered | Failure
    ) -> Mapping[str, Any]:
        return {
            "path": job.strategy,
            "version": self.versions[job.strategy.partition(":")[0]],
            "calls": calls,
            "requests": cost.requests,
            "untold": cost.untold,
            "counted": asdict(cost.counted),
            "engine_compute": cost.engine_compute,
            "told": asdict(cost.told),
            "claimed": dict(came.claimed) if isinstance(came, Answered) else None,
        }

    async def _samples(self, job: Job, posed: Posed) -> list[Sample]:
        found: list[Sample] = []
        for call in self.tap.calls:
            for text, finish in call.texts if call.is_sample else ():
                answer = extract_answer(text, posed.answer_type) if finish == "stop" else None
                found.append(
                    Sample(
                        answer=answer,
                        right=await self.grader.is_right(job.problem, answer),
                        logprob=None,
                        # The engine tells the tokens of a whole request.
                        tokens=call.tokens.completion // call.n if call.tokens else 0,
                        path=job.strategy,
                        strategy=posed.arm,
                        finish=finish,
                    )
                )
        return found

    async def _recorded(
        self,
        job: Job,
        answer: str | None,
        came: Answered | Failure,
        cost: Price,
        step: Mapping[str, Any],
        samples: Sequence[Sample],
    ) -> Run:
        failed = came.why if isinstance(came, Failure) else None
        return Run(
            id=job.problem.id,
            strategy=job.strategy,
            budget=job.budget,
            gold=job.problem.answer,
            answer=answer,
            correct=await self.grader.is_right(job.problem, answer),
            # Peers do not say how sure they are.
            confidence=0.0,
            status="error" if failed else "best_effort",
            spent=cost.spent,
            by_purpose=cost.by_purpose,
            stopped_because=None if failed else "complete",
            seconds=cost.spent.seconds,
            steps=(step,),
            candidates=tuple(samples),
            engine=self.setting.engine,
            command=self.setting.command,
            error=failed and f"PeerFailed: {failed}",
        )
