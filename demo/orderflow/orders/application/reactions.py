"""What Order Management does when something happened elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from orderflow.kernel import DomainError, DomainEvent
from orderflow.orders.application.ports import Orders
from orderflow.orders.domain import Order


def confirm_paid(order_id: str, payment_id: str, orders: Orders) -> Sequence[DomainEvent]:
    """PaymentCompleted: confirm the order."""
    order = _known(order_id, orders)
    order.confirm(payment_id)
    return orders.save(order)


def cancel_unpaid(order_id: str, reason: str, orders: Orders) -> Sequence[DomainEvent]:
    """PaymentFailed: cancel the order."""
    order = _known(order_id, orders)
    order.cancel(f"payment failed: {reason}")
    return orders.save(order)


def cancel_out_of_stock(order_id: str, reason: str, orders: Orders) -> Sequence[DomainEvent]:
    """StockReservationFailed: cancel the order."""
    order = _known(order_id, orders)
    order.cancel(f"out of stock: {reason}")
    return orders.save(order)


def fulfil_shipped(order_id: str, tracking_number: str, orders: Orders) -> Sequence[DomainEvent]:
    """OrderShipped: note that the order is done."""
    order = _known(order_id, orders)
    order.fulfil(tracking_number)
    return orders.save(order)


def _known(order_id: str, orders: Orders) -> Order:
    order = orders.get(order_id)
    if order is None:
        raise DomainError(f"there is no order {order_id}")
    return order
