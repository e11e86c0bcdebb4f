"""Which events Inventory listens to."""

from __future__ import annotations

from orderflow.inventory.adapters.sqlite import SCHEMA, SqliteWarehouse
from orderflow.inventory.application import release_stock, reserve_stock
from orderflow.kernel import Money, Quantity, Sku
from orderflow.platform import Message, Service, Settings, UnitOfWork
from orderflow.seeds import STOCK


def build(settings: Settings) -> Service:
    """The service."""
    service = Service(settings, "inventory", SCHEMA)
    with service.unit() as unit:
        warehouse = SqliteWarehouse(unit.connection)
        for sku, on_hand in STOCK.items():
            warehouse.fill(Sku(sku), on_hand)
    service.consume("orders", ["OrderPlaced"], on_order_placed)
    service.consume("payments", ["PaymentFailed"], on_payment_failed)
    return service


def on_order_placed(unit: UnitOfWork, message: Message) -> None:
    """Reserve; reads both versions of OrderPlaced."""
    quantities = {Sku(sku): Quantity(count) for sku, count in message.quantities().items()}
    unit.publish(
        reserve_stock(
            message.order_id,
            message.text("customer_id"),
            quantities,
            Money(message.number("total_cents")),
            SqliteWarehouse(unit.connection),
        )
    )


def on_payment_failed(unit: UnitOfWork, message: Message) -> None:
    """Release."""
    unit.publish(release_stock(message.order_id, message.text("reason"), SqliteWarehouse(unit.connection)))
