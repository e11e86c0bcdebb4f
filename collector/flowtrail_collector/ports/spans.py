"""Where spans are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flowtrail_collector.domain.spans import Span


class SpanWriter(Protocol):
    """The receiving side of the span store."""

    def add(self, spans: Sequence[Span]) -> int:
        """Keep spans, all or none; returns only when they would survive a crash.

        A span already there (same trace and span id) is left as it is: exporters send again whatever they got
        no answer for.

        Returns:
            How many were new.

        Raises:
            StoreError: Nothing was kept.
        """
        ...

    def prune(self, *, older_than_seconds: float, keep_at_most: int, limit: int = 10_000) -> int:
        """Forget the spans received longest ago.

        Args:
            older_than_seconds: Age, since they were received, beyond which spans go.
            keep_at_most: Number of spans beyond which the oldest go.
            limit: At most this many go in one call, so that writers get their turn.

        Returns:
            How many went; `limit` means there may be more.
        """
        ...


class SpanReader(Protocol):
    """The reading side of the span store."""

    def trace_ids(self, value: str, limit: int = 100) -> list[str]:
        """Traces that hold a span with this correlation id, message id or subject, newest last."""
        ...

    def spans(self, trace_ids: Sequence[str], limit: int = 5_000) -> list[Span]:
        """The spans of these traces, by start time; at most `limit`."""
        ...
