"""The reading process: `python -m flowtrail_collector.front CONTROL LISTENER`, two descriptors that it inherits.

It ends when the writing process says so, or at once when that one is gone; signals are for that one alone, as a
terminal or a service manager sends them to both.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from flowtrail_collector.errors import CollectorError
from flowtrail_collector.front.forwarding import Forwarding
from flowtrail_collector.front.messages import Ended, Failed, Ready, Refused, Start, Told
from flowtrail_collector.front.pages import build_reader
from flowtrail_collector.runtime.quick import keep_answers_quick
from flowtrail_collector.runtime.supervisor import Supervisor
from flowtrail_collector.store.open import open_reading
from flowtrail_collector.web.server import WebServer

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Control:
    """The line to the writing process; any thread may say something."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def say(self, message: object) -> None:
        with self._lock:
            self._connection.send(message)

    def heard(self) -> Any:
        """The next message; without the other process there is nothing left to do."""
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            os._exit(1)


def main(control_descriptor: int, listener_descriptor: int) -> None:
    """Answer requests until told to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    control = _Control(Connection(control_descriptor))
    start = control.heard()
    logging.basicConfig(level=start.log_level, format=LOG_FORMAT, force=True)
    with socket.socket(fileno=listener_descriptor) as listener:
        try:
            _answer(start, control, listener)
        except CollectorError as error:
            control.say(Refused(str(error)))


def _answer(start: Start, control: _Control, listener: socket.socket) -> None:
    told = Told()

    def failed(part: str, error: Exception) -> None:
        control.say(Failed(part))

    database = open_reading(start.config.store)
    try:
        rest = Forwarding(start.socket_path)
        app, parts = build_reader(start, database, told, otherwise=rest, on_error=failed)
        server = WebServer(app, listener, start.config.web.tls, heeds_signals=False, at_end=rest.aclose)

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
