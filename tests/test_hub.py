"""Fetching from a Hugging Face hub, with the real library against a hub on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from stand_in_hub import FILES, stand_in_hub

from its_agent.backends.extras import installed_version

pytestmark = pytest.mark.skipif(
    installed_version("huggingface_hub") is None, reason="huggingface_hub is not installed"
)

# The library reads the hub's address when it is imported, so each fetch is its own process.
FETCH = """
import sys
from its_agent.backends.models import ensure_model
from its_agent.errors import ModelError
try:
    print(ensure_model(sys.argv[1]))
except ModelError as error:
    print("ModelError", error)
"""


def fetch(name: str, home: Path, **environment: str) -> str:
    """What fetching a model from the stand-in hub prints."""
    with stand_in_hub() as address:
        done = subprocess.run(
            [sys.executable, "-c", FETCH, name],
            env={**os.environ, "HF_ENDPOINT": address, "ITS_HOME": str(home), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_model_of_the_hub_comes_without_what_the_engine_does_not_need(tmp_path: Path) -> None:
    folder = Path(fetch("some/tiny", tmp_path))
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_model_that_the_hub_does_not_have_is_an_error(tmp_path: Path) -> None:
    said = fetch("some/absent", tmp_path)
    assert "hub did not give some/absent" in said
    assert not (tmp_path / "models" / "some--absent").exists()


def test_the_hub_is_left_alone_when_told_to_stay_offline(tmp_path: Path) -> None:
    assert "cannot be reached" in fetch("some/tiny", tmp_path, HF_HUB_OFFLINE="1")
