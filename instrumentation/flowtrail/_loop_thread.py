"""An event loop in a thread of its own, for coroutines that have none to run on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from flowtrail import _fork

T = TypeVar("T")

CALL_SECONDS = 30.0


class LoopThread:
    """An event loop in a thread, as long as somebody uses it.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._users = 0
        self._thread: threading.Thread | None = None
        self.loop: asyncio.AbstractEventLoop
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        """The loop runs in the parent only; closing it here would disturb what the two still share."""
        if self._users:
            _fork.leave_behind(self.loop)
        self._lock = threading.Lock()
        self._users = 0
        self._thread = None

    def acquire(self) -> None:
        """Start it, unless it runs."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self.loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self.loop.run_forever, name=self._name, daemon=True)
                self._thread.start()

    def release(self) -> None:
        """Stop it, if nobody else uses it."""
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._thread is not None:
                self.loop.call_soon_threadsafe(self.loop.stop)
                self._thread.join()
                self.loop.run_until_complete(self.loop.shutdown_asyncgens())
                self.loop.close()

    def call(self, coroutine: Coroutine[Any, Any, T], timeout_seconds: float = CALL_SECONDS) -> T:
        """Run a coroutine there and wait for it; one that takes longer is cancelled."""
        running = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return running.result(timeout_seconds)
        finally:
            running.cancel()
