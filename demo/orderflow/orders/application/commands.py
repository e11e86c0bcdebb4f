"""The customer's command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orderflow.kernel import DomainEvent, Quantity, Sku
from orderflow.orders.application.ports import Orders
from orderflow.orders.domain import Catalogue, Order


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Place an order.

    Attributes:
        customer_id: Who orders.
        items: What, and how many of each.
        version: 1 for clients that know one product per order only.
    """

    customer_id: str
    items: tuple[tuple[Sku, Quantity], ...]
    version: int = 2


def place_order(
    command: PlaceOrder, orders: Orders, catalogue: Catalogue
) -> tuple[Order, Sequence[DomainEvent]]:
    """Carry the command out.

    Returns:
        The order and the events to publish.

    Raises:
        DomainError: The order is refused.
    """
    order = Order(orders.next_id())
    order.place(command.customer_id, command.items, catalogue, version=command.version)
    return order, orders.save(order)
