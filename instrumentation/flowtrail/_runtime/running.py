"""Running everything of a trail, until a block ends or a signal comes."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import Any, Protocol

from flowtrail import _fork
from flowtrail._clock import remaining
from flowtrail._runtime.ending import Ending
from flowtrail._runtime.handlers import Plan
from flowtrail._runtime.preparing import Preparing
from flowtrail._runtime.publisher import Publisher
from flowtrail._runtime.services import Services
from flowtrail._runtime.workers import GroupWorker
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


class Relayed(Protocol):
    """Something whose events a running trail relays: an outbox."""

    def relay(self, publisher: Publisher, stop: threading.Event) -> Background:
        """Its relay."""
        ...


class Lifecycle:
    """The members of a trail's groups and the relays of its outboxes; can be started again after a stop.

    Args:
        shutdown_timeout_seconds: For how long stopping waits for what is in hand, and then for publications.
    """

    def __init__(self, shutdown_timeout_seconds: float) -> None:
        self._shutdown_timeout_seconds = shutdown_timeout_seconds
        self._lock = threading.Lock()
        self._stop: Ending | None = None
        self._workers: list[GroupWorker] = []
        self._parts: Sequence[Background] = ()
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        """What runs runs in the parent; here it may be started anew."""
        self._lock = threading.Lock()
        self._stop = None
        self._workers = []
        self._parts = ()

    def start(self, services: Services, plans: Iterable[Plan], outboxes: Iterable[Relayed]) -> Ending:
        """Start everything; doesn't block. The event that it hands back is set when it is to end.

        Raises:
            ConfigurationError: It runs already.
        """
        with self._lock:
            if self._stop is not None:
                raise ConfigurationError("this trail is already running")
            stop = self._stop = Ending()
            plans = list(plans)
            self._workers = [
                GroupWorker(plan, services, number, stop)
                for plan in plans
                for number in range(plan.concurrency)
            ]
            relays = [outbox.relay(services.publisher, stop) for outbox in outboxes]
            preparing = Preparing(plans, services.forwarder, stop)
            self._parts = [preparing, *self._workers, *relays]
            for part in self._parts:
                part.start()
            return stop

    def ready(self, timeout_seconds: float) -> bool:
        """Whether every consumer has joined its group, waiting for it if asked to; relays alone have none to join."""
        workers = list(self._workers)
        return bool(self._parts) and all(worker.joined.wait(timeout_seconds) for worker in workers)

    def stop(self, services: Services | None) -> BaseException | None:
        """Stop what runs, then close what it used, if it was made at all; blocks. Safe to call again.

        Returns:
            What a handler raised to end the program; None if none did.
        """
        with self._lock:
            stop, self._stop = self._stop, None
        if stop is not None:
            stop.set()
            deadline = time.monotonic() + self._shutdown_timeout_seconds
            ended = [part.join(remaining(deadline)) for part in self._parts]
            if not all(ended):
                _log.warning("flowtrail stopped while %d part(s) were still busy", ended.count(False))
        if services is not None:
            services.close()
        return stop.reason if stop is not None else None


class Running:
    """Starts a trail on entering a `with` or `async with` block, and stops it on leaving.

    Args:
        start: Starts everything; doesn't block.
        stop: Stops everything; blocks. Hands back what a handler raised to end the program.
        use_loop: Told on which event loop coroutine handlers run.
    """

    def __init__(
        self,
        start: Callable[[], object],
        stop: Callable[[], BaseException | None],
        use_loop: Callable[[asyncio.AbstractEventLoop], None],
    ) -> None:
        self._start = start
        self._stop = stop
        self._use_loop = use_loop

    def __enter__(self) -> None:
        """Start."""
        self._start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop, and wait for it.

        Raises:
            SystemExit: A handler has called `sys.exit`; or whatever else it raised to end the program.
        """
        self._end(self._stop(), kind)

    async def __aenter__(self) -> None:
        """Start; coroutine handlers run on this loop."""
        self._use_loop(asyncio.get_running_loop())
        self._start()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop without blocking the loop, on which handlers may still have to finish; see `__exit__`."""
        self._end(await asyncio.to_thread(self._stop), kind)

    def _end(self, reason: BaseException | None, raised: type[BaseException] | None) -> None:
        if reason is not None and raised is None:
            raise reason


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
        self._process = os.getpid()

    def __enter__(self) -> StopSignals:
        """Catch them."""
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a process that a handler forked: it ends when it is told to
            signal.signal(number, self._previous[signal.Signals(number)])
            os.kill(os.getpid(), number)
            return
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
