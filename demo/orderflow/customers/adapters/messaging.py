"""Which events Customer Management listens to."""

from __future__ import annotations

from orderflow.customers.adapters.sqlite import SCHEMA, SqliteCustomers
from orderflow.customers.application import check_loyalty, note_cancelled, note_placed, note_shipped
from orderflow.kernel import Money
from orderflow.platform import Message, Service, Settings, UnitOfWork


def build(settings: Settings) -> Service:
    """The service."""
    service = Service(settings, "customers", SCHEMA)
    service.consume("orders", ["OrderPlaced", "OrderCancelled"], on_order)
    service.consume("shipments", ["OrderShipped"], on_shipment)
    service.consume("campaigns", ["CheckLoyalty"], on_loyalty_check)
    return service


def on_loyalty_check(unit: UnitOfWork, message: Message) -> None:
    """Answer it."""
    customers = SqliteCustomers(unit.connection)
    unit.publish(check_loyalty(message.order_id, message.text("customer_id"), customers))


def on_order(unit: UnitOfWork, message: Message) -> None:
    """Note it; both versions of OrderPlaced say who, and how much."""
    customers = SqliteCustomers(unit.connection)
    customer_id = message.text("customer_id")
    if message.type == "OrderPlaced":
        total = Money(message.number("total_cents"))
        unit.publish(note_placed(message.order_id, customer_id, total, customers))
    else:
        unit.publish(note_cancelled(message.order_id, customer_id, message.text("reason"), customers))


def on_shipment(unit: UnitOfWork, message: Message) -> None:
    """Note it."""
    unit.publish(
        note_shipped(
            message.order_id,
            message.text("customer_id"),
            message.text("tracking_number"),
            SqliteCustomers(unit.connection),
        )
    )
