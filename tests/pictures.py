"""Makes the pictures of the documentation: a replayed solve on the terminal and as a page.

    cd tests && python pictures.py

The samples are those that the default model gave once: docs/benchmarks has them.
"""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from its_agent.agent import Agent
from its_agent.backends.pool import PoolBackend
from its_agent.budget import Budget
from its_agent.events import Event, Judged, Solved
from its_agent.loop import run
from its_agent.terminal.panel import Panels
from its_agent.trace import solve_page

DOCS = Path(__file__).resolve().parent.parent / "docs"
POOL = DOCS / "benchmarks" / "gsm8k_150.q05.jsonl.gz"
PROBLEM = (
    "There are 50 children at the party. Three-fifths of them are boys. "
    "How many of the children are girls?"
)
BUDGET = Budget(compute=4_000)
SIZE = (1080, 960)


async def replayed() -> list[Event]:
    """The events of the solve."""
    events: list[Event] = []
    async with Agent(PoolBackend(POOL), on_event=events.append) as agent:
        await agent.asolve(PROBLEM, max_compute_budget=BUDGET)
    return events


def terminal(events: Sequence[Event]) -> str:
    """The live panel after the last verdict, and the answer, as an SVG that loads no fonts."""
    console = Console(record=True, width=104, file=io.StringIO())
    panel = Panels(BUDGET)
    last = max(place for place, event in enumerate(events) if isinstance(event, Judged))
    for event in events[: last + 1]:
        panel.note(event)
    console.print(Text(f'$ its-agent solve "{PROBLEM}"', style="bold"))
    console.print(panel.drawn())
    solution = next(event.solution for event in events if isinstance(event, Solved))
    console.print(Text(f"answer      {solution.answer}", style="bold"))
    console.print(Text(f"confidence  {solution.confidence:.0%} ({solution.status})"))
    console.print(Text(f"            {solution.reasons[0]}"))
    template = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title="its-agent solve", code_format=template)


def page(browser: Browser, html: Path, scheme: str, out: Path) -> None:
    """The page with a candidate chosen, in that scheme."""
    shown = browser.new_page(
        viewport={"width": SIZE[0], "height": SIZE[1]},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    shown.goto(html.as_uri())
    shown.locator(".dot.chosen").evaluate("dot => dot.click()")
    shown.screenshot(path=out)


def main() -> None:
    events = run(replayed())
    (DOCS / "terminal.svg").write_text(terminal(events), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        html = Path(folder) / "page.html"
        html.write_text(solve_page(events), encoding="utf-8")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for scheme in ("light", "dark"):
            page(browser, html, scheme, DOCS / f"trace_{scheme}.png")
        browser.close()


if __name__ == "__main__":
    main()
