"""Where spans are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from flowtrail_collector.spans.model import Span


class SpanWriter(Protocol):
    """The receiving side of the span store."""

    def add(self, spans: Sequence[Span]) -> int:
        """Keep spans, all or none; returns only when they would survive a crash.

        A span already there (same trace, span id, kind, resource and end) is left as it is: exporters send again whatever
        they got no answer for.

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
        """The spans of these traces, by start time; at most `limit`. Ids that they share are told apart."""
        ...

    def count(self, trace_ids: Sequence[str]) -> int:
        """How many spans these traces have."""
        ...


@dataclass(frozen=True, slots=True)
class SpanOperation:
    """An operation of a service; `kind` is OTLP's number."""

    name: str
    kind: int


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """How often spans of one service led to spans of another."""

    caller: str
    callee: str
    calls: int


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """Which traces: those with a span for which all of this holds.

    Attributes:
        service: Who emitted it.
        operation: Its name.
        tags: Attributes of the span, its resource or its events, as text.
        start_ns: It began at this time or later.
        end_ns: It began at this time or before.
        least_ns: It took at least so long.
        most_ns: It took at most so long.
        limit: At most so many traces, the newest.
    """

    service: str
    operation: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    start_ns: int = 0
    end_ns: int = 2**63 - 1
    least_ns: int | None = None
    most_ns: int | None = None
    limit: int = 20


class SpanSearch(Protocol):
    """Asking for spans without an id. Answers may leave out what lies behind tens of thousands of spans.

    Operations are kept up to a thousand a service; a search looks at the 200 processes of a service that were heard last.
    """

    def services(self) -> list[str]:
        """All services, by name."""
        ...

    def operations(self, service: str) -> list[SpanOperation]:
        """All operations of a service, by name."""
        ...

    def find(self, query: TraceQuery) -> list[str]:
        """Ids of traces, newest first."""
        ...

    def calls(self, start_ns: int, end_ns: int) -> list[ServiceCall]:
        """Who called whom in this time."""
        ...
