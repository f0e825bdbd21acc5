"""The process that asks math-verify whether two expressions are equal; its owner kills it on time.

Run as a script, never imported: it must start without the package, so that it starts fast.
Each line of standard input holds {"a", "b", "seconds"}; each line of the answer {"same"}.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import IO, Any

# The library has no types; through import_module it is Any to the type checkers.
math_verify: Any = importlib.import_module("math_verify")

MEMORY_BYTES = 2 * 1024**3


def same(a: str, b: str) -> bool:
    """Whether math-verify finds the two LaTeX expressions equal in both directions."""
    first, second = _parsed(a), _parsed(b)
    return bool(
        first
        and second
        and math_verify.verify(first, second, timeout_seconds=None)
        and math_verify.verify(second, first, timeout_seconds=None)
    )


def _parsed(latex: str) -> Any:
    config = math_verify.LatexExtractionConfig()
    return math_verify.parse(f"${latex}$", [config], parsing_timeout=None)


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, hard))


def _limit_time(seconds: float) -> None:
    # An owner that was killed cannot kill its worker; the alarm's default action does.
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _private_stdout() -> IO[str]:
    """Standard output for replies alone; whatever else prints goes nowhere."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return replies


def main() -> None:
    """Answer until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = _private_stdout()
    _limit_memory()
    # The first comparison builds the parser's tables, which is nobody's 2 s.
    same("x^2+2x+1", "(x+1)^2")
    print("ready", file=replies)
    for line in sys.stdin:
        asked = json.loads(line)
        _limit_time(2 * asked["seconds"])
        answer = same(asked["a"], asked["b"])
        _limit_time(0)
        print(json.dumps({"same": answer}), file=replies)


if __name__ == "__main__":
    main()
