"""The command lines of the documentation are those of the command, and its reference is fresh."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import command_reference
import pytest
import typer
from page_blocks import PAGES, ROOT, in_shell, lines_of, prose_of
from scripted_server import served

from its_agent.backends.scripted import ScriptedBackend
from its_agent.bench.arms import SampledArm
from its_agent.bench.peers import PEERS, peer_strategies
from its_agent.bench.variant import strategy_of
from its_agent.cli import app
from its_agent.policy import strategy_named

OF_PEERS = peer_strategies(list(PEERS))
WRITTEN = [page for page in PAGES if page != "docs/command_line.md"]
"""By hand, that is."""


def test_the_reference_says_what_the_command_says_now() -> None:
    stale = "docs/command_line.md is stale; run: make reference"
    assert command_reference.PAGE.read_text(encoding="utf-8") == command_reference.page(), stale


@pytest.mark.parametrize("setting", [{"COLUMNS": "30", "FORCE_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_terminal_is_in_the_reference(
    setting: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = command_reference.page()
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    assert command_reference.page() == before
    assert "\x1b" not in before


def noting(told: list[dict[str, Any]]) -> Any:
    """The command, all of whose subcommands only note what they are given."""

    def note(**given: Any) -> None:
        told.append(given)

    command: Any = typer.main.get_command(app)
    waiting = [command]
    while waiting:
        one = waiting.pop()
        if hasattr(one, "commands"):
            waiting += one.commands.values()
        else:
            one.callback = note
    return command


def read(words: Sequence[str]) -> dict[str, Any]:
    """What a subcommand would be given. Raises the usage error of a line that is wrong."""
    told: list[dict[str, Any]] = []
    noting(told).main(list(words), prog_name="its-agent", standalone_mode=False)
    assert len(told) == 1, words
    return told[0]


def spelt_out(line: str) -> Iterator[list[str]]:
    """The lines that a synopsis stands for: `[--json]`, `[--model … | --base-url …]`, `a|b`."""
    parts = re.split(r"(\[.*?\])", line.replace("\\|", "|"))
    ways = [part[1:-1].split(" | ") if part.startswith("[") else [part] for part in parts]
    for chosen in itertools.product(*ways):
        words = shlex.split("".join(chosen), comments=True)
        yield from map(list, itertools.product(*(word.split("|") for word in words[1:])))


LINES = sorted({(page, line) for page in WRITTEN for line in lines_of(page, "its-agent")})


@pytest.mark.parametrize(("page", "line"), LINES)
def test_every_line_of_a_block_is_one_that_the_command_takes(page: str, line: str) -> None:
    for words in spelt_out(line):
        given = read(words)
        once = [given.get(option) for option in ("strategies", "strategy")]
        several = [one for option in ("subject", "baselines") for one in given.get(option) or ()]
        for names in [*once, *several]:
            for name in (names or "").split(","):
                assert not name or name in OF_PEERS or strategy_named(strategy_of(name))
        for arm in (given.get("arms") or "").split(","):
            assert not arm or SampledArm.parse(arm)


MENTIONS = sorted(
    {
        (page, " ".join(mention.split()))
        for page in WRITTEN
        for mention in re.findall(r"`(its-agent [^`]+)`", prose_of(page))
    }
)


@pytest.mark.parametrize(("page", "mention"), MENTIONS)
def test_every_command_that_the_prose_names_exists_with_its_options(
    page: str, mention: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in spelt_out(mention):
        noting([]).main([*words, "--help"], prog_name="its-agent", standalone_mode=False)
        assert "Usage: its-agent" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["solve x --budgets 3", "bench report", "serve --port x", "sing"])
def test_a_line_that_is_wrong_is_refused(line: str) -> None:
    with pytest.raises(Exception, match=r"No such|Missing|valid integer"):
        read(shlex.split(line))


def test_the_commands_of_the_page_on_traces_run(tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    script = "\n".join(lines_of("docs/tracing.md", "its-agent"))
    home = tmp_path / "home"
    with served(ScriptedBackend(lambda request, index: r"It is \boxed{42}.")) as url:
        done = in_shell(script, tmp_path, ITS_BASE_URL=url, ITS_HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert {"solve.jsonl", "solve.html"} <= {path.name for path in tmp_path.iterdir()}
    assert {"last.html", "gsm8k_dev_100.html"} <= {one.name for one in (home / "traces").iterdir()}
