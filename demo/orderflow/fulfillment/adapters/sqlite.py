"""Shipments in SQLite."""

from __future__ import annotations

import sqlite3

from orderflow.fulfillment.domain import Shipment, ShipmentState

SCHEMA = """
CREATE TABLE IF NOT EXISTS shipments (
    order_id    TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    state       TEXT NOT NULL,
    version     INTEGER NOT NULL
) WITHOUT ROWID;
"""


class SqliteShipments:
    """Implements `Shipments`.

    Args:
        connection: Within the transaction of the unit of work.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, order_id: str) -> Shipment | None:
        """The shipment of an order."""
        row = self._connection.execute(
            "SELECT customer_id, state, version FROM shipments WHERE order_id = ?", (order_id,)
        ).fetchone()
        return Shipment(order_id, row[0], ShipmentState(row[1]), row[2]) if row is not None else None

    def save(self, shipment: Shipment) -> None:
        """Keep it."""
        self._connection.execute(
            "INSERT INTO shipments (order_id, customer_id, state, version) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, version = excluded.version",
            (shipment.order_id, shipment.customer_id, shipment.state.value, shipment.version),
        )
