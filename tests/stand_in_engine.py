"""A small process that behaves like an engine to whoever starts it: port, mode and child.

    python stand_in_engine.py PORT MODE

It answers /health and /metrics and starts a child process, as vLLM does. `MODE` is `ready`,
`dies` (writes an error and ends), `never` (never answers) or `stubborn` (ignores SIGTERM, and
so does its child).
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

METRICS = b"vllm:num_requests_running 0.0\nvllm:generation_tokens_total 7.0\n"


class Answer(BaseHTTPRequestHandler):
    """Answers every address with the same metrics."""

    def do_GET(self) -> None:  # the name that http.server asks for
        self.send_response(200)
        self.end_headers()
        self.wfile.write(METRICS)


def run(port: int, mode: str) -> None:
    """Behaves as told until ended."""
    if mode == "dies":
        sys.exit("ValueError: the weights are upside down")
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    if mode == "never":
        time.sleep(600)
    HTTPServer(("127.0.0.1", port), Answer).serve_forever()


if __name__ == "__main__":
    run(int(sys.argv[1]), sys.argv[2])
