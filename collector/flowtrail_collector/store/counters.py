"""Counters, as they are kept."""

from __future__ import annotations

import json

from flowtrail_collector.metrics.counts import Counts
from flowtrail_collector.store.sql import Connection

__all__ = ["read_counters"]

_READ = """SELECT name, labels, sum(value) FROM counters
 WHERE name >= ? AND name < ? GROUP BY name, labels"""


def read_counters(connection: Connection, prefix: str) -> Counts:
    """The counters whose names begin with a prefix."""
    rows = connection.execute(_READ, (prefix, prefix + "\uffff"))
    return {(name, tuple(json.loads(labels))): value for name, labels, value in rows}
