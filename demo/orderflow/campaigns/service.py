"""A bonus for loyal customers, once their order was shipped."""

from __future__ import annotations

from dataclasses import dataclass

from orderflow.kernel import DomainEvent
from orderflow.platform import Message, Service, Settings, UnitOfWork

SCHEMA = ""
CENTS_PER_POINT = 5


@dataclass(frozen=True, kw_only=True)
class BonusConsidered(DomainEvent):
    """An order was shipped: its customer may have earned a bonus."""

    customer_id: str


@dataclass(frozen=True, kw_only=True)
class CheckLoyalty(DomainEvent):
    """A command to Customer Management: say how loyal this customer is. The answer is LoyaltyChecked."""

    customer_id: str


@dataclass(frozen=True, kw_only=True)
class BonusGranted(DomainEvent):
    """The customer gets it."""

    customer_id: str
    bonus_cents: int


def build(settings: Settings) -> Service:
    """The service."""
    service = Service(settings, "campaigns", SCHEMA)
    service.consume("shipments", ["OrderShipped"], on_order_shipped)
    service.consume("customers", ["LoyaltyChecked"], on_loyalty_checked)
    return service


def on_order_shipped(unit: UnitOfWork, message: Message) -> None:
    """Ask how loyal the customer is."""
    order_id, customer_id = message.order_id, message.text("customer_id")
    unit.publish(
        [
            BonusConsidered(order_id=order_id, sequence=1, customer_id=customer_id),
            CheckLoyalty(order_id=order_id, sequence=2, customer_id=customer_id),
        ]
    )


def on_loyalty_checked(unit: UnitOfWork, message: Message) -> None:
    """Grant the bonus."""
    unit.publish(
        [
            BonusGranted(
                order_id=message.order_id,
                sequence=3,
                customer_id=message.text("customer_id"),
                bonus_cents=message.number("points") * CENTS_PER_POINT,
            )
        ]
    )
