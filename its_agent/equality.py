"""When two answers are the same: normal forms first, algebra in worker processes if it must be."""

from __future__ import annotations

import asyncio
import queue
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from its_agent.equality_process import WORKER, Outcome, WorkerProcess
from its_agent.normal_form import canonical, expression, is_wordy
from its_agent.solution import AnswerType
from its_agent.timers import TimeLimit

MAX_EXPRESSION = 300
_CLOSING = {"(": ")", "[": "]", r"\{": r"\}"}
_BRACKET = re.compile(r"\\[{}]|[()\[\],]")


class AnswerEquality:
    """Compares answers from any event loop; an answer that takes too long is not asked about again.

    `seconds` limit one comparison, `workers` the processes, which start when first needed.
    `timeouts` and `failures` count the comparisons that ended as "not the same" without a result.
    """

    def __init__(self, *, workers: int = 2, seconds: float = 2.0, worker: Path = WORKER) -> None:
        self.timeouts = 0
        self.failures = 0
        self._seconds = seconds
        self._limit = workers
        self._script = worker
        self._idle: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None
        self._known: dict[frozenset[str], bool] = {}
        self._slow: set[str] = set()

    @property
    def processes(self) -> int:
        """How many worker processes wait for a question."""
        return self._idle.qsize()

    async def same(self, a: str, b: str, answer_type: AnswerType) -> bool:
        """Whether two answers are the same; without a verdict in time, they are not."""
        one, other = canonical(a, answer_type), canonical(b, answer_type)
        if one == other:
            return True
        if answer_type != "math" or (isinstance(one, Fraction) and isinstance(other, Fraction)):
            return False
        return await self._same_expressions(expression(a), expression(b))

    async def merge(
        self,
        answers: Sequence[str | None],
        answer_type: AnswerType,
        *,
        within: float | None = None,
    ) -> list[int | None]:
        """The cluster of each answer, numbered by first appearance; None for a missing one.

        After `within` seconds the rest is compared by its normal form alone.
        """
        heads: list[str] = []
        clusters: list[int | None] = []
        until = None if within is None else time.monotonic() + within
        for answer in answers:
            cluster = None
            if answer is not None:
                left = None if until is None else until - time.monotonic()
                cluster = await self._place(answer, heads, answer_type, left)
                if cluster == len(heads):
                    heads.append(answer)
            clusters.append(cluster)
        return clusters

    async def aclose(self) -> None:
        """End the worker processes; a later comparison starts new ones."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get_nowait().end()

    async def __aenter__(self) -> AnswerEquality:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _place(
        self, answer: str, heads: Sequence[str], answer_type: AnswerType, within: float | None
    ) -> int:
        form = canonical(answer, answer_type)
        for index, head in enumerate(heads):
            if canonical(head, answer_type) == form:
                return index
        with suppress(TimeoutError):
            async with TimeLimit(within):
                for index, head in enumerate(heads):
                    if await self.same(head, answer, answer_type):
                        return index
        return len(heads)

    async def _same_expressions(self, a: str, b: str) -> bool:
        pair = frozenset((a, b))
        if pair not in self._known and comparable(a, b):
            self._known[pair] = await self._ask(a, b) == "same"
        return self._known.get(pair, False)

    async def _ask(self, a: str, b: str) -> Outcome:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._limit, thread_name_prefix="answer-equality")
        loop = asyncio.get_running_loop()
        outcome = await loop.run_in_executor(self._threads, self._compare, a, b)
        self.timeouts += outcome == "timeout"
        self.failures += outcome == "died"
        return outcome

    def _compare(self, a: str, b: str) -> Outcome:
        if self._slow & {a, b}:
            return "different"
        try:
            worker = self._idle.get_nowait()
        except queue.Empty:
            worker = WorkerProcess(self._script)
        outcome = worker.compare(latex(a), latex(b), self._seconds)
        self._idle.put(worker)
        if outcome == "timeout":
            self._slow |= suspects(a, b)
        return outcome


def comparable(a: str, b: str) -> bool:
    """Whether algebra may judge the pair: short, no prose, and the same kind of brackets."""
    if max(len(a), len(b)) > MAX_EXPRESSION or is_wordy(a) or is_wordy(b):
        return False
    kinds = {_collection(a), _collection(b)}
    return len(kinds) == 1 or kinds == {"", r"\{\}"}


def suspects(a: str, b: str) -> set[str]:
    """Of a pair that took too long, the answer with more powers and factorials, or both."""
    load = {text: len(re.findall(r"[\^!]|\*\*", text)) for text in (a, b)}
    return {text for text in load if load[text] == max(load.values())}


def latex(text: str) -> str:
    """The expression with plain function names, powers and conjunctions as LaTeX writes them."""
    text = re.sub(r"(?<![\\a-zA-Z])(sin|cos|tan|log|ln|exp|pi)(?![a-zA-Z])", r"\\\1 ", text)
    text = re.sub(r"(?<![\\a-zA-Z])sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}", text)
    return re.sub(r"\s+(?:or|and)\s+", ", ", text).replace("**", "^").rstrip("%")


def _collection(text: str) -> str:
    """The outer brackets of a tuple, interval or set; empty for anything else."""
    closing, depth, has_comma = _CLOSING.get(text[:2], _CLOSING.get(text[:1], "")), 0, False
    for mark in _BRACKET.finditer(text):
        depth += {"(": 1, "[": 1, r"\{": 1, ",": 0}.get(mark[0], -1)
        has_comma |= mark[0] == "," and depth == 1
        if depth == 0 and (mark.end() < len(text) or mark[0] == ","):
            return ""
    is_set = text.startswith(r"\{")
    is_pair = has_comma and text[:1] in {"(", "["} and text[-1:] in {")", "]"}
    opening = r"\{" if is_set else text[:1]
    return opening + (closing if is_set else text[-1:]) if is_set or is_pair else ""
