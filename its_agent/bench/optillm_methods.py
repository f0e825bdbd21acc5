"""optillm's methods, a problem at a time, run by an interpreter in which optillm is installed.

    python3 -m venv OPT && OPT/bin/pip install --no-deps optillm==0.4.0
    OPT/bin/pip install openai flask cerebras_cloud_sdk "z3-solver<=4.15.4.0" networkx numpy \\
        sympy math-verify PyYAML aiohttp requests
    OPT/bin/python optillm_methods.py URL MODEL MAX_TOKENS TEMPERATURE

(All of optillm's dependencies hold torch and transformers, which these methods do not import.) The
functions are called that its proxy calls, since the proxy has no way to say how many samples
self-consistency takes. Prints its version, and then an answer to every line of standard input, all
JSON:

    {"method": "bon", "calls": 4, "question": "…", "answer_type": "math"}
    {"text": "…", "claimed": {"completion_tokens": 700}}

A method that fails, or says so in place of an answer, ends the process. Imports nothing of
its_agent.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Any

NO_SYSTEM_PROMPT = ""
"""What its proxy makes of a conversation without one."""
FAILED = "Error: Could not generate"
SILENCE_SECONDS = 3600.0


class Methods:
    """optillm on one server, with these settings."""

    def __init__(self, url: str, model: str, max_tokens: int, temperature: float) -> None:
        openai: Any = import_module("openai")
        self._client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", timeout=SILENCE_SECONDS)
        self._model = model
        self._settings = {"max_tokens": max_tokens, "temperature": temperature}

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Let a method answer a question; optillm claims generated tokens alone."""
        known = {
            "majority_voting": self.majority_voting,
            "bon": self.bon,
            "self_consistency": self.self_consistency,
        }
        text, tokens = known[asked["method"]](asked["question"], asked["calls"])
        if text.startswith(FAILED):
            raise SystemExit(text)
        return {"text": text, "claimed": {"completion_tokens": tokens}}

    def majority_voting(self, question: str, calls: int) -> tuple[str, int]:
        """One request for all samples, and a vote on what looks like an answer."""
        plugin: Any = import_module("optillm.plugins.majority_voting_plugin")
        settings = {**self._settings, "k": calls}
        found: tuple[str, int] = plugin.run(
            NO_SYSTEM_PROMPT, question, self._client, self._model, settings
        )
        return found

    def bon(self, question: str, calls: int) -> tuple[str, int]:
        """One request for all samples, and one for the rating of each."""
        bon: Any = import_module("optillm.bon")
        found: tuple[str, int] = bon.best_of_n_sampling(
            NO_SYSTEM_PROMPT, question, self._client, self._model, calls, self._settings
        )
        return found

    def self_consistency(self, question: str, calls: int) -> tuple[str, int]:
        """One sample after the other, and the largest group of texts that read alike."""
        room: Any = import_module("optillm.self_consistency")
        method = room.AdvancedSelfConsistency(
            self._client, self._model, num_samples=calls, request_config=self._settings
        )
        groups = method.evaluate(NO_SYSTEM_PROMPT, question)["aggregated_result"]["clusters"]
        # In its own words, which hold no answer.
        text = groups[0]["answer"] if groups else "No consistent answer found."
        return text, method.self_consistency_completion_tokens


def serve(url: str, model: str, max_tokens: int, temperature: float) -> None:
    """Answer until the input ends."""
    # What a library prints must not stand between the answers.
    out, sys.stdout = sys.stdout, sys.stderr
    import_module("optillm")
    print(json.dumps({"version": version("optillm")}), file=out, flush=True)
    methods = Methods(url, model, max_tokens, temperature)
    for line in sys.stdin:
        print(json.dumps(methods.answer(json.loads(line))), file=out, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
