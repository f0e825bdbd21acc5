"""A checkpointer whose disk may fill up without taking the run with it."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)


def storage_errors() -> tuple[type[Exception], ...]:
    """What the stores that are loaded raise when they cannot write."""
    postgres: Any = getattr(sys.modules.get("psycopg"), "Error", None)
    return (OSError, sqlite3.Error, *((postgres,) if postgres else ()))


class ForgivingSaver(BaseCheckpointSaver[Any]):
    """Passes everything on to another checkpointer until that cannot write any more.

    From then on the run goes on without checkpoints; `on_trouble` is told once, in words.
    """

    def __init__(self, inner: BaseCheckpointSaver[Any], on_trouble: Callable[[str], None]) -> None:
        super().__init__(serde=inner.serde)
        self._inner = inner
        self._on_trouble = on_trouble
        self._is_broken = False

    @property
    def config_specs(self) -> list[Any]:
        """What the inner checkpointer is configured by."""
        inner: Any = self._inner
        return list(inner.config_specs)

    def get_next_version(self, current: Any, channel: None) -> Any:
        """Number a channel's versions as the inner checkpointer does."""
        return self._inner.get_next_version(current, channel)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Read a checkpoint."""
        return await self._inner.aget_tuple(config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Read a thread's history, the latest first."""
        async for found in self._inner.alist(config, filter=filter, before=before, limit=limit):
            yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Write a checkpoint, as long as that works."""
        if not self._is_broken:
            try:
                return await self._inner.aput(config, checkpoint, metadata, new_versions)
            except storage_errors() as error:
                self._break(error)
        place = {**config.get("configurable", {}), "checkpoint_id": checkpoint["id"]}
        return {"configurable": place}

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Write what a task brought, as long as that works."""
        if self._is_broken:
            return
        try:
            await self._inner.aput_writes(config, writes, task_id, task_path)
        except storage_errors() as error:
            self._break(error)

    def _break(self, error: Exception) -> None:
        self._is_broken = True
        self._on_trouble(
            f"checkpoints could not be written ({error}); this run cannot be resumed from here on"
        )
