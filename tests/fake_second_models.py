"""Loopback servers of second models: reward models that label tokens, and readers of texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fake_vllm import LIST, MODELS, Server, page

from its_agent import Budget
from its_agent.backends import ScriptedBackend
from its_agent.backends.account import Account
from its_agent.backends.metered import MeteredBackend
from its_agent.backends.protocol import Offer
from its_agent.events import Emitter
from its_agent.ledger import Ledger
from its_agent.receipt import Fingerprint

POOLING, CLASSIFY, COMPLETIONS = "/pooling", "/classify", "/v1/completions"
TOKENIZE, DETOKENIZE = "/tokenize", "/detokenize"


@dataclass
class Tokenizer:
    """Numbers tokens as they come. A run of line breaks joins the mark in front of it."""

    opening: str = "<assistant>"
    """What the template puts before an answer that is to be written."""
    closing: str = "<end>\n"
    """What it puts behind every message."""
    lead: str = ""
    """What it puts between a role and a message."""
    tokens: str = r"<[^>]+>|[^\w\s]?\n+|\w+|\s|[^\w\s]"
    known: dict[str, int] = field(default_factory=dict[str, int])

    def encode(self, text: str) -> list[int]:
        found = re.findall(self.tokens, text)
        return [self.known.setdefault(token, 100 + len(self.known)) for token in found]

    def decode(self, tokens: Sequence[int]) -> list[str]:
        texts = {number: text for text, number in self.known.items()}
        return [texts[token] for token in tokens]

    def render(self, body: Mapping[str, Any]) -> str:
        if "prompt" in body:
            return str(body["prompt"])
        parts = [f"<{m['role']}>{self.lead}{m['content']}{self.closing}" for m in body["messages"]]
        text = "".join(parts)
        if body.get("continue_final_message"):
            return text.removesuffix(self.closing)
        return text + (self.opening if body["add_generation_prompt"] else "")


def second_model(tokenizer: Tokenizer, answers: Mapping[str, Callable[[list[int]], Any]]) -> Server:
    """A server with this tokenizer; `answers` makes pages of the tokens sent to a path."""
    server = Server(answers={LIST: lambda: page(MODELS)})

    def tokenized() -> Any:
        tokens = tokenizer.encode(tokenizer.render(server.seen[-1][1]))
        return page({"count": len(tokens), "max_model_len": 4096, "tokens": tokens})

    def answered(make: Callable[[list[int]], Any]) -> Callable[[], Any]:
        def answer() -> Any:
            body = server.seen[-1][1]
            made = make(body.get("input") or body.get("prompt"))
            return made if not isinstance(made, dict) else page(made)

        return answer

    def spelt() -> Any:
        return page({"prompt": "".join(tokenizer.decode(server.seen[-1][1]["tokens"]))})

    server.answers[TOKENIZE] = tokenized
    server.answers[DETOKENIZE] = spelt
    server.answers |= {path: answered(make) for path, make in answers.items()}
    return server


def pooled(rows: Sequence[Sequence[float]], *, tokens: int) -> dict[str, Any]:
    """What `/pooling` answers, as vLLM 0.32 writes it."""
    item = {"index": 0, "object": "pooling", "data": [list(row) for row in rows]}
    return {"object": "list", "model": "qwen", "data": [item], "usage": usage(tokens)}


def classified(labels: Sequence[float], *, tokens: int) -> dict[str, Any]:
    """What `/classify` answers, as vLLM 0.32 writes it."""
    item = {"index": 0, "label": "LABEL_0", "probs": list(labels), "num_classes": len(labels)}
    return {"object": "list", "model": "qwen", "data": [item], "usage": usage(tokens)}


def completed(logprobs: Sequence[float | None], tokens: Sequence[int]) -> dict[str, Any]:
    """What `/v1/completions` answers with `prompt_logprobs`, as vLLM 0.32 writes it."""
    told = [
        None if logprob is None else {str(token): {"logprob": logprob, "rank": 1}}
        for token, logprob in zip(tokens, logprobs, strict=True)
    ]
    choice = {"index": 0, "text": "a", "prompt_logprobs": told, "finish_reason": "length"}
    return {"object": "text_completion", "choices": [choice], "usage": usage(len(tokens))}


def usage(tokens: int) -> dict[str, Any]:
    return {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0}


def account_of(**limits: Any) -> tuple[Account, Ledger]:
    """An account with this budget, by default of 10,000 compute units."""
    ledger = Ledger(Budget(**(limits or {"compute": 10_000})))
    offer = Offer(fingerprint=Fingerprint(model="m", backend="scripted", context_length=4096))
    door = MeteredBackend(ScriptedBackend([]), ledger, Emitter(ledger, ()), offer=offer)
    return Account(door=door), ledger


def answered(text: str, question: str = "What is 2 + 2?") -> tuple[Mapping[str, Any], ...]:
    """A conversation that ends with this answer."""
    return ({"role": "user", "content": question}, {"role": "assistant", "content": text})
