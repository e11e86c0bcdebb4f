"""Figures about the collector for people, beside those in its metrics."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from flowtrail import __version__
from flowtrail_collector.errors import StoreError

__all__ = ["SpanCounts", "status_of"]


class SpanCounts(Protocol):
    """How many spans came, wait, were turned away."""

    @property
    def received_spans(self) -> int:
        """Stored."""
        ...

    @property
    def pending_spans(self) -> int:
        """Waiting for the store."""
        ...

    @property
    def refused_spans(self) -> int:
        """Turned away because the queue was full."""
        ...

    @property
    def rejected_spans(self) -> int:
        """Turned away because they made no sense."""
        ...


def status_of(
    facts: Mapping[str, str], store_bytes: Callable[[], int], spans: SpanCounts
) -> Callable[[], dict[str, Any]]:
    """What `/api/v1/status` answers; only the version while the store can't be asked.

    Args:
        facts: Where the brokers are and what reads events, by name; what is empty isn't told.
        store_bytes: Size of the store on disk.
        spans: The receiver's counts.
    """
    started = time.time()

    def status() -> dict[str, Any]:
        with contextlib.suppress(OSError, StoreError):
            return {
                "version": __version__,
                "uptime_seconds": round(time.time() - started, 1),
                "store_bytes": store_bytes(),
                **{name: fact for name, fact in facts.items() if fact},
                "spans_received": spans.received_spans,
                "spans_waiting": spans.pending_spans,
                "spans_refused": spans.refused_spans,
                "spans_rejected": spans.rejected_spans,
            }
        return {"version": __version__}

    return status
