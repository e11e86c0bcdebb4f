"""Counts which products are bought together."""

from __future__ import annotations

import sqlite3
from itertools import permutations

from orderflow.platform import Message, Service, Settings, UnitOfWork

SCHEMA = """
CREATE TABLE IF NOT EXISTS bought_together (
    sku   TEXT NOT NULL,
    other TEXT NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (sku, other)
) WITHOUT ROWID;
"""


def build(settings: Settings) -> Service:
    """The service."""
    service = Service(settings, None, SCHEMA)
    service.consume("orders", ["OrderPlaced"], on_order_placed)
    return service


def on_order_placed(unit: UnitOfWork, message: Message) -> None:
    """Count every pair of products; an order of version 1 has none."""
    unit.connection.executemany(
        "INSERT INTO bought_together (sku, other, times) VALUES (?, ?, 1)"
        " ON CONFLICT (sku, other) DO UPDATE SET times = times + 1",
        list(permutations(message.quantities(), 2)),
    )


def often_bought_with(connection: sqlite3.Connection, sku: str, limit: int = 3) -> list[str]:
    """What others bought with it, most often first."""
    rows = connection.execute(
        "SELECT other FROM bought_together WHERE sku = ? ORDER BY times DESC, other LIMIT ?", (sku, limit)
    )
    return [row[0] for row in rows]
