"""A lock that is handed on in the order of asking."""

from __future__ import annotations

import threading
from collections import deque

__all__ = ["FairLock"]


class FairLock:
    """A mutual exclusion lock, first come first served; used as a context manager, not reentrant.

    `threading.Lock` goes to whoever asks at the right moment: a thread that lets go of it and takes it again at
    once, as one with a backlog does, can keep all others out for seconds.
    """

    def __init__(self) -> None:
        self._state = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for it."""
        return len(self._waiting)

    def __enter__(self) -> None:
        """Wait for its turn."""
        with self._state:
            if not self._held:
                self._held = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def __exit__(self, *_: object) -> None:
        """Hand it to who has waited longest."""
        with self._state:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False
