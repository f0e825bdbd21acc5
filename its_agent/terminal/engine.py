"""Which engine a command talks to: the one at an address, a kept one, or one of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console

from its_agent.backends.progress import Progress, silent
from its_agent.terminal.progress import shown_progress

if TYPE_CHECKING:
    from its_agent.backends.embedded import EmbeddedServer
    from its_agent.backends.protocol import Backend
    from its_agent.backends.vllm import VLLMBackend


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The address of an engine, and what is known of it."""

    base_url: str
    model: str | None
    server: EmbeddedServer | None = None
    """Set where it is an engine of this machine; then `start` makes another one like it."""
    start: Callable[[], EmbeddedServer] | None = None

    def backend(self) -> Backend:
        """A backend for it; make it inside the event loop that uses it."""
        if self.server is not None and self.start is not None:
            from its_agent.backends.revival import EmbeddedBackend

            return EmbeddedBackend(self.server, self.start)
        return self.reader(self.model)

    def reader(self, model: str | None) -> VLLMBackend:
        """A backend that can read texts, too, of this model at the address."""
        from its_agent.backends.connect import API_KEY_VARIABLE
        from its_agent.backends.vllm import VLLMBackend

        key = os.environ.get(API_KEY_VARIABLE) if self.server is None else None
        return VLLMBackend(self.base_url, model=model, api_key=key)


@contextmanager
def engine(
    base_url: str | None, model: str | None, *, console: Console | None
) -> Generator[Engine]:
    """The engine at `base_url`, else a kept server with that model, else one started for this.

    What was started ends with the block; its progress is shown on the console, if there is one.
    Raises EngineError or ModelError.
    """
    if base_url is not None:
        yield Engine(base_url=base_url, model=model)
        return
    with ExitStack() as held:
        # The progress ends before the block begins, which has a display of its own.
        with shown_progress(console) if console else nullcontext(silent) as progress:
            own = held.enter_context(_found_or_started(model, progress))
        yield own


@contextmanager
def _found_or_started(model: str | None, progress: Progress) -> Generator[Engine]:
    from its_agent.backends.embedded import embedded_engine, running_server, start_server
    from its_agent.backends.models import DEFAULT_MODEL, served_name

    kept = running_server()
    if kept is not None and (model is None or served_name(model) == kept.model):
        again = partial(start_server, model or kept.model, keep=True)
        yield Engine(base_url=kept.base_url, model=kept.model, server=kept, start=again)
        return
    chosen = model or DEFAULT_MODEL
    with embedded_engine(chosen, progress=progress) as own:
        again = partial(start_server, chosen)
        yield Engine(base_url=own.base_url, model=own.model, server=own, start=again)
