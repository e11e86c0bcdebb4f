"""Customers in SQLite."""

from __future__ import annotations

import sqlite3

from orderflow.customers.domain import Customer, OrderRecord, RecordState
from orderflow.kernel import Money

SCHEMA = """
CREATE TABLE IF NOT EXISTS customers (customer_id TEXT PRIMARY KEY, points INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS order_records (
    order_id    TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    state       TEXT NOT NULL,
    total_cents INTEGER,
    version     INTEGER NOT NULL
) WITHOUT ROWID;
"""


class SqliteCustomers:
    """Implements `Customers`.

    Args:
        connection: Within the transaction of the unit of work.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, customer_id: str, order_id: str) -> Customer:
        """A customer with one order's record; a history of thousands needn't be read for that."""
        row = self._connection.execute(
            "SELECT points FROM customers WHERE customer_id = ?", (customer_id,)
        ).fetchone()
        customer = Customer(customer_id, row[0] if row is not None else 0)
        record = self._connection.execute(
            "SELECT state, total_cents, version FROM order_records WHERE order_id = ? AND customer_id = ?",
            (order_id, customer_id),
        ).fetchone()
        if record is not None:
            total = None if record[1] is None else Money(record[1])
            customer.remember(OrderRecord(order_id, RecordState(record[0]), total, record[2]))
        return customer

    def save(self, customer: Customer) -> None:
        """Keep the customer and the loaded records."""
        self._connection.execute(
            "INSERT INTO customers (customer_id, points) VALUES (?, ?)"
            " ON CONFLICT (customer_id) DO UPDATE SET points = excluded.points",
            (customer.customer_id, customer.points),
        )
        self._connection.executemany(
            "INSERT INTO order_records (order_id, customer_id, state, total_cents, version)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (order_id) DO UPDATE SET"
            " state = excluded.state, total_cents = excluded.total_cents, version = excluded.version",
            [
                (
                    record.order_id,
                    customer.customer_id,
                    record.state.value,
                    None if record.total is None else record.total.cents,
                    record.version,
                )
                for record in customer.records.values()
            ],
        )
