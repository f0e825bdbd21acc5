"""A hub on the loopback address that holds one small model, for the Hugging Face library."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

FILES = {
    "config.json": b'{"model_type": "tiny"}',
    "model.safetensors": b"weights" * 100,
    "pytorch_model.bin": b"a format that is not wanted",
    "README.md": b"words",
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Knows `some/tiny`, what files it has, and their content."""

    def do_HEAD(self) -> None:  # the name that http.server asks for
        self._answer(with_body=False)

    def do_GET(self) -> None:  # the name that http.server asks for
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:
        """Stays quiet."""

    def _answer(self, *, with_body: bool) -> None:
        content = self._content()
        self.send_response(200 if content is not None else 404)
        body = content or b""
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _content(self) -> bytes | None:
        path = self.path.partition("?")[0]
        if path == "/":
            return b"hub"
        if path.startswith("/api/models/some/tiny"):
            return json.dumps(_listing()).encode()
        place, _, name = path.rpartition("/")
        return FILES.get(name) if place.startswith("/some/tiny/resolve/") else None


def _listing() -> dict[str, object]:
    files = [{"rfilename": name, "size": len(content)} for name, content in FILES.items()]
    return {"id": "some/tiny", "modelId": "some/tiny", "sha": COMMIT, "siblings": files}


@contextmanager
def stand_in_hub() -> Generator[str]:
    """The address of a hub that answers until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
