"""The pages of a solve and of a benchmark, in a real browser: drawn, usable, and inert."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench_runs import outcomes
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from traced import HOSTILE, PLAIN_QUESTION, QUESTION, large, solved, solved_with_tools

from its_agent.bench.runs import append_run
from its_agent.events import Event
from its_agent.loop import run
from its_agent.trace import solve_page
from its_agent.trace.bench_page import bench_page

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on the PATH"),
    pytest.mark.timeout(300),
]
WIDE = ViewportSize(width=1280, height=900)
NARROW = ViewportSize(width=380, height=800)
LOADS_WITHIN, REACTS_WITHIN = 20.0, 5.0
"""Seconds, on two slow cores that others use too."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


class Opened:
    """A page, and everything that it complained about or asked the network for."""

    def __init__(
        self, browser: Browser, file: Path, *, scheme: str = "light", narrow: bool = False
    ) -> None:
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page: Page = browser.new_page(
            viewport=NARROW if narrow else WIDE,
            color_scheme="dark" if scheme == "dark" else "light",
        )
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())

    def looked_at(self) -> str:
        """What the close look shows."""
        return self.page.locator("aside").inner_text()

    def check(self) -> None:
        """No complaint, nothing fetched, nothing wider than the window, nothing hostile run."""
        assert self.complaints == []
        assert len(self.asked) == 1
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert self.page.evaluate("window.pwned === undefined")


def written(folder: Path, events: list[Event]) -> Path:
    file = folder / "page.html"
    file.write_text(solve_page(events), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def adaptive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("adaptive"), run(solved()))


@pytest.fixture(scope="module")
def beam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("beam"), run(solved("beam")))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("narrow", [False, True])
def test_the_page_shows_the_solve_in_light_and_dark_narrow_and_wide(
    browser: Browser, adaptive: Path, scheme: str, narrow: bool
) -> None:
    opened = Opened(browser, adaptive, scheme=scheme, narrow=narrow)
    shown = opened.page.locator("main").inner_text()
    for said in (PLAIN_QUESTION, "adaptive", "confident", "of 4,000 units", "The way"):
        assert said in shown
    ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(",")))
    assert (brightness < 200) == (scheme == "dark")
    opened.check()


@pytest.mark.parametrize("narrow", [False, True])
def test_steps_candidates_and_requests_open_with_their_texts(
    browser: Browser, adaptive: Path, narrow: bool
) -> None:
    opened = Opened(browser, adaptive, narrow=narrow)
    page = opened.page
    page.locator("button.round").first.click()
    assert "Step 1" in opened.looked_at()
    page.keyboard.press("Escape")
    page.locator(".dot").first.click()
    assert HOSTILE.split("\u2028")[0] in opened.looked_at()
    assert "Candidate c1" in opened.looked_at()
    page.keyboard.press("Escape")
    page.locator("button[data-request]").last.click()
    looked_at = opened.looked_at()
    assert PLAIN_QUESTION in looked_at
    assert "Prompt" in looked_at
    opened.check()


