"""A question to a server that may take long to answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

__all__ = ["Question"]

T = TypeVar("T")


class Question(Generic[T]):
    """One at a time, in a thread of its own: whoever asks need not wait for it, and gets the answer the next time.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._answers: SimpleQueue[T | Exception] | None = None

    def answer(self, ask: Callable[[], T], patience_seconds: float | None) -> T | None:
        """Ask, unless an earlier question is still open; then it is that one's answer which is waited for.

        Args:
            ask: Called in another thread.
            patience_seconds: How long to wait; None for as long as it takes.

        Returns:
            None if there is no answer yet.

        Raises:
            Exception: What `ask` raised.
        """
        if self._answers is None:
            self._answers = SimpleQueue()
            # A daemon: a server that doesn't answer must not hold up the end of the program.
            threading.Thread(
                target=self._ask, args=(ask, self._answers), name=self._name, daemon=True
            ).start()
        try:
            said = self._answers.get(timeout=None if patience_seconds is None else max(0.0, patience_seconds))
        except Empty:
            return None
        self._answers = None
        if isinstance(said, Exception):
            raise said
        return said

    @staticmethod
    def _ask(ask: Callable[[], T], answers: SimpleQueue[T | Exception]) -> None:
        try:
            answers.put(ask())
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is taken
            answers.put(error)
