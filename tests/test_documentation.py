"""The code blocks of the README and of pages that need no other server run, one after the other."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState, StateGraph
from page_blocks import PAGES as ALL_PAGES
from page_blocks import blocks
from scripted_server import served

from its_agent import Agent, Budget, Problem
from its_agent.backends import VLLMBackend
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend

PAGES = ["README.md", "docs/concepts.md", "docs/tracing.md", "docs/verifiers.md"]
RUN_ELSEWHERE = {
    "docs/gateway.md": "test_gateway_page.py",
    "docs/gpu_server.md": "test_gpu_page.py",
    "docs/langchain.md": "test_langchain_page.py",
}
SHELL = re.compile(r"(its-agent|vllm serve|export [A-Z_]+=|curl) ?.*")
"""Lines of shell blocks that tests run, or at least read with the command's own parser."""


def right(request: Request, index: int) -> Reply:
    return Reply(text=r"So it is \boxed{72}.", tokens=60)


def search(query: str) -> str:
    """Look something up."""
    return query


def send_mail(to: str, text: str) -> str:
    """Send a mail."""
    return to + text


def test_no_page_with_python_is_left_out() -> None:
    with_python = {page for page in ALL_PAGES if blocks(page, "python")}
    assert with_python == {*PAGES, *RUN_ELSEWHERE}
    for page, test in RUN_ELSEWHERE.items():
        assert Path(page).name in (Path(__file__).parent / test).read_text(encoding="utf-8")


def test_no_line_of_a_shell_block_is_left_out() -> None:
    shells = [(page, name) for page in ALL_PAGES for name in ("sh", "bash")]
    told = "".join(block for page, name in shells for block in blocks(page, name))
    lines = told.replace("\\\n", " ").splitlines()
    assert lines
    assert [line for line in lines if not SHELL.fullmatch(line)] == []


@asynccontextmanager
async def given(url: str) -> AsyncGenerator[dict[str, Any]]:
    """What a page takes for granted; the agents that a block makes are closed behind it."""
    names: dict[str, Any] = {
        "__name__": "page",
        "Agent": Agent,
        "Budget": Budget,
        "Problem": Problem,
        "agent": Agent(url),
        "builder": StateGraph(MessagesState),
        "looks_right": bool,
        "makes_24": bool,
        "problem": "How many eggs are there in 12 boxes of 6?",
        "saver": InMemorySaver(),
        "search": search,
        "send_mail": send_mail,
        "strong": VLLMBackend(url),
        "url": url,
        "weak": VLLMBackend(url),
    }
    before = names["agent"]
    try:
        yield names
    finally:
        for agent in {id(one): one for one in (before, names["agent"])}.values():
            await agent.aclose()
        await names["strong"].aclose()
        await names["weak"].aclose()


@pytest.mark.parametrize("page", PAGES)
async def test_every_block_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with served(ScriptedBackend(right)) as url:
        monkeypatch.setenv("ITS_BASE_URL", url)
        seen: dict[str, Any] = {}
        for number, block in enumerate(blocks(page, "python"), start=1):
            code = compile(block, f"{page}, block {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            async with given(url) as names:
                names |= {name: seen[name] for name in seen.keys() - names.keys()}
                ran = eval(code, names)
                if inspect.isawaitable(ran):
                    await ran
                seen |= names
    assert seen
