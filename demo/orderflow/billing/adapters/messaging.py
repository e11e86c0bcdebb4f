"""Which events Billing listens to."""

from __future__ import annotations

from orderflow.billing.adapters.sqlite import SCHEMA, SqliteAccounts
from orderflow.billing.application import charge_customer
from orderflow.kernel import Money
from orderflow.platform import Message, Service, Settings, UnitOfWork
from orderflow.seeds import DECLINED_CUSTOMERS


def build(settings: Settings) -> Service:
    """The service."""
    service = Service(settings, "payments", SCHEMA)
    with service.unit() as unit:
        accounts = SqliteAccounts(unit.connection)
        for customer_id in DECLINED_CUSTOMERS:
            accounts.block(customer_id)
    service.consume("inventory", ["StockReserved"], on_stock_reserved)
    return service


def on_stock_reserved(unit: UnitOfWork, message: Message) -> None:
    """Charge."""
    amount = Money(message.number("total_cents"))
    accounts = SqliteAccounts(unit.connection)
    unit.publish(charge_customer(message.order_id, message.text("customer_id"), amount, accounts))
