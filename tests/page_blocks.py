"""The code blocks of the documentation's pages, and a shell that knows `its-agent`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"^ {4}(.*)$", re.MULTILINE)
_COMMAND = 'its-agent() { "$PYTHON" -c "from its_agent.cli import main; main()" "$@"; }'


def text_of(page: str) -> str:
    """The page as Markdown."""
    return (ROOT / page).read_text(encoding="utf-8")


def prose_of(page: str) -> str:
    """The page without its fenced blocks."""
    return _FENCED.sub("", text_of(page))


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks in that language."""
    return [block for told, block in _FENCED.findall(text_of(page)) if told == language]


def lines_of(page: str, program: str) -> list[str]:
    """Command lines of that program in the page's blocks, continued lines joined."""
    fenced = "\n".join(block for told, block in _FENCED.findall(text_of(page)) if told != "python")
    shown = "\n".join([fenced, *_INDENTED.findall(prose_of(page))]).replace("\\\n", " ")
    return re.findall(rf"^{program} .*$", shown, re.MULTILINE)


def in_shell(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a page's commands in that folder; they end at the first that fails."""
    return subprocess.run(
        ["bash", "-ec", f"{_COMMAND}\n{script}"],
        cwd=folder,
        env={**os.environ, "PYTHON": sys.executable, "BROWSER": "true", **variables},
        capture_output=True,
        text=True,
    )
