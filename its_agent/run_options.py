"""What a caller may say about one run."""

from __future__ import annotations

from dataclasses import dataclass

from its_agent.events import Sink
from its_agent.ledger import Ledger
from its_agent.policy.market import Market
from its_agent.stop_signal import StopSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a caller may say about one run."""

    sinks: tuple[Sink, ...] = ()
    ledger: Ledger | None = None
    """A budget that the run shares with others."""
    stop: StopSignal | None = None
    thread_id: str | None = None
    """Names the run in the checkpointer."""
    run_id: str = ""
    """Names the run in its events; a new name where it is empty."""
    market: Market | None = None
    """Sets the price of compute for the run and for others."""
