"""A web server in a thread, for what needs a real socket."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from starlette.types import ASGIApp

from flowtrail_collector.app import build_collector
from flowtrail_collector.settings import CollectorConfig
from flowtrail_collector.web.server import WebServer, listen, url_of
from waiting import scaled


@contextlib.contextmanager
def served(app: ASGIApp, listener: socket.socket | None = None) -> Iterator[str]:
    """Serves an application on a free port, or where somebody already listens; gives its base URL."""
    listener = listener or listen("127.0.0.1", 0)
    server = WebServer(app, listener)
    ready = threading.Event()
    thread = threading.Thread(target=server.run, kwargs={"on_ready": ready.set}, daemon=True)
    thread.start()
    assert ready.wait(scaled(5))
    try:
        yield url_of(listener)
    finally:
        server.stop()
        thread.join(scaled(10))
        listener.close()


@contextlib.contextmanager
def collecting(config: CollectorConfig, listener: socket.socket | None = None) -> Iterator[str]:
    """A whole collector in threads of this process, see `served`; gives its URL."""
    collector = build_collector(config)
    collector.supervisor.start()
    try:
        with served(collector.app, listener) as url:
            yield url
    finally:
        collector.close()
