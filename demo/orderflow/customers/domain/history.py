"""One order in a customer's history."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orderflow.kernel import DomainEvent, Money


@dataclass(frozen=True, kw_only=True)
class CustomerNotified(DomainEvent):
    """The customer has been told how the order stands."""

    customer_id: str
    message: str


@dataclass(frozen=True, kw_only=True)
class LoyaltyChecked(DomainEvent):
    """The answer to CheckLoyalty: how many points the customer has."""

    customer_id: str
    points: int


class RecordState(StrEnum):
    """What the customer knows of an order."""

    NEW = "new"
    PLACED = "placed"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class OrderRecord:
    """An entity within `Customer`: one order, as the customer sees it.

    Attributes:
        order_id: Which order.
        state: The furthest that is known of it.
        total: What it costs; None as long as we haven't heard of its placing.
        version: Notifications sent about it.
    """

    order_id: str
    state: RecordState = RecordState.NEW
    total: Money | None = None
    version: int = 0

    @property
    def final(self) -> bool:
        """Nothing more is to come."""
        return self.state in (RecordState.SHIPPED, RecordState.CANCELLED)
