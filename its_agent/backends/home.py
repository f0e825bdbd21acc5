"""Where its_agent keeps models, logs, compiled kernels and the address of a kept server."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

HOME_VARIABLE = "ITS_HOME"


def home() -> Path:
    """The cache folder: `ITS_HOME`, else `its_agent` in the platform's cache folder."""
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else _platform_cache() / "its_agent"


def _platform_cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def subfolder(name: str) -> Path:
    """A folder of that name under `home()`, made if it is not there."""
    folder = home() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(path: Path, *, waiting: Callable[[], None] = lambda: None) -> Generator[None]:
    """Holds an exclusive lock between processes; a killed holder lets go of it.

    `waiting` is called once when another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def built_once(
    target: Path, build: Callable[[Path], None], *, waiting: Callable[[], None] = lambda: None
) -> Path:
    """The folder `target`, filled by `build` unless it is there; never half of it.

    `build` gets an empty folder beside `target` that takes its name at the end. Of two processes
    that come at once one builds, and the other one waits.
    """
    with locked(target.with_name(f".{target.name}.lock"), waiting=waiting):
        if not target.exists():
            _build(target, build)
    return target


def _build(target: Path, build: Callable[[Path], None]) -> None:
    # We hold the lock: what lies there under this name was left by a process that was killed.
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        build(partial)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
