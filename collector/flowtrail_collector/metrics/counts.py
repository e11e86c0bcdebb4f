"""Names of counters that the store keeps."""

from __future__ import annotations

from collections.abc import Mapping

Counts = Mapping[tuple[str, tuple[str, ...]], float]
"""Increments by (metric name without `_total`, label values)."""


CountKey = tuple[str, tuple[str, ...]]
"""(metric name without prefix and `_total`, label values)."""
