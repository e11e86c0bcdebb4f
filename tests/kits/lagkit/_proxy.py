"""A TCP proxy that can be slow."""

import contextlib
import selectors
import socket
import threading
import time
from collections import deque

from waiting import scaled


class SlowProxy:
    """Forwards a loopback port to another one; what comes back waits for `delay` seconds.

    Args:
        target: the port behind it; may be set later.
    """

    def __init__(self, target: int = 0) -> None:
        self.target = target
        self.delay = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def close(self) -> None:
        self._closing.set()
        self._listener.close()
        for thread in self._threads:
            thread.join(scaled(5))

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        self._listener.settimeout(0.2)
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                client, _ = self._listener.accept()
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with (
            client,
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.target)) as server,
        ):
            waiting: deque[tuple[float, bytes]] = deque()
            with selectors.DefaultSelector() as selector:
                selector.register(client, selectors.EVENT_READ)
                selector.register(server, selectors.EVENT_READ)
                while not self._closing.is_set():
                    for key, _ in selector.select(0.01):
                        data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                        if not data:
                            return
                        if key.fileobj is client:
                            server.sendall(data)
                        else:
                            waiting.append((time.monotonic() + self.delay, data))
                    while waiting and (waiting[0][0] <= time.monotonic() or not self.delay):
                        client.sendall(waiting.popleft()[1])
