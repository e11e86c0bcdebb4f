"""The HTTP server: the address is taken first, signals end it gracefully."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from flowtrail_collector.errors import ListenError

BACKLOG = 512
"""Connections that may wait to be taken."""
MAX_HEADER_BYTES = 96 * 1024
"""A request's line and headers: a token of a provider with many groups (64 KiB), and what else browsers and proxies send."""
GRACE_SECONDS = 5
"""How long requests under way may go on once it is told to stop."""
_LOOK_SECONDS = 0.05


def listen(host: str, port: int, patience_seconds: float = 0.0) -> socket.socket:
    """Take an address; done before anything else starts, so that a port in use is noticed first.

    Args:
        host: Name or address.
        port: Port, 0 for a free one.
        patience_seconds: How long to try again if it is in use, as for a moment after a collector was killed.

    Raises:
        ListenError: In use, not ours, or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ListenError(
            f"can't listen on {host}:{port}: {error.strerror or error}: name another address with --listen"
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(listener, address, time.monotonic() + patience_seconds)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ListenError(
            f"can't listen on {host}:{port}: {error.strerror or error}: name another address with --listen"
        ) from error
    return listener


def _bind(listener: socket.socket, address: tuple[Any, ...], until: float) -> None:
    while True:
        try:
            return listener.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= until:
                raise
            time.sleep(_LOOK_SECONDS)


def url_of(listener: socket.socket, *, tls: bool = False) -> str:
    """The base URL under which a listening socket is reached from this machine."""
    scheme = "https" if tls else "http"
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        host = "127.0.0.1"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class WebServer:
    """Serves one application on one socket until told to stop.

    Args:
        app: The application.
        listener: A listening socket; closed at the end.
        tls: Certificate chain and private key (PEM files), None for plain HTTP.
        heeds_signals: SIGTERM and SIGINT end it, where it runs in the main thread.
        on_signal: What the first signal calls instead of `stop`.
        at_end: Called once the last request was answered.
        grace_seconds: How long requests under way may go on once it is told to stop.
        lifespan: The application wants to be told of its beginning and end.
    """

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        tls: tuple[Path, Path] | None = None,
        *,
        heeds_signals: bool = True,
        on_signal: Callable[[], None] | None = None,
        at_end: Callable[[], Awaitable[None]] | None = None,
        grace_seconds: int = GRACE_SECONDS,
        lifespan: bool = False,
    ) -> None:
        self._listener = listener
        self._heeds_signals = heeds_signals
        self._on_signal = on_signal or self.stop
        self._server = _QuietServer(
            uvicorn.Config(
                self._telling(app),
                log_level="warning",
                access_log=False,
                lifespan="on" if lifespan else "off",
                timeout_graceful_shutdown=grace_seconds,
                # Scrapers and exporters keep their connections; the default of 5 s makes them reconnect.
                timeout_keep_alive=75,
                server_header=False,
                h11_max_incomplete_event_size=MAX_HEADER_BYTES,
                proxy_headers=False,
                ws="none",
                ssl_certfile=None if tls is None else tls[0],
                ssl_keyfile=None if tls is None else tls[1],
            ),
            at_end,
        )

    def run(self, *, on_ready: Callable[[], None]) -> None:
        """Serve; in the main thread, SIGTERM and SIGINT end it, a second one ends the process at once.

        Args:
            on_ready: Called once before serving; from then on signals are heeded and connections are queued.
        """
        with self._signals():
            on_ready()
            self._server.run(sockets=[self._listener])

    def stop(self) -> None:
        """Make `run` return soon; from any thread."""
        self._server.should_exit = True

    def _telling(self, app: ASGIApp) -> ASGIApp:
        """Tells endpoints that never end by themselves when to: `stopping()` in the request's state."""

        async def told(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("state", {})["stopping"] = lambda: self._server.should_exit
            await app(scope, receive, send)

        return told

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        if not self._heeds_signals or threading.current_thread() is not threading.main_thread():
            yield
            return
        signalled = False

        def on_signal(number: int, frame: FrameType | None) -> None:
            nonlocal signalled
            if signalled or self._server.should_exit:
                os._exit(128 + number)
            signalled = True
            self._on_signal()

        before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _QuietServer(uvicorn.Server):
    """Leaves signals to `WebServer`: uvicorn would raise them again at the end, and kill the clean stop."""

    def __init__(self, config: uvicorn.Config, at_end: Callable[[], Awaitable[None]] | None) -> None:
        super().__init__(config)
        self._at_end = at_end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Also close what belongs to this server's loop."""
        await super().shutdown(sockets)
        if self._at_end is not None:
            await self._at_end()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Also get ready what is loaded at its first use: nobody's first page waits for it."""
        await run_in_threadpool(lambda: None)
        await super().startup(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
