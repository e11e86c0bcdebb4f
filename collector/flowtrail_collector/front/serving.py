"""Two processes serve one address: the reading one has it, and asks this one for what it doesn't answer itself."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from flowtrail_collector.app import Collector
from flowtrail_collector.front.forwarding import TakingIn
from flowtrail_collector.front.messages import Start, State
from flowtrail_collector.front.process import ReadingProcess, Telling
from flowtrail_collector.runtime.supervisor import Supervisor
from flowtrail_collector.settings import CollectorConfig
from flowtrail_collector.web.server import BACKLOG, WebServer

__all__ = ["CAN_SERVE_BESIDE", "serve_beside"]

CAN_SERVE_BESIDE = os.name == "posix"
"""Whether a process can inherit the listening socket here."""
_STOP_SECONDS = 8.0


def serve_beside(
    config: CollectorConfig, collector: Collector, reader: ReadingProcess, *, on_ready: Callable[[], None]
) -> None:
    """Serve until a signal ends both: the reading process first, as it asks this one until the end.

    Args:
        config: The settings.
        collector: Started.
        reader: Has the address, and hasn't begun.
        on_ready: Called once the reading process answers.

    Raises:
        ReaderError: The reading process can't begin.
    """
    with _private_listener() as (behind, path):
        others = {
            part.split("/", 2)[1] for route in collector.routes if (part := getattr(route, "path", "/"))
        }
        level = logging.getLogger().getEffectiveLevel()
        server = WebServer(TakingIn(collector.app), behind, on_signal=reader.end)
        telling = Telling(
            Start(config, path, frozenset(others), level),
            state=lambda: State(collector.supervisor.problems(), collector.status()),
            lag=collector.lag,
            on_failed=collector.on_error,
            on_ended=server.stop,
        )
        reader.begin(telling)
        beside = Supervisor([reader], on_error=collector.on_error)
        beside.start()
        try:
            server.run(on_ready=on_ready)
        finally:
            beside.stop(_STOP_SECONDS)


@contextlib.contextmanager
def _private_listener() -> Iterator[tuple[socket.socket, str]]:
    """A listening socket that only this user can reach, and its path."""
    # A path of 100 characters is too long for a socket: a long TMPDIR is no reason not to start.
    with tempfile.TemporaryDirectory(prefix="flowtrail-", dir=_short_folder()) as folder:
        path = str(Path(folder) / "behind")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(BACKLOG)
            yield listener, path


def _short_folder() -> str:
    folder = tempfile.gettempdir()
    return folder if len(os.fsencode(folder)) < 60 else "/tmp"  # noqa: S108 - a folder of our own is made in it
