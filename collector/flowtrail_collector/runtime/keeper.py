"""Keeps what is learned from events up to date, beside everything else."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Keeper"]

_PAUSE_SECONDS = 1.0


class Keeper:
    """A `Part` that learns.

    Args:
        name: Of the part.
        learn: Looks through the next events; 0 when there are none.
    """

    problem: str | None = None

    def __init__(self, name: str, learn: Callable[[], int]) -> None:
        self.name = name
        self._learn = learn

    def run(self, stop: threading.Event) -> None:
        """Learn until `stop` is set."""
        while not stop.is_set():
            if self._learn() == 0:
                stop.wait(_PAUSE_SECONDS)
