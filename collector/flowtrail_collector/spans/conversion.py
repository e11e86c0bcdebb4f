"""Takes over, once, what an earlier version kept of spans in another form."""

from __future__ import annotations

import threading
from typing import Protocol

__all__ = ["SpanConversion"]

_BREATH_SECONDS = 0.05


class OlderSpans(Protocol):
    """A store that may hold spans in an earlier form."""

    def take_over(self, limit: int = ...) -> int:
        """Take over some of them, the newest first; how many were examined, 0 when there are none left."""
        ...


class SpanConversion:
    """A `Part` named `span conversion`; once it is done it has nothing to do.

    Args:
        store: Where the spans are.
    """

    name = "span conversion"
    problem: str | None = None

    def __init__(self, store: OlderSpans) -> None:
        self._store = store

    def run(self, stop: threading.Event) -> None:
        """Take over what there is, then wait for `stop`."""
        while not stop.is_set() and self._store.take_over():
            stop.wait(_BREATH_SECONDS)
        stop.wait()
