"""What can be ordered, and for how much."""

from __future__ import annotations

from collections.abc import Mapping

from orderflow.kernel import DomainError, Money, Sku


class Catalogue:
    """The price list.

    Args:
        prices: By SKU.
    """

    def __init__(self, prices: Mapping[Sku, Money]) -> None:
        self._prices = dict(prices)

    def price_of(self, sku: Sku) -> Money:
        """Price of one.

        Raises:
            DomainError: No such product.
        """
        price = self._prices.get(sku)
        if price is None:
            raise DomainError(f"unknown sku {sku}")
        return price
