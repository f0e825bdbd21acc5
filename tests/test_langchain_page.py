"""The page on LangChain: its code blocks run, one after the other, against a scripted server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage
from scripted_agent import Scripted, calls, says
from scripted_chat import chat
from scripted_server import served

from its_agent.backends.scripted import ScriptedBackend

PAGE = Path(__file__).parent.parent / "docs" / "langchain.md"


def speak(messages: list[BaseMessage], asked: dict[str, Any]) -> Any:
    """Search first, then answer."""
    return says("It rains.") if messages[-1].type == "tool" else calls("search", query="Rome")


def test_every_block_runs_and_says_the_truth() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 6
    model = Scripted(script=speak)
    with served(ScriptedBackend(chat)) as url:
        names: dict[str, Any] = {"url": url, "model": model, "__name__": "page"}
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), names)
    assert names["message"].response_metadata["receipt"]["spent"]["compute"] <= 4_000
    assert names["call"]["name"] == "Weather"
    assert isinstance(names["weather"], names["Weather"])
    assert names["result"]["messages"][-1].text == "It rains."
    assert names["result"]["its_budget"]["spent"]["requests"] == 6
