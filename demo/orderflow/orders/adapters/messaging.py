"""Which events Order Management listens to."""

from __future__ import annotations

from orderflow.orders.adapters.event_store import SCHEMA, EventStore
from orderflow.orders.application import (
    cancel_out_of_stock,
    cancel_unpaid,
    confirm_paid,
    fulfil_shipped,
)
from orderflow.platform import Message, Service, Settings, UnitOfWork


def build(settings: Settings) -> Service:
    """The service without its HTTP side."""
    service = Service(settings, "orders", SCHEMA)
    service.consume("payments", ["PaymentCompleted", "PaymentFailed"], on_payment)
    service.consume("inventory", ["StockReservationFailed"], on_stock)
    service.consume("shipments", ["OrderShipped"], on_shipment)
    return service


def on_payment(unit: UnitOfWork, message: Message) -> None:
    """Confirm, or cancel."""
    orders = EventStore(unit.connection)
    if message.type == "PaymentCompleted":
        unit.publish(confirm_paid(message.order_id, message.text("payment_id"), orders))
    else:
        unit.publish(cancel_unpaid(message.order_id, message.text("reason"), orders))


def on_stock(unit: UnitOfWork, message: Message) -> None:
    """Cancel."""
    unit.publish(cancel_out_of_stock(message.order_id, message.text("reason"), EventStore(unit.connection)))


def on_shipment(unit: UnitOfWork, message: Message) -> None:
    """Note that it is done."""
    unit.publish(
        fulfil_shipped(message.order_id, message.text("tracking_number"), EventStore(unit.connection))
    )
