"""The commands of the pages run: the README's, those that serve, and those that made measurements.

The last take hours, and are run at their smallest: for one problem, on a scripted server.
"""

from __future__ import annotations

import gzip
import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from page_blocks import PAGES, ROOT, blocks, lines_of
from scripted_server import served
from test_command_lines import spelt_out

from its_agent.backends.embedded import running_server, stop_server
from its_agent.backends.home import home
from its_agent.backends.models import DEFAULT_MODEL, ensure_model
from its_agent.backends.ports import choose_port
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.bench.runs import read_runs
from its_agent.bench.workload import instant_server
from its_agent.cli import main

QUESTION = "What is 17 + 25?"
LARGE = "Qwen/Qwen2.5-7B-Instruct"
COMMAND = [sys.executable, "-c", "from its_agent.cli import main; main()"]


def adder(request: Request, index: int) -> Reply:
    """Answers whatever it is asked, in whatever form."""
    if request.choices:
        return Reply(text=request.choices[0], top_logprobs={request.choices[0]: -0.1})
    if "double" in str(request.messages):
        return Reply(text="```python\ndef double(x):\n    return 2 * x\n```")
    return Reply(text=r"17 and 25 make 42, so it is \boxed{42}.")


@pytest.fixture
def url(own_home: Path) -> Iterator[str]:
    with served(ScriptedBackend(adder)) as address:
        yield address


def code_of(words: Iterable[str]) -> int | str | None:
    """How the command ends, in this process."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return ended.value.code


def write_rows(path: Path, rows: Iterable[object]) -> None:
    told = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(told) if path.suffix == ".gz" else told)


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        yield from map(json.loads, lines)


# The README's


def told(words: list[str], values: dict[str, str]) -> list[str]:
    """The words of a synopsis with something for what it leaves open."""
    after = zip(["", *words], words, strict=False)
    return [values.get(f"{before} {word}", values.get(word, word)) for before, word in after]


def lines_of_the_readme() -> list[str]:
    """Those that docs/calibration.md has, too, have a test there."""
    elsewhere = lines_of("docs/calibration.md", "its-agent")
    return [line for line in lines_of("README.md", "its-agent") if line not in elsewhere]


def ways_of_the_readme(program: str) -> list[list[str]]:
    """All that its lines which begin so stand for."""
    ways = [words for line in lines_of_the_readme() for words in spelt_out(line)]
    return [words for words in ways if words[0] == program]


def test_no_command_of_the_readme_is_left_out() -> None:
    programs = {line.split()[1] for line in lines_of_the_readme()}
    assert programs == {"solve", "trace", "strategies", "bench", "model", "serve"}


def test_the_solves_of_the_readme_run(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ITS_BASE_URL", url)
    monkeypatch.setenv("BROWSER", "true")
    values = {"…": QUESTION, "--model …": "scripted", "--base-url …": url, "FILE": "kept.jsonl"}
    values |= {"http://localhost:8000": url}
    assert code_of(["solve", QUESTION, "--quiet", "--trace", "kept.jsonl"]) == 0
    for program in ("solve", "trace", "strategies"):
        for words in ways_of_the_readme(program):
            assert code_of(told(words, values)) == 0, words
    assert (tmp_path / "PAGE.html").exists()


def test_the_benchmarks_of_the_readme_run(
    peer_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"id": f"p{n}", "problem": f"What is {n} + 25?", "answer": "42"} for n in range(2)]
    write_rows(tmp_path / "PROBLEMS.jsonl", rows)
    with instant_server() as url:
        monkeypatch.setenv("ITS_BASE_URL", url)
        for words in ways_of_the_readme("bench"):
            few = [] if "report" in words else ["--limit", "2"]
            assert code_of([*told(words, {"PYTHON": peer_python}), *few]) == 0, words
    assert len(read_runs(tmp_path / "PEERS.jsonl")) > 2
    assert "adaptive" in (tmp_path / "PAGE.md").read_text()


def test_the_models_of_the_readme_are_listed_fetched_and_missed(own_home: Path) -> None:
    there = own_home / "models" / DEFAULT_MODEL
    there.mkdir(parents=True)
    (there / "config.json").write_text("{}")
    ways = {words[1]: words for words in ways_of_the_readme("model")}
    ended = {name: code_of(words) for name, words in ways.items() if name != "start"}
    assert ended == {"list": 0, "fetch": 0, "stop": 0, "status": 3}


@pytest.mark.engine
@pytest.mark.usefixtures("engine")
def test_the_command_that_starts_an_engine_starts_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the weights of the smallest model under the name that the page has."""
    (line,) = lines_of("docs/gpu_server.md", "its-agent model start")
    weights = ensure_model("SmolLM2-135M-Instruct")
    monkeypatch.setenv("ITS_HOME", str(tmp_path))
    (home() / "models").mkdir()
    (home() / "models" / LARGE.replace("/", "--")).symlink_to(weights)
    port = choose_port(None)
    try:
        words = shlex.split(line.replace("--port 8000", f"--port {port} --eager"))
        assert code_of(words[1:]) == 0
        server = running_server()
        assert server is not None
        listed = httpx.get(f"http://127.0.0.1:{port}/v1/models").json()["data"]
        assert listed[0]["id"] == LARGE
        assert listed[0]["max_model_len"] == 8_192
        assert code_of(["model", "status"]) == 0
        assert code_of(["model", "stop"]) == 0
        assert running_server() is None
    finally:
        stop_server()


# Those that serve

SERVING = sorted(
    {
        shlex.join(words)
        for page in PAGES
        if page != "docs/command_line.md"
        for line in lines_of(page, "its-agent serve")
        for words in spelt_out(line)
    }
)


