"""The reading process: `python -m flowtrail_collector.front CONTROL LISTENER`, two descriptors that it inherits.

It ends when the writing process says so, or at once when that one is gone; signals are for that one alone, as a
terminal or a service manager sends them to both.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from flowtrail_collector.errors import CollectorError
from flowtrail_collector.front.forwarding import Forwarding
from flowtrail_collector.front.messages import Ended, Failed, Ready, Refused, Start, Told
from flowtrail_collector.front.pages import build_reader
from flowtrail_collector.logs import write_logs
from flowtrail_collector.runtime.leaving import leave
from flowtrail_collector.runtime.quick import keep_answers_quick
from flowtrail_collector.runtime.supervisor import Supervisor
from flowtrail_collector.store.open import open_reading
from flowtrail_collector.web.server import WebServer

# The writing process waits a little longer than this, and both together end within 10 s.
_GRACE_SECONDS = 4


class _Control:
    """The line to the writing process; any thread may say something.

    Attributes:
        socket_path: Where that one answers; in a folder that holds nothing else.
    """

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self.socket_path: str | None = None
        self._connection = connection
        self._lock = threading.Lock()

    def say(self, message: object) -> None:
        with self._lock:
            self._connection.send(message)

    def heard(self) -> Any:
        """The next message; without the other process there is nothing left to do but to clear up after it."""
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            if self.socket_path is not None:
                with contextlib.suppress(OSError):
                    Path(self.socket_path).unlink()
                    Path(self.socket_path).parent.rmdir()
            os._exit(1)


def main(control_descriptor: int, listener_descriptor: int) -> None:
    """Answer requests until told to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    # Blocked until here, so that none came too early; it was for the other process alone.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
    control = _Control(Connection(control_descriptor))
    start = control.heard()
    control.socket_path = start.socket_path
    write_logs(start.log_level)
    with socket.socket(fileno=listener_descriptor) as listener:
        try:
            _answer(start, control, listener)
        except CollectorError as error:
            control.say(Refused(str(error)))


def _answer(start: Start, control: _Control, listener: socket.socket) -> None:
    told = Told()
    told.take(start.state)
    told.take(start.lag)

    def failed(part: str, error: Exception) -> None:
        control.say(Failed(part))

    database = open_reading(start.config.store)
    try:
        rest = Forwarding(start.socket_path)
        app, parts = build_reader(start, database, told, otherwise=rest, on_error=failed)
        server = WebServer(
            app,
            listener,
            start.config.web.tls,
            heeds_signals=False,
            at_end=rest.aclose,
            grace_seconds=_GRACE_SECONDS,
        )

        def hear() -> None:
            while not isinstance(message := control.heard(), Ended):
                told.take(message)
            server.stop()

        threading.Thread(target=hear, name="control", daemon=True).start()
        supervisor = Supervisor(parts, on_error=failed)
        keep_answers_quick()
        supervisor.start()
        server.run(on_ready=lambda: control.say(Ready()))
        supervisor.stop()
    finally:
        database.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
    leave(0)
