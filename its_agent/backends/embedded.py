"""A vLLM server on this machine, started, found and stopped by its_agent."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, Unpack

from its_agent.backends.extras import require_vllm
from its_agent.backends.home import home, locked
from its_agent.backends.launch import Launch, plan_launch
from its_agent.backends.lease import STOP_SECONDS, Lease, new_log, start_supervisor
from its_agent.backends.models import DEFAULT_MODEL, Progress, ensure_model, served_name
from its_agent.backends.ports import address, choose_port
from its_agent.backends.progress import silent
from its_agent.backends.readiness import alive, answers, wait_until_ready
from its_agent.backends.registry import ServerState, kept_state, state_path
from its_agent.backends.supervisor import Order
from its_agent.errors import EngineError, InvalidOption


class StartOptions(TypedDict, total=False):
    """What `start_server` takes besides the model, for a server that its caller owns."""

    port: int | None
    eager: bool
    max_model_len: int
    ready_seconds: float
    progress: Progress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedServer:
    """A vLLM server on the loopback address.

    `pid` is its supervisor's, `engine_pid` vLLM's own. `last_active`, in seconds since 1970, is
    kept up to date in the state file of a kept server. With a `lease` this process owns the
    server: it ends with `close()`, with this value, or with this process.
    """

    base_url: str
    model: str
    pid: int
    engine_pid: int
    log_path: Path
    dtype: str
    last_active: float
    lease: Lease | None = field(default=None, repr=False, compare=False)

    def close(self) -> None:
        """Stops the server if this process owns it, and waits until it is gone."""
        if self.lease is not None:
            self.lease.release()


def start_server(
    model: str = DEFAULT_MODEL,
    *,
    port: int | None = None,
    keep: bool = False,
    idle_seconds: float = 900,
    eager: bool = False,
    max_model_len: int = 4096,
    ready_seconds: float = 600,
    progress: Progress | None = None,
) -> EmbeddedServer:
    """Starts vLLM on `model` and returns once it answers; fetches the model if need be.

    The server belongs to the caller, who ends it with `close()`; it never outlives this process.
    With `keep` it is left for other processes to attach to, and ends after `idle_seconds`
    without requests, or by `stop_server`; one that already serves the model is returned as it is.

    Raises InvalidOption, UnknownModel, ModelError, MissingExtra, NotEnoughMemory, PortInUse or
    EngineDied; EngineError where a kept server of another model is in the way.
    """
    _refuse_non_positive(
        idle_seconds=idle_seconds, max_model_len=max_model_len, ready_seconds=ready_seconds
    )
    chosen = choose_port(port)
    require_vllm()
    tell = progress or silent
    folder = ensure_model(model, progress=tell)

    def launch() -> Launch:
        name = served_name(model)
        return plan_launch(folder, name, port=chosen, eager=eager, max_model_len=max_model_len)

    if not keep:
        return launch_owned(launch(), ready_seconds=ready_seconds, progress=tell)
    with locked(home() / ".server.lock", waiting=lambda: tell("another start to end", 0, None)):
        return _attached(served_name(model), ready_seconds, tell) or launch_kept(
            launch(), idle_seconds=idle_seconds, ready_seconds=ready_seconds, progress=tell
        )


@contextmanager
def embedded_engine(
    model: str = DEFAULT_MODEL, **options: Unpack[StartOptions]
) -> Generator[EmbeddedServer]:
    """The kept server if it serves `model`, left as it is; else a server for this block only.

    Raises what `start_server` raises. The options apply to a server that is started.
    """
    running = running_server()
    if running is not None and running.model == served_name(model):
        yield running
        return
    server = start_server(model, **options)
    try:
        yield server
    finally:
        server.close()


def running_server() -> EmbeddedServer | None:
    """The kept server, if there is one and it answers."""
    state = kept_state()
    return _from_state(state) if state is not None and answers(state.base_url) else None


def stop_server() -> bool:
    """Stops the kept server, ready or loading, waits until it is gone; False if there is none."""
    state = kept_state()
    state_path().unlink(missing_ok=True)
    if state is None:
        return False
    until = time.monotonic() + STOP_SECONDS
    while alive(state.pid):
        if time.monotonic() > until:
            raise EngineError(
                f"The server at {state.base_url} (process {state.pid}) was asked to end and is "
                f"still there after {STOP_SECONDS:g} s. Its log: {state.log_path}"
            )
        time.sleep(0.1)
    return True


def launch_owned(launch: Launch, *, ready_seconds: float, progress: Progress) -> EmbeddedServer:
    """Starts what `launch` says, owned by this process; ends it when it does not get ready."""
    order = _order(launch, state=None, idle_seconds=0.0, ready_seconds=ready_seconds)
    lease = start_supervisor(order, launch.environment)
    try:
        _wait(launch, lease, order, ready_seconds, progress)
    except BaseException:
        lease.release()
        raise
    return _server(launch, lease, order)


def launch_kept(
    launch: Launch, *, idle_seconds: float, ready_seconds: float, progress: Progress
) -> EmbeddedServer:
    """Starts what `launch` says and leaves it; ends it when it does not get ready."""
    order = _order(
        launch, state=state_path(), idle_seconds=idle_seconds, ready_seconds=ready_seconds
    )
    lease = start_supervisor(order, launch.environment)
    try:
        _wait(launch, lease, order, ready_seconds, progress)
    except BaseException:
        stop_server()
        raise
    return _server(launch, lease, order)


def _attached(name: str, ready_seconds: float, progress: Progress) -> EmbeddedServer | None:
    state = kept_state()
    if state is None:
        return None
    if state.model != name:
        raise EngineError(
            f"A kept server already serves {state.model} at {state.base_url}, not {name}. "
            "Stop it first: its-agent model stop"
        )
    wait_until_ready(
        state.base_url,
        pid=state.pid,
        log_path=state.log_path,
        ready_seconds=ready_seconds,
        progress=progress,
    )
    return _from_state(state)


def _from_state(state: ServerState) -> EmbeddedServer:
    return EmbeddedServer(**state.model_dump())


def _order(
    launch: Launch, *, state: Path | None, idle_seconds: float, ready_seconds: float
) -> Order:
    log_path = new_log(launch.model)
    described: dict[str, object] = {
        "base_url": address(launch.port),
        "model": launch.model,
        "log_path": str(log_path),
        "dtype": launch.dtype,
    }
    return Order(
        command=list(launch.command),
        log_path=str(log_path),
        base_url=address(launch.port),
        state_path=None if state is None else str(state),
        state=described,
        idle_seconds=idle_seconds,
        loading_seconds=ready_seconds,
    )


def _wait(
    launch: Launch, lease: Lease, order: Order, ready_seconds: float, progress: Progress
) -> None:
    wait_until_ready(
        address(launch.port),
        pid=lease.pid,
        log_path=Path(order.log_path),
        ready_seconds=ready_seconds,
        progress=progress,
    )


def _server(launch: Launch, lease: Lease, order: Order) -> EmbeddedServer:
    return EmbeddedServer(
        base_url=address(launch.port),
        model=launch.model,
        pid=lease.pid,
        engine_pid=lease.engine_pid,
        log_path=Path(order.log_path),
        dtype=launch.dtype,
        last_active=time.time(),
        lease=None if order.state_path else lease,
    )


def _refuse_non_positive(**options: float) -> None:
    for name, value in options.items():
        if not value > 0:
            raise InvalidOption(f"{name} is {value:g}; it must be more than 0.")
