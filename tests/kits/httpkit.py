"""A small HTTP server for tests: a function says what it answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

__all__ = ["Answer", "Asked", "as_json", "serving", "texts"]


class Asked(NamedTuple):
    """A request.

    Attributes:
        path: Without the query.
        headers: By name, in any case.
        body: What was sent.
    """

    path: str
    headers: Message[str, str]
    body: bytes


Answer = tuple[int, str]
"""Status code and body."""


def as_json(value: Any, code: int = 200) -> Answer:
    """A value as JSON."""
    return code, json.dumps(value)


def texts(value: Any) -> Iterator[str]:
    """Every text within a value of JSON, names of fields included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inside in value.items():
            yield from (name, *texts(inside))
    elif isinstance(value, list):
        for inside in value:
            yield from texts(inside)


@contextmanager
def serving(answer: Callable[[Asked], Answer]) -> Iterator[str]:
    """Serve GET and POST on a free port of loopback while the block runs; the URL.

    Args:
        answer: What is answered; called in threads of its own.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            code, text = answer(Asked(self.path.partition("?")[0], self.headers, body))
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
