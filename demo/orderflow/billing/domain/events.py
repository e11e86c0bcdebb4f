"""What happens to the money of an order."""

from __future__ import annotations

from dataclasses import dataclass

from orderflow.kernel import DomainEvent


@dataclass(frozen=True, kw_only=True)
class PaymentCompleted(DomainEvent):
    """The card was charged."""

    customer_id: str
    payment_id: str
    amount_cents: int


@dataclass(frozen=True, kw_only=True)
class PaymentFailed(DomainEvent):
    """The card was declined; nothing was charged."""

    customer_id: str
    amount_cents: int
    reason: str
