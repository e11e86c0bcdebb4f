"""The reading process as the writing one sees it: a part that starts it, tells it what is new, and replaces it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from flowtrail_collector.conditions import Starting
from flowtrail_collector.errors import CollectorError
from flowtrail_collector.front.messages import Ended, Failed, Lag, Ready, Refused, Start, State
from flowtrail_collector.lag.ports import Failure
from flowtrail_collector.lag.view import LagView

__all__ = ["ReaderError", "ReadingProcess", "Telling"]

_LOOK_SECONDS = 0.2
_GOING_SECONDS = 1.0
_STATE_SECONDS = 1.0
_END_SECONDS = 5.0
# How long it may not take what it is told before it counts as hung.
_DEAF_SECONDS = 5
# Until it has said that it ignores them, nobody else's Ctrl-C ends it.
_FOR_THE_OTHER = (signal.SIGINT, signal.SIGTERM)


class ReaderError(CollectorError):
    """The reading process can't begin, or has ended by itself."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What the writing process tells the reading one, and hears of it.

    Attributes:
        start: What it begins with, made anew for each one that begins.
        state: How the writing process is.
        lag: What it collects of lag.
        on_failed: Called with the name of a part that failed over there, and an error.
        on_ended: Called when the reading process has ended after `end`.
    """

    start: Callable[[], Start]
    state: Callable[[], State]
    lag: LagView
    on_failed: Callable[[str, Exception], None]
    on_ended: Callable[[], None]


class ReadingProcess:
    """A `Part` named `reader`: runs the process that has the address.

    Connections that come while it is being replaced wait at the listening socket, which this process holds too.
    It is started at once, and loads what it needs while this process still opens the store.

    Args:
        listener: The listening socket of the collector's address.

    Attributes:
        problem: Why it doesn't answer at present.

    Raises:
        ReaderError: It can't be started.
    """

    name = "reader"

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._next: _Child | None = _Child(listener)
        self._child: _Child | None = None
        self._telling: Telling | None = None
        self._ending = threading.Event()
        self.problem: str | None = Starting("hasn't begun yet")

    def begin(self, telling: Telling) -> None:
        """Wait until it answers.

        Args:
            telling: What there is to tell it from now on.

        Raises:
            ReaderError: It can't.
        """
        self._telling = telling
        try:
            self._begin(telling)
        except ReaderError as error:
            raise ReaderError(f"{error}: --processes 1 does without it") from None

    def close(self) -> None:
        """Nothing of it is left afterwards."""
        for child in (self._next, self._child):
            if child is not None:
                child.kill()

    def _begin(self, telling: Telling) -> None:
        child, self._next = self._next or _Child(self._listener), None
        try:
            child.say(telling.start())
            while not isinstance(message := child.heard(_LOOK_SECONDS), Ready):
                if isinstance(message, Refused):
                    raise ReaderError(f"the reading process can't begin: {message.reason}")
                if self._ending.is_set():
                    child.kill()
                    return
        except BaseException:
            child.kill()
            raise
        self._child, self.problem = child, None

    def end(self) -> None:
        """Let it answer what has come in, and end; returns at once, also within a signal handler."""
        self._ending.set()
        if self._child is None and self._telling is not None:  # it is being replaced, or waits for that
            self._telling.on_ended()

    def run(self, stop: threading.Event) -> None:
        """Tell it what is new until `stop` is set; after `begin`.

        Raises:
            ReaderError: It has ended by itself; the next call starts another one.
        """
        telling = self._telling
        if telling is None:
            raise ReaderError("the reading process hasn't begun")
        if self._child is None and not self._ending.is_set():
            self._begin(telling)
        child = self._child
        if child is not None:
            try:
                self._tell(child, telling, stop)
            except ReaderError as error:
                self.problem = str(error)
                raise
            finally:
                self._child = None
                child.kill()
            if self._ending.is_set():
                telling.on_ended()
        stop.wait()

    def _tell(self, child: _Child, telling: Telling, stop: threading.Event) -> None:
        known, next_state = State({}, {}), 0.0
        told: tuple[float | None, Sequence[Failure]] = None, ()
        while not (stop.is_set() or self._ending.is_set()):
            if time.monotonic() >= next_state:
                next_state = time.monotonic() + _STATE_SECONDS
                if (state := telling.state()) != known:
                    child.say(known := state)
            if (telling.lag.collected_at, telling.lag.failures) != told:
                readings, collected_at, failures = telling.lag.published
                told = (collected_at or None, failures)
                child.say(Lag(readings, collected_at, failures))
            message = child.heard(_LOOK_SECONDS)
            if isinstance(message, Failed):
                telling.on_failed(message.part, ReaderError(f"{message.part} failed in the reading process"))
        child.end()


class _Child:
    """A process, and the line to it.

    Args:
        listener: What it inherits.
    """

    def __init__(self, listener: socket.socket) -> None:
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _DEAF_SECONDS, 0))
        with theirs:
            try:
                self._process = _started(theirs.fileno(), listener.fileno())
            except OSError as error:
                ours.close()
                raise ReaderError(
                    f"the reading process can't be started: {error.strerror or error}"
                ) from None
        self._control: Connection[Any, Any] = Connection(ours.detach())

    @property
    def pid(self) -> int:
        return self._process.pid

    def say(self, message: object) -> None:
        try:
            self._control.send(message)
        except OSError:
            raise self._gone() from None

    def heard(self, seconds: float | None) -> Any:
        """The next message, None if there is none within the time."""
        try:
            return self._control.recv() if self._control.poll(seconds) else None
        except (EOFError, OSError):
            raise self._gone() from None

    def end(self) -> None:
        """Let it end by itself, for a while."""
        with contextlib.suppress(ReaderError, subprocess.TimeoutExpired):
            self.say(Ended())
            self._process.wait(_END_SECONDS)

    def kill(self) -> None:
        """Whatever it does, it ends now."""
        self._process.kill()
        self._process.wait()
        self._control.close()

    def _gone(self) -> ReaderError:
        try:
            code = self._process.wait(_GOING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return ReaderError("the reading process hung, and was killed")
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return ReaderError(f"the reading process {how}")


def _started(*inherited: int) -> subprocess.Popen[bytes]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_OTHER)
    try:
        return subprocess.Popen(
            # Not from whatever folder this was started in (-P), but from where this process has it.
            [sys.executable, "-P", "-m", "flowtrail_collector.front", *map(str, inherited)],
            stdin=subprocess.DEVNULL,
            pass_fds=inherited,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
