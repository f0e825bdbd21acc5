"""Makes docs/command_line.md of the command itself.

cd tests && python command_reference.py
"""

from __future__ import annotations

from pathlib import Path

import typer
from typer.cli import get_docs_for_click

from its_agent.cli import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "command_line.md"
HEAD = """\
# The command line

`make reference` writes this page from the command itself, so that it says what
`its-agent COMMAND --help` says. `run` of `bench` and `samples` of `record` need not be named:
`its-agent bench PROBLEMS.jsonl …` is `its-agent bench run PROBLEMS.jsonl …`.

| exit code | what it says |
|---|---|
| 0 | answered, or done |
| 1 | abstained, or failed in another way |
| 2 | bad input |
| 3 | no engine |
| 130 | interrupted |

| variable | what it holds |
|---|---|
| `ITS_BASE_URL` | the server that `Agent()` asks, and commands without `--base-url` |
| `ITS_API_KEY` | the key of that server, or of the one at `--base-url` |
| `ITS_HOME` | the folder of models, logs and traces; else `its_agent` in the cache folder |
| `ITS_GATEWAY_KEYS` | API keys of `its-agent serve`, with commas between them |
"""


def page() -> str:
    """The page as the command is now; no terminal's width or colours are in it."""
    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="its-agent")
    told = get_docs_for_click(obj=command, ctx=context, indent=1, name="its-agent")
    return f"{HEAD}\n{told.strip()}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
