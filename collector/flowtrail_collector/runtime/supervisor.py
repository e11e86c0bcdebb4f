"""Background parts: each in a thread of its own, restarted when it fails, stopped together.

A failure in one part is logged, counted and retried after a pause; it never ends another part.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from flowtrail_collector.conditions import Condition, PartState, Remark, Starting
from flowtrail_collector.errors import CollectorError

logger = logging.getLogger("flowtrail_collector")

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_STARTING_SECONDS = 60.0
"""A part that takes longer to begin hangs."""


class Part(Protocol):
    """Something that runs beside the web server for as long as the collector lives."""

    @property
    def name(self) -> str:
        """Short name; the `part` label of `flowtrail_collector_errors_total`."""
        ...

    @property
    def problem(self) -> str | None:
        """Why this part isn't doing its work (one line, shown by /readyz), None when it is.

        A part that is about to begin says so with `Starting`, one that runs and has nothing to do with `Remark`.
        """
        ...

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then return soon (within a second or two).

        May raise: it is called again after a pause. Waits with `stop.wait(seconds)` instead of sleeping.
        """
        ...


class Supervisor:
    """Runs parts in threads.

    Args:
        parts: What to run; started in this order, stopped all at once.
        on_error: Called with the part's name and what it raised.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        on_error: Callable[[str, Exception], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = tuple(parts)
        self._on_error = on_error
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failures: dict[str, str] = {}
        self._clock = clock
        self._started: float | None = None

    def start(self) -> None:
        """Start every part's thread."""
        self._started = self._clock()
        for part in self._parts:
            # Daemons, so that a part stuck in a system call can't keep a stopped collector alive.
            thread = threading.Thread(
                target=self._keep_running, args=(part,), name=f"flowtrail-{part.name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self, timeout_seconds: float = 4.0) -> list[str]:
        """Stop every part and wait for it.

        Returns:
            Names of the threads that were still busy after `timeout_seconds`.
        """
        self._stop.set()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return [thread.name for thread in self._threads if thread.is_alive()]

    def conditions(self) -> dict[str, Condition]:
        """How each part is, by its name."""
        return {part.name: self._condition(part) for part in self._parts}

    def _condition(self, part: Part) -> Condition:
        problem, failure = part.problem, self._failures.get(part.name)
        if failure is not None and (problem is None or isinstance(problem, Starting | Remark)):
            return Condition(PartState.FAILING, failure)
        found = Condition.of(problem)
        hangs = self._started is not None and self._clock() - self._started >= _STARTING_SECONDS
        return (
            found._replace(state=PartState.FAILING) if found.state is PartState.STARTING and hangs else found
        )

    def _keep_running(self, part: Part) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while not self._stop.is_set():
            self._failures.pop(part.name, None)
            began = time.monotonic()
            try:
                part.run(self._stop)
                pause_seconds = _FIRST_PAUSE_SECONDS
            except Exception as error:
                if self._stop.is_set():
                    # The store is closed once the time for stopping is over.
                    return
                self._failures[part.name] = f"{type(error).__name__}: {error}"
                if time.monotonic() - began > _LONGEST_PAUSE_SECONDS:
                    # It worked: what fails once a day doesn't wait as long as what fails all the time.
                    pause_seconds = _FIRST_PAUSE_SECONDS
                if isinstance(error, CollectorError):  # says all there is to say
                    logger.warning("%s failed, next try in %.1f s: %s", part.name, pause_seconds, error)
                else:
                    logger.exception("%s failed, next try in %.1f s", part.name, pause_seconds)
                self._on_error(part.name, error)
            if self._stop.wait(pause_seconds):
                return
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
