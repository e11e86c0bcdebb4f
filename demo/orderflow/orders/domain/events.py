"""What happens to an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orderflow.kernel import DomainEvent, Line


@dataclass(frozen=True, kw_only=True)
class OrderPlacedV1(DomainEvent):
    """Version 1: an order for one product. Old clients still place it, so both versions flow."""

    type_name: ClassVar[str] = "OrderPlaced"

    customer_id: str
    sku: str
    quantity: int
    total_cents: int


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(DomainEvent):
    """Version 2: any number of lines, with their prices."""

    schema_version: ClassVar[int] = 2

    customer_id: str
    lines: tuple[Line, ...]
    total_cents: int
    currency: str = "EUR"


@dataclass(frozen=True, kw_only=True)
class OrderConfirmed(DomainEvent):
    """It is paid for; fulfillment may begin."""

    customer_id: str
    payment_id: str


@dataclass(frozen=True, kw_only=True)
class OrderCancelled(DomainEvent):
    """It will not be delivered."""

    customer_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class OrderFulfilled(DomainEvent):
    """It has left the house. Nobody else's business: they have OrderShipped."""

    published: ClassVar[bool] = False

    tracking_number: str
