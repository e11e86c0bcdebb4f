"""What Inventory does when something happened elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orderflow.inventory.application.ports import Warehouse
from orderflow.inventory.domain import Reservation
from orderflow.kernel import DomainError, DomainEvent, Money, Quantity, Sku


def reserve_stock(
    order_id: str,
    customer_id: str,
    quantities: Mapping[Sku, Quantity],
    total: Money,
    warehouse: Warehouse,
) -> Sequence[DomainEvent]:
    """OrderPlaced: set the goods aside, or say that they aren't there."""
    if warehouse.reservation(order_id) is not None:
        raise DomainError(f"{order_id} was placed before")
    reservation = Reservation(order_id, quantities)
    stock = warehouse.stock(quantities)
    reservation.hold(stock, customer_id, total)
    warehouse.save(reservation, stock.values())
    return reservation.collect()


def release_stock(order_id: str, reason: str, warehouse: Warehouse) -> Sequence[DomainEvent]:
    """PaymentFailed: put the goods back."""
    reservation = warehouse.reservation(order_id)
    if reservation is None:
        raise DomainError(f"nothing is reserved for {order_id}")
    stock = warehouse.stock(reservation.quantities)
    reservation.release(stock, reason)
    warehouse.save(reservation, stock.values())
    return reservation.collect()
