"""Fetching a model folder from the Hugging Face hub, where it can be reached."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from its_agent.backends.extras import require
from its_agent.backends.progress import Progress
from its_agent.errors import ModelError

PROBE_SECONDS = 3.0
_WANTED = (".json", ".safetensors", ".txt", ".jinja", ".model")


def hub_answers() -> bool:
    """Whether the hub can be used: its library is here, not told to stay offline, and it answers.

    Takes at most a few seconds.
    """
    try:
        constants: Any = importlib.import_module("huggingface_hub.constants")
    except ModuleNotFoundError:
        return False
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        probe = httpx.head(str(constants.ENDPOINT), timeout=PROBE_SECONDS, follow_redirects=False)
    except httpx.HTTPError:
        return False
    return probe.status_code < 400


def fetch_from_hub(hub_id: str, folder: Path, *, progress: Progress) -> None:
    """Copies configuration, tokenizer and safetensors weights of `hub_id` into `folder`.

    Raises ModelError when the hub refuses or does not have them.
    """
    require(("huggingface_hub",))
    hub: Any = importlib.import_module("huggingface_hub")
    errors: Any = importlib.import_module("huggingface_hub.errors")
    try:
        with _quiet():
            _copy(hub, hub_id, folder, progress)
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, httpx.HTTPError) as error:
        raise ModelError(
            f"The Hugging Face hub did not give {hub_id}: {error} "
            "Check the name, the network, and HF_TOKEN for a gated model."
        ) from error


def _copy(hub: Any, hub_id: str, folder: Path, progress: Progress) -> None:
    sizes = _wanted_files(hub, hub_id)
    done = 0
    for name, size in sizes.items():
        progress(f"downloading {hub_id}", done, sum(sizes.values()))
        hub.hf_hub_download(hub_id, name, local_dir=str(folder))
        done += size
    progress(f"downloading {hub_id}", done, sum(sizes.values()))
    shutil.rmtree(folder / ".cache", ignore_errors=True)


@contextmanager
def _quiet() -> Generator[None]:
    # The library's own bars would be drawn over ours.
    utils: Any = importlib.import_module("huggingface_hub.utils")
    shown = not utils.are_progress_bars_disabled()
    utils.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            utils.enable_progress_bars()


def _wanted_files(hub: Any, hub_id: str) -> dict[str, int]:
    siblings: Any = hub.HfApi().model_info(hub_id, files_metadata=True).siblings
    sizes = {str(file.rfilename): int(file.size or 0) for file in siblings}
    return {
        name: size for name, size in sizes.items() if "/" not in name and name.endswith(_WANTED)
    }
