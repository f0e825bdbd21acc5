"""The same small question for everything that measures speed: four samples in one request."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx

from its_agent.agent import Agent
from its_agent.answers import infer_answer_type
from its_agent.backends.chat import chat_body
from its_agent.backends.connection import encoded
from its_agent.backends.protocol import Request
from its_agent.bench.instant_server import PROMPT
from its_agent.budget import Budget
from its_agent.prompts import ask

SAMPLES = 4
MAX_TOKENS = 512
TIGHT = Budget(compute=PROMPT + SAMPLES * MAX_TOKENS, requests=1)
"""Pays for one request of four samples on the instant server, to the token."""
BUDGET = Budget(compute=(SAMPLES + 1) * MAX_TOKENS - 1, requests=1)
"""Pays for as many, whatever the length of a prompt of fewer than MAX_TOKENS tokens."""
QUESTION = "How many eggs are there in 3 boxes of 6?"
JSON = {"Content-Type": "application/json"}


@contextmanager
def instant_server(*, tokens: int = 40, rate: float | None = None) -> Generator[str]:
    """Start the instant server in a process of its own."""
    command = [sys.executable, "-m", "its_agent.bench.instant_server", "--tokens", str(tokens)]
    command += [] if rate is None else ["--rate", str(rate)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.stdout.close()
        process.wait()


@asynccontextmanager
async def four_samples(address: str) -> AsyncGenerator[Agent]:
    """An agent that takes four samples in one request where BUDGET or TIGHT is all there is."""
    async with Agent(address, strategy="self_consistency", max_tokens=MAX_TOKENS) as agent:
        yield agent


def body_of(model: str, question: str, tokens: int, sampling: Mapping[str, Any]) -> bytes:
    """What the agent sends for a wave of this question."""
    asked = wave(question, tokens)
    return encoded({"model": model, **chat_body(asked, sampling=sampling, template={})})


def wave(question: str, tokens: int) -> Request:
    kind = infer_answer_type(question)
    return Request(
        messages=ask("step_by_step", [{"role": "user", "content": question}], kind),
        n=SAMPLES,
        max_tokens=tokens,
        top_p=1.0,
        logprobs=False,
    )


async def read_raw(client: httpx.AsyncClient, address: str, body: bytes) -> None:
    """Make a request and read its answer without looking at it."""
    async with client.stream("POST", chat_url(address), content=body, headers=JSON) as response:
        response.raise_for_status()
        async for _ in response.aiter_bytes():
            pass


def chat_url(base_url: str) -> str:
    """Where chat completions are asked for."""
    return f"{base_url.rstrip('/').removesuffix('/v1')}/v1/chat/completions"
