"""A question to a server that may take long to answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
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
        self._asked: Future[T] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was asked, and its answer wasn't taken yet."""
        return self._asked is not None

    @property
    def is_under_way(self) -> bool:
        """Whether it was asked, and there is no answer yet."""
        return self._asked is not None and not self._asked.done()

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
        if self._asked is None:
            self._asked = Future()
            # A daemon: a server that doesn't answer must not hold up the end of the program.
            threading.Thread(target=_answer, args=(self._asked, ask), name=self._name, daemon=True).start()
        if not wait((self._asked,), patience_seconds).done:
            return None
        asked, self._asked = self._asked, None
        return asked.result()


def _answer(asked: Future[T], ask: Callable[[], T]) -> None:
    try:
        asked.set_result(ask())
    except Exception as error:  # noqa: BLE001 - it is raised where the answer is taken
        asked.set_exception(error)