def test_an_attempt_with_tools_opens_with_what_it_called_and_was_told(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "tools.html"
    file.write_text(solve_page(run(solved_with_tools())), encoding="utf-8")
    opened = Opened(browser, file)
    assert "calling" in opened.page.locator("svg.machine").inner_html()
    opened.page.locator("button.round").first.click()
    assert "count_eggs" in opened.looked_at()
    opened.page.locator("button.dot").first.click()
    looked_at = opened.looked_at()
    assert "TURNS BEFORE THE TEXT" in looked_at.upper()
    assert HOSTILE.split("\u2028")[0] in looked_at
    opened.check()


def test_a_search_is_a_tree_whose_nodes_are_walked_with_the_mouse_and_the_arrows(
    browser: Browser, beam: Path
) -> None:
    opened = Opened(browser, beam)
    page = opened.page
    page.locator(".card", has_text="Search tree").scroll_into_view_if_needed()
    circles = page.locator("svg.tree circle")
    circles.first.wait_for()
    assert circles.count() > 5
    circles.nth(1).click()
    assert "Node 0.0 of the beam search" in opened.looked_at()
    assert "Step 0" in opened.looked_at()
    page.keyboard.press("ArrowDown")
    assert "Node 0.1 of" in opened.looked_at()
    page.keyboard.press("ArrowLeft")
    assert "Node 0 of" in opened.looked_at()
    opened.check()


def test_everything_is_reached_by_keyboard(browser: Browser, adaptive: Path) -> None:
    opened = Opened(browser, adaptive)
    reached: set[str] = set()
    for _ in range(60):
        opened.page.keyboard.press("Tab")
        reached.add(
            opened.page.evaluate(
                "(document.activeElement.className || document.activeElement.tagName)"
                ".toString().split(' ')[0]"
            )
        )
        if reached >= {"round", "dot", "link"}:
            break
    assert reached >= {"round", "dot", "link"}
    opened.page.locator(".dot[tabindex='0']").focus()
    opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("Enter")
    second = opened.page.locator(".dot").nth(1).get_attribute("data-candidate")
    assert f"Candidate {second}\n" in opened.looked_at()


def test_a_hostile_problem_is_text(browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, written(tmp_path, run(solved(question=QUESTION))))
    assert "<script>window.pwned = 1</script>" in opened.page.locator("h1").inner_text()
    for button in opened.page.locator("button.dot, button.round").all():
        button.click()
    assert opened.page.locator("img").count() == 0
    opened.check()


def test_a_trace_of_5000_nodes_loads_and_reacts(browser: Browser, tmp_path: Path) -> None:
    file = written(tmp_path, list(large()))
    began = time.monotonic()
    opened = Opened(browser, file)
    page = opened.page
    page.locator(".card", has_text="Search tree").scroll_into_view_if_needed()
    page.locator("svg.tree circle").first.wait_for()
    assert time.monotonic() - began < LOADS_WITHIN
    assert page.locator("svg.tree circle").count() == 5001
    began = time.monotonic()
    page.locator("svg.tree").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert "Node 0.0.1 of" in opened.looked_at()
    page.locator(".dot").nth(700).click()
    assert "Candidate c" in opened.looked_at()
    assert time.monotonic() - began < REACTS_WITHIN
    assert "cut off" in page.locator(".tiles").inner_text()
    opened.check()


@pytest.mark.parametrize("narrow", [False, True])
def test_a_benchmark_is_a_plot_and_a_table_that_sorts(
    browser: Browser, tmp_path: Path, narrow: bool
) -> None:
    runs = [
        *outcomes("adaptive", "+-+", compute=90),
        *outcomes("single_pass", "--+", compute=30),
        *outcomes("adaptive", "+++", compute=200, budget=900),
    ]
    runs[1] = runs[1].model_copy(update={"answer": HOSTILE, "id": "p1"})
    file = tmp_path / "bench.html"
    file.write_text(bench_page(runs, name="toys"), encoding="utf-8")
    opened = Opened(browser, file, narrow=narrow)
    page = opened.page
    assert page.locator("svg.chart circle").count() == 3
    page.locator("#budget").select_option("500")
    page.get_by_role("button", name="solved by").click()
    rows = page.locator("table").last.locator("tbody tr th")
    assert rows.all_inner_texts() == ["p2", "p0", "p1"]
    page.get_by_role("button", name="adaptive on p1: wrong").click()
    assert "window.pwned" in opened.looked_at()
    page.keyboard.press("Escape")
    page.locator("#only").fill("p2")
    assert rows.all_inner_texts() == ["p2"]
    opened.check()


def test_runs_are_told_from_a_trace_by_the_file_itself(tmp_path: Path) -> None:
    from its_agent.trace.file import is_trace

    file = tmp_path / "runs.jsonl"
    append_run(file, outcomes("adaptive", "+")[0])
    assert not is_trace(file)