@pytest.mark.parametrize("line", SERVING)
def test_the_commands_that_serve_do(line: str, url: str, tmp_path: Path) -> None:
    (keys,) = blocks("docs/gateway.md", "toml")
    (tmp_path / "keys.toml").write_text(keys)
    here = line.replace("http://localhost:8000", url)
    command = [*COMMAND, *shlex.split(here), "--port", "0"]
    if "--base-url" not in line:
        command += ["--base-url", url]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as gateway:
        assert gateway.stderr is not None
        said = next(told for told in gateway.stderr if "the gateway answers at" in told)
        port = re.findall(r":(\d+)/v1", said)[0]
        health = httpx.get(f"http://127.0.0.1:{port}/health", timeout=30)
        gateway.send_signal(signal.SIGINT)
        gateway.stderr.read()
        code = gateway.wait(20)
    assert health.status_code == 200
    assert code == 130


# Those that made measurements

MEASURED = ROOT / "docs" / "benchmarks"
POOL = "gsm8k_150.q05.jsonl.gz"
FURTHER_POOLS = ("gsm8k_268.q05.jsonl.gz", "gsm8k_49.q05.jsonl.gz")
PROGRAMS = "mbpp_120.q05.jsonl.gz"
PAGES_OF_MEASUREMENTS = tuple(
    f"docs/{page}.md" for page in ("benchmarks", "larger_model", "peers", "router", "two_models")
)
ADD = {
    "name": "add",
    "description": "Adds two numbers.",
    "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
}
PROBLEMS: dict[str, dict[str, Any]] = {
    "mbpp": {
        "problem": "Write double(x).",
        "answer": "",
        "tests": ["assert double(2) == 4", "assert double(3) == 6"],
    },
    "bfcl": {"problem": "Sing.", "answer": [], "tools": [ADD, ADD | {"name": "sum"}]},
}
HELD = 12
"""Problems that are left of a pool and of its runs."""
SMALLER = {
    r"--limit \d+": "--limit 1",
    r"--orders \d+": "--orders 1",
    r"--folds \d+": "--folds 2",
    r"--samples \d+": "--samples 2",
    r"--concurrency \d+": "--concurrency 2",
}
ELSEWHERE = ("its-agent bench speed", "its-agent bench sandbox", "its-agent bench peers")
"""The first two measure for minutes whatever they are given, and test_speed.py runs what they are
made of; the third needs what peers install, and test_peers.py runs it."""


def making() -> set[str]:
    """The commands that made the pages, with smaller numbers."""
    found = set[str]()
    for line in (line for page in PAGES_OF_MEASUREMENTS for line in lines_of(page, "its-agent")):
        smaller = line
        for number, less in SMALLER.items():
            smaller = re.sub(number, less, smaller)
        if not smaller.startswith(ELSEWHERE):
            found.add(smaller)
    return found


@cache
def kept() -> frozenset[str]:
    """The problems that are left of every file."""
    return frozenset(list(dict.fromkeys(row["id"] for row in rows_of(MEASURED / POOL)))[:HELD])


def few_of(path: Path) -> list[dict[str, Any]]:
    """The rows of few problems: those of the pool, where the file has them."""
    rows = list(rows_of(path))
    first = frozenset(list(dict.fromkeys(row["id"] for row in rows))[:HELD])
    few = first if first.isdisjoint(kept()) else kept()
    return [row for row in rows if row["id"] in few]


def program_of(row: dict[str, Any]) -> dict[str, Any]:
    """The problem of a recorded program, with the test that its prompt shows."""
    shown = row["messages"][0]["content"].split("\n\n")[-2]
    return {"id": row["id"], "problem": row["problem"], "answer": "", "tests": [shown]}


def supplied(name: str) -> Iterable[dict[str, Any]] | None:
    """The rows of a small file that stands for a large one; nothing for a word that is no file."""
    kind = name.partition("_")[0]
    if kind in PROBLEMS and "_dev" in name:
        recorded = map(program_of, few_of(MEASURED / PROGRAMS)) if kind == "mbpp" else ()
        return [PROBLEMS[kind] | {"id": "p0"}, *{row["id"]: row for row in recorded}.values()]
    if name == "gsm8k_dev.jsonl.gz":
        few = [row for pool in (POOL, *FURTHER_POOLS) for row in few_of(MEASURED / pool)]
        held = {row["id"]: row for row in few}
        return [{key: row[key] for key in ("id", "problem", "answer")} for row in held.values()]
    if name in ("gsm8k_dev.q05.jsonl.gz", "gsm8k_pool.jsonl.gz"):
        warm = (row for row in few_of(MEASURED / POOL) if len(row["samples"]) > 1)
        return [row | {"id": f"of another pool: {row['id']}"} for row in warm]
    if (MEASURED / name).is_file() and ".jsonl" in name:
        return few_of(MEASURED / name)
    return None


def supply(words: list[str], folder: Path) -> None:
    """The files that a command reads, small ones; what it writes is not there."""
    made = {after for word, after in pairwise(words) if word in ("--out", "--record")}
    for name in set(words) - made:
        rows = supplied(name)
        if rows is not None:
            write_rows(folder / name, rows)
        for room in (MEASURED, ROOT / "difficulty" / "profiles"):
            if rows is None and (room / name).is_file():
                (folder / name).write_bytes((room / name).read_bytes())


@pytest.mark.parametrize("line", sorted(making()))
def test_the_commands_that_made_measurements_run(
    line: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "docs" / "benchmarks"
    folder.mkdir(parents=True)
    words = shlex.split(line)[1:]
    supply(words, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ITS_BASE_URL", url)
    assert code_of(words) == 0
    made = folder / words[words.index("--out") + 1]
    assert made.stat().st_size > 100
