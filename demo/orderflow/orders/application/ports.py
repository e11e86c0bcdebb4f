"""What the application needs from the outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from orderflow.kernel import DomainEvent
from orderflow.orders.domain import Order


class ConcurrencyError(Exception):
    """Somebody else has moved the order on meanwhile; read it again and decide again."""


class Orders(Protocol):
    """The orders there are."""

    def next_id(self) -> str:
        """A new order id."""
        ...

    def get(self, order_id: str) -> Order | None:
        """An order, rebuilt from its events; None if there is none."""
        ...

    def save(self, order: Order) -> Sequence[DomainEvent]:
        """Append what the order has raised, and hand it back for publishing.

        Raises:
            ConcurrencyError: The order has moved on since it was read.
        """
        ...
