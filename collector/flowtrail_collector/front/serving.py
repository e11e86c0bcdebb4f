"""Two processes serve one address: the reading one has it, and asks this one for what it doesn't answer itself."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flowtrail_collector.app import Collector
from flowtrail_collector.front.forwarding import TakingIn
from flowtrail_collector.front.messages import Lag, Start, State
from flowtrail_collector.front.process import ReaderError, ReadingProcess, Telling
from flowtrail_collector.runtime.supervisor import Supervisor
from flowtrail_collector.settings import CollectorConfig
from flowtrail_collector.web.server import BACKLOG, WebServer

__all__ = ["Beside", "serve_beside", "start_beside"]

logger = logging.getLogger("flowtrail_collector")

# The reading process has ended by then: nobody is left to hear an answer.
_GRACE_SECONDS = 1
_STOP_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Beside:
    """What it takes to be two.

    Attributes:
        reader: Has the address, and hasn't begun.
        listener: Where this process is asked by it.
        path: Of that socket.
    """

    reader: ReadingProcess
    listener: socket.socket
    path: str


def start_beside(listener: socket.socket, stack: contextlib.ExitStack) -> Beside | None:
    """Start the reading process; None, and a line in the log, where there can't be one: then one process does both.

    Args:
        listener: The listening socket of the collector's address.
        stack: Ends it.
    """
    if os.name != "posix":  # a process can't inherit the listening socket there
        return None
    try:
        behind, path = stack.enter_context(_private_listener())
        return Beside(stack.enter_context(contextlib.closing(ReadingProcess(listener))), behind, path)
    except (OSError, ReaderError) as error:
        logger.warning("one process reads and answers, as there can't be two: %s", error)
        return None


def serve_beside(
    config: CollectorConfig, collector: Collector, beside: Beside, *, on_ready: Callable[[], None]
) -> None:
    """Serve until a signal ends both: the reading process first, as it asks this one until the end.

    Args:
        config: The settings.
        collector: Started.
        beside: The reading process.
        on_ready: Called once that one answers.

    Raises:
        ReaderError: The reading process can't begin.
    """
    reader = beside.reader
    others = {part.split("/", 2)[1] for route in collector.routes if (part := getattr(route, "path", "/"))}
    level = logging.getLogger().getEffectiveLevel()
    server = WebServer(
        TakingIn(collector.app), beside.listener, on_signal=reader.end, grace_seconds=_GRACE_SECONDS
    )

    def state() -> State:
        return State(collector.supervisor.conditions(), collector.status())

    def start() -> Start:
        lag = Lag(*collector.lag.published)
        return Start(config, collector.flows, beside.path, frozenset(others), level, state(), lag)

    reader.begin(Telling(start, state, collector.lag, collector.on_error, on_ended=server.stop))
    supervisor = Supervisor([reader], on_error=collector.on_error)
    supervisor.start()
    try:
        server.run(on_ready=on_ready)
    finally:
        supervisor.stop(_STOP_SECONDS)


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
