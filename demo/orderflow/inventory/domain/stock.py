"""The goods on the shelf."""

from __future__ import annotations

from orderflow.kernel import DomainError, Quantity, Sku


class StockItem:
    """One product: how many there are, and how many of them are promised.

    `0 <= reserved <= on_hand` holds at all times.
    """

    def __init__(self, sku: Sku, on_hand: int, reserved: int = 0) -> None:
        if not 0 <= reserved <= on_hand:
            raise DomainError(f"{sku}: {reserved} reserved of {on_hand}")
        self.sku = sku
        self.on_hand = on_hand
        self.reserved = reserved

    @property
    def available(self) -> int:
        """How many can still be promised."""
        return self.on_hand - self.reserved

    def reserve(self, quantity: Quantity) -> None:
        """Promise some.

        Raises:
            DomainError: There aren't as many.
        """
        if quantity.count > self.available:
            raise DomainError(f"{self.sku}: {quantity.count} wanted, {self.available} available")
        self.reserved += quantity.count

    def release(self, quantity: Quantity) -> None:
        """Take a promise back.

        Raises:
            DomainError: There were fewer promises.
        """
        if quantity.count > self.reserved:
            raise DomainError(f"{self.sku}: {quantity.count} to release, {self.reserved} reserved")
        self.reserved -= quantity.count

    def ship(self, quantity: Quantity) -> None:
        """What was promised leaves the shelf.

        Raises:
            DomainError: It was never promised.
        """
        self.release(quantity)
        self.on_hand -= quantity.count
