"""Keeping a member in its group while its thread is busy with the application's code."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger("flowtrail")

_LOOK_AROUND_SECONDS = 0.5


class Watch:
    """Polls in place of a member's thread while that is in a `with watch:` block for long.

    A client throws out a member that doesn't poll for `max.poll.interval.ms`, whatever keeps it from it: a
    handler, a deduplication's database, a codec. The blocks cost next to nothing as long as they are short.

    Args:
        name: For the thread.
        keep_alive: Polls without fetching. Never called at the same time as anything outside of the blocks.
    """

    def __init__(self, name: str, keep_alive: Callable[[], None]) -> None:
        self._name = name
        self._keep_alive = keep_alive
        self._turn = threading.Lock()
        self._blocks = 0
        self._inside = self._polling = False
        self._broken: Exception | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        """The member's thread turns to the application's code."""
        self._blocks += 1
        self._inside = True

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """It is back, once a poll under way has ended."""
        # In this order, and the other way round in the watching thread: one of the two sees the other.
        self._inside = False
        if self._polling:
            with self._turn:
                pass

    def start(self) -> None:
        """Watch from now on."""
        self._thread = threading.Thread(target=self._run, name=f"{self._name}-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def check(self) -> None:
        """Raise what a poll raised meanwhile.

        Raises:
            ClientError: The consumer is of no use any more.
        """
        if self._broken is not None:
            broken, self._broken = self._broken, None
            raise broken

    def _run(self) -> None:
        seen = 0
        while not self._ended.wait(_LOOK_AROUND_SECONDS):
            if not self._inside or self._blocks != seen:
                seen = self._blocks
                continue
            with self._turn:
                self._polling = True
                if self._inside and self._blocks == seen and self._broken is None:
                    self._poll()
                self._polling = False

    def _poll(self) -> None:
        try:
            self._keep_alive()
        except Exception as error:  # noqa: BLE001 - raised in the member's own thread
            _log.debug("%s: a poll during a long handler failed", self._name, exc_info=error)
            self._broken = error
