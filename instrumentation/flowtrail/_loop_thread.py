"""An event loop in a thread of its own, for coroutines that have none to run on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

CALL_SECONDS = 30.0
_END_SECONDS = 1.0


class LoopThread:
    """An event loop in a thread, as long as somebody uses it.

    Args:
        name: The thread's name.
        escaped: Told of a `SystemExit` or `KeyboardInterrupt` in a task, which asyncio lets out of the loop.
            The loop goes on: whoever waits for its other tasks would wait for ever.
    """

    def __init__(self, name: str, escaped: Callable[[BaseException], None] | None = None) -> None:
        self._name = name
        self._escaped = escaped
        self._lock = threading.Lock()
        self._users = 0
        self._thread: threading.Thread | None = None
        self.loop: asyncio.AbstractEventLoop

    def acquire(self) -> None:
        """Start it, unless it runs."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self.loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                self.loop.run_forever()
            except BaseException as error:  # noqa: BLE001 - not this thread's end, but the program's
                if self._escaped is not None:
                    self._escaped(error)
            else:
                return

    def release(self) -> None:
        """Stop it, if nobody else uses it; a coroutine that never yields is left behind with its thread."""
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._thread is not None:
                self.loop.call_soon_threadsafe(self.loop.stop)
                self._thread.join(CALL_SECONDS)
                if not self._thread.is_alive():
                    self._end_tasks()
                    self.loop.run_until_complete(self.loop.shutdown_asyncgens())
                    self.loop.close()

    def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=_END_SECONDS))

    def call(self, coroutine: Coroutine[Any, Any, T], timeout_seconds: float = CALL_SECONDS) -> T:
        """Run a coroutine there and wait for it; one that takes longer is cancelled."""
        running = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return running.result(timeout_seconds)
        finally:
            running.cancel()
