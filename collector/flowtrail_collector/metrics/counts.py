"""Counters that the store keeps, so that they survive restarts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

__all__ = ["CountKey", "Counters", "Counts"]

CountKey = tuple[str, tuple[str, ...]]
"""(metric name without prefix and `_total`, label values)."""
Counts = Mapping[CountKey, float]
"""Values, or increments, of counters."""


class Counters(Protocol):
    """Reads counters."""

    def counters(self, prefix: str) -> Counts:
        """The counters whose name begins with `prefix`."""
        ...
