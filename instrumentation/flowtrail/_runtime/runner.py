"""Starting and stopping everything that runs in the background of a trail."""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any, Protocol

from flowtrail.errors import ConfigurationError

_log = logging.getLogger("flowtrail")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LOOK_AROUND_SECONDS = 0.5


class Background(Protocol):
    """Something that runs until the trail stops."""

    def start(self) -> None:
        """Begin; returns at once."""
        ...

    def join(self, timeout_seconds: float) -> bool:
        """Wait for its end after the stop event was set; False if it takes longer."""
        ...


class Runner:
    """Runs parts together.

    Args:
        parts: Started in this order; all are told to end at once.
        stop: Event that tells all of them to end.
    """

    def __init__(self, parts: Sequence[Background], stop: threading.Event) -> None:
        self._parts = parts
        self._stop = stop

    def start(self) -> None:
        """Start all parts."""
        for part in self._parts:
            part.start()

    def stop(self, timeout_seconds: float) -> bool:
        """Tell all parts to end, and wait; False if one didn't in time."""
        self._stop.set()
        deadline = time.monotonic() + timeout_seconds
        ended = [part.join(max(0.0, deadline - time.monotonic())) for part in self._parts]
        if not all(ended):
            _log.warning("flowtrail stopped with %d part(s) still busy", ended.count(False))
        return all(ended)


class StopSignals:
    """SIGTERM and SIGINT end `wait`; the second one ends the process as if nobody had caught it.

    The handler only writes a byte to a pipe: taking a lock there could deadlock with the code it interrupted.

    Raises:
        ConfigurationError: This isn't the main thread, which alone can catch signals.
    """

    def __init__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise ConfigurationError(
                "run() catches signals and needs the main thread; elsewhere use 'with trail.running():'"
            )
        self._previous: dict[signal.Signals, Any] = {}
        self._received = False
        self._read_end, self._write_end = os.pipe()

    def __enter__(self) -> StopSignals:
        """Catch them."""
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._received = True
        os.write(self._write_end, b"!")

    def wait(self, stop: threading.Event) -> None:
        """Wait for a signal, or for somebody else to set the event."""
        while not self._received and not stop.is_set():
            select.select([self._read_end], [], [], _LOOK_AROUND_SECONDS)

    def __exit__(self, *_: object) -> None:
        """Put back what was there before."""
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        os.close(self._read_end)
        os.close(self._write_end)
