"""The event store: an order is nothing but its events."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from orderflow.kernel import DomainEvent, Line
from orderflow.orders.application.ports import ConcurrencyError
from orderflow.orders.domain import (
    Order,
    OrderCancelled,
    OrderConfirmed,
    OrderFulfilled,
    OrderPlaced,
    OrderPlacedV1,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS order_events (
    order_id       TEXT NOT NULL,
    version        INTEGER NOT NULL,
    type           TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    data           TEXT NOT NULL,
    recorded_at    TEXT NOT NULL,
    PRIMARY KEY (order_id, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS order_numbers (number INTEGER PRIMARY KEY AUTOINCREMENT);
"""

_KNOWN: dict[tuple[str, int], type[DomainEvent]] = {
    (event.type(), event.schema_version): event
    for event in (OrderPlacedV1, OrderPlaced, OrderConfirmed, OrderCancelled, OrderFulfilled)
}


class EventStore:
    """Implements `Orders` on SQLite.

    Args:
        connection: Within the transaction of the unit of work.
        suffix: Put after each order id, so that runs on a shared broker don't name two orders alike.
    """

    def __init__(self, connection: sqlite3.Connection, suffix: str = "") -> None:
        self._connection = connection
        self._suffix = f"-{suffix}" if suffix else ""

    def next_id(self) -> str:
        """The next order id, such as ORD-000017."""
        number = self._connection.execute("INSERT INTO order_numbers DEFAULT VALUES").lastrowid
        return f"ORD-{number:06d}{self._suffix}"

    def get(self, order_id: str) -> Order | None:
        """An order, rebuilt from its events; None if there is none."""
        rows = self.history(order_id)
        return Order.rehydrate(order_id, rows) if rows else None

    def history(self, order_id: str) -> list[DomainEvent]:
        """An order's events, oldest first."""
        rows = self._connection.execute(
            "SELECT version, type, schema_version, data FROM order_events"
            " WHERE order_id = ? ORDER BY version",
            (order_id,),
        )
        return [_load(order_id, *row) for row in rows]

    def save(self, order: Order) -> Sequence[DomainEvent]:
        """Append what the order has raised.

        Raises:
            ConcurrencyError: One of its versions is taken: the order has moved on since it was read.
        """
        raised = order.collect()
        recorded_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        for event in raised:
            data = event.payload()
            del data["order_id"]
            try:
                self._connection.execute(
                    "INSERT INTO order_events (order_id, version, type, schema_version, data, recorded_at)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        order.order_id,
                        event.sequence,
                        event.type(),
                        event.schema_version,
                        json.dumps(data),
                        recorded_at,
                    ),
                )
            except sqlite3.IntegrityError:
                raise ConcurrencyError(
                    f"order {order.order_id} has a version {event.sequence} already"
                ) from None
        return raised


def _load(order_id: str, version: int, name: str, schema_version: int, data: str) -> DomainEvent:
    fields: dict[str, Any] = json.loads(data)
    if "lines" in fields:
        fields["lines"] = tuple(Line(**line) for line in fields["lines"])
    return _KNOWN[name, schema_version](order_id=order_id, sequence=version, **fields)
