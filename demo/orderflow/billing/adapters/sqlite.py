"""Cards and payments in SQLite."""

from __future__ import annotations

import sqlite3

from orderflow.billing.domain import Card, Payment, PaymentState
from orderflow.kernel import Money

DEFAULT_LIMIT = Money(1_000_000)

SCHEMA = """
CREATE TABLE IF NOT EXISTS cards (
    customer_id TEXT PRIMARY KEY,
    limit_cents INTEGER NOT NULL,
    blocked     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments (
    order_id     TEXT PRIMARY KEY,
    customer_id  TEXT NOT NULL,
    amount_cents INTEGER NOT NULL,
    state        TEXT NOT NULL,
    version      INTEGER NOT NULL
) WITHOUT ROWID;
"""


class SqliteAccounts:
    """Implements `Accounts`.

    Args:
        connection: Within the transaction of the unit of work.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def card_of(self, customer_id: str) -> Card:
        """A customer's card."""
        row = self._connection.execute(
            "SELECT limit_cents, blocked FROM cards WHERE customer_id = ?", (customer_id,)
        ).fetchone()
        if row is None:
            return Card(customer_id, DEFAULT_LIMIT)
        return Card(customer_id, Money(row[0]), bool(row[1]))

    def payment(self, order_id: str) -> Payment | None:
        """The payment of an order."""
        row = self._connection.execute(
            "SELECT amount_cents, state, version FROM payments WHERE order_id = ?", (order_id,)
        ).fetchone()
        return Payment(order_id, Money(row[0]), PaymentState(row[1]), row[2]) if row is not None else None

    def save(self, payment: Payment, customer_id: str) -> None:
        """Keep it."""
        self._connection.execute(
            "INSERT INTO payments (order_id, customer_id, amount_cents, state, version)"
            " VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, version = excluded.version",
            (payment.order_id, customer_id, payment.amount.cents, payment.state.value, payment.version),
        )

    def block(self, customer_id: str) -> None:
        """The bank has blocked this card."""
        self._connection.execute(
            "INSERT OR REPLACE INTO cards (customer_id, limit_cents, blocked) VALUES (?, ?, 1)",
            (customer_id, DEFAULT_LIMIT.cents),
        )
