"""What the application needs from the outside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from orderflow.inventory.domain import Reservation, StockItem
from orderflow.kernel import Sku


class Warehouse(Protocol):
    """Stock and reservations."""

    def stock(self, skus: Iterable[Sku]) -> dict[Sku, StockItem]:
        """The products among these that there are."""
        ...

    def reservation(self, order_id: str) -> Reservation | None:
        """What is set aside for an order."""
        ...

    def save(self, reservation: Reservation, stock: Iterable[StockItem]) -> None:
        """Keep both."""
        ...
