"""Which events Fulfillment listens to."""

from __future__ import annotations

from orderflow.fulfillment.adapters.sqlite import SCHEMA, SqliteShipments
from orderflow.fulfillment.application import ship_order
from orderflow.platform import Message, Service, Settings, UnitOfWork


def build(settings: Settings) -> Service:
    """The service."""
    service = Service(settings, "shipments", SCHEMA)
    service.consume("orders", ["OrderConfirmed"], on_order_confirmed)
    return service


def on_order_confirmed(unit: UnitOfWork, message: Message) -> None:
    """Ship."""
    unit.publish(ship_order(message.order_id, message.text("customer_id"), SqliteShipments(unit.connection)))
