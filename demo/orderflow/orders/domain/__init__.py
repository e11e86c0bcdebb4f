"""The `Order` aggregate, its events, and the price list."""

from orderflow.orders.domain.catalogue import Catalogue
from orderflow.orders.domain.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderFulfilled,
    OrderPlaced,
    OrderPlacedV1,
)
from orderflow.orders.domain.order import Order, OrderStatus

__all__ = [
    "Catalogue",
    "Order",
    "OrderCancelled",
    "OrderConfirmed",
    "OrderFulfilled",
    "OrderPlaced",
    "OrderPlacedV1",
    "OrderStatus",
]
