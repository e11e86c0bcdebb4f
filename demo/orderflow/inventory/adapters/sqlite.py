"""Stock and reservations in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from orderflow.inventory.domain import Reservation, ReservationState, StockItem
from orderflow.kernel import Quantity, Sku

SCHEMA = """
CREATE TABLE IF NOT EXISTS stock (
    sku      TEXT PRIMARY KEY,
    on_hand  INTEGER NOT NULL,
    reserved INTEGER NOT NULL DEFAULT 0,
    CHECK (0 <= reserved AND reserved <= on_hand)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reservations (
    order_id   TEXT PRIMARY KEY,
    state      TEXT NOT NULL,
    version    INTEGER NOT NULL,
    quantities TEXT NOT NULL
) WITHOUT ROWID;
"""


class SqliteWarehouse:
    """Implements `Warehouse`.

    Args:
        connection: Within the transaction of the unit of work.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def stock(self, skus: Iterable[Sku]) -> dict[Sku, StockItem]:
        """The products among these that there are."""
        found = {}
        for sku in skus:
            row = self._connection.execute(
                "SELECT on_hand, reserved FROM stock WHERE sku = ?", (sku.code,)
            ).fetchone()
            if row is not None:
                found[sku] = StockItem(sku, row[0], row[1])
        return found

    def reservation(self, order_id: str) -> Reservation | None:
        """What is set aside for an order."""
        row = self._connection.execute(
            "SELECT state, version, quantities FROM reservations WHERE order_id = ?", (order_id,)
        ).fetchone()
        if row is None:
            return None
        quantities = {Sku(sku): Quantity(count) for sku, count in json.loads(row[2]).items()}
        return Reservation(order_id, quantities, ReservationState(row[0]), row[1])

    def save(self, reservation: Reservation, stock: Iterable[StockItem]) -> None:
        """Keep both."""
        self._connection.executemany(
            "UPDATE stock SET on_hand = ?, reserved = ? WHERE sku = ?",
            [(item.on_hand, item.reserved, item.sku.code) for item in stock],
        )
        counts = {sku.code: quantity.count for sku, quantity in reservation.quantities.items()}
        self._connection.execute(
            "INSERT INTO reservations (order_id, state, version, quantities) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, version = excluded.version",
            (reservation.order_id, reservation.state.value, reservation.version, json.dumps(counts)),
        )

    def fill(self, sku: Sku, on_hand: int) -> None:
        """Put a product on the shelf, unless it is there."""
        self._connection.execute(
            "INSERT OR IGNORE INTO stock (sku, on_hand) VALUES (?, ?)", (sku.code, on_hand)
        )
