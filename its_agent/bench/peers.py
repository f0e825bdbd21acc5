"""Other projects' methods on the same problems and the same engine, measured by its counters.

A strategy is a peer and its method, as in "its_hub:self_consistency". A peer is given a number of
calls; the budget of its run, in compute units, is what stands for that number in tables: it is
kept on average at best.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from its_agent.bench.peer_process import PeerProcess
from its_agent.bench.peer_run import PeerBench, Setting
from its_agent.bench.run import Job
from its_agent.bench.runs import Run
from its_agent.bench.tap import Tap
from its_agent.errors import UnknownStrategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another project: the script that speaks to it, and its methods by that script's names."""

    script: Path
    methods: tuple[str, ...]


PEERS: Mapping[str, Peer] = {
    "its_hub": Peer(
        script=Path(__file__).with_name("its_hub_methods.py"),
        methods=(
            "self_consistency",
            "adaptive_self_consistency",
            "beta_self_consistency",
            "best_of_n",
        ),
    ),
    "optillm": Peer(
        script=Path(__file__).with_name("optillm_methods.py"),
        methods=("majority_voting", "bon", "self_consistency"),
    ),
}


def peer_strategies(peers: Sequence[str]) -> list[str]:
    """All methods of these peers, as strategies."""
    return [f"{peer}:{method}" for peer in peers for method in PEERS[peer].methods]


def check_peer_strategies(names: Sequence[str], peers: Sequence[str]) -> None:
    """Raise UnknownStrategy for a name that is no method of these peers."""
    known = peer_strategies(peers)
    for name in names:
        if name not in known:
            raise UnknownStrategy(
                f"no peer that is given has the method {name!r}; there are {', '.join(known)}"
            )


async def run_peers(
    plan: Sequence[Sequence[Job]],
    calls: Callable[[Job], int],
    interpreters: Mapping[str, str],
    setting: Setting,
    *,
    on_run: Callable[[Run], None],
) -> None:
    """Make every run of the plan, one after the other, and hand over each.

    `calls` says how many calls a job is given; `interpreters` are Pythons by peer. A peer that
    fails is recorded with what it used. Raises BackendError for an engine that goes away,
    EngineError for one that others use, InvalidInput for a peer that does not start.
    """
    async with _bench(interpreters, setting) as bench:
        for jobs in plan:
            for job in jobs:
                on_run(await bench.run(job, calls(job)))


@asynccontextmanager
async def _bench(interpreters: Mapping[str, str], setting: Setting) -> AsyncGenerator[PeerBench]:
    tap = Tap(setting.base_url, setting.sampling)
    numbers = (str(setting.max_tokens), str(setting.temperature))
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(tap.listening())
        processes: dict[str, PeerProcess] = {}
        versions: dict[str, str] = {}
        for name, python in interpreters.items():
            command = (python, str(PEERS[name].script), address, setting.engine.model, *numbers)
            processes[name] = await stack.enter_async_context(PeerProcess(command))
            versions[name] = await processes[name].start()
        yield PeerBench(tap=tap, processes=processes, versions=versions, setting=setting)
