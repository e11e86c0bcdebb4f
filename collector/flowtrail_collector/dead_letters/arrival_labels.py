"""Labels of `flowtrail_dlq_arrivals_total`: strangers write the headers, so their values are bounded."""

from __future__ import annotations

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.metrics.counts import Counters

__all__ = ["MAX_VALUES", "OTHER", "ArrivalLabels"]

MAX_VALUES = 100
"""Distinct values per label; further ones count as `other`."""
OTHER = "other"
_MAX_TOPICS = 1_000  # dead letter topics themselves exist: nobody makes them up in a header
_MAX_LENGTH = 200


class ArrivalLabels:
    """Remembers which values were let through, over restarts too.

    Args:
        store: Its counters tell what was let through before.
    """

    def __init__(self, store: Counters) -> None:
        self._store = store
        self._known: tuple[set[str], ...] | None = None

    def of(self, letter: DeadLetter) -> tuple[str, ...]:
        """Topic, source topic, group and error type of a dead letter, as labels; unknown ones are empty.

        Raises:
            StoreError: What was let through before can't be read.
        """
        if self._known is None:
            counted = [labels for _, labels in self._store.counters("dlq_arrivals") if len(labels) == 4]
            self._known = tuple({labels[at] for labels in counted} for at in range(4))
        values = (letter.topic, letter.source_topic, letter.group, letter.error_type)
        limits = (_MAX_TOPICS, MAX_VALUES, MAX_VALUES, MAX_VALUES)
        return tuple(
            _bounded(value, known, limit)
            for value, known, limit in zip(values, self._known, limits, strict=True)
        )


def _bounded(value: str | None, known: set[str], limit: int) -> str:
    short = (value or "")[:_MAX_LENGTH]
    if short not in known and short:
        if len(known) >= limit:
            return OTHER
        known.add(short)
    return short
