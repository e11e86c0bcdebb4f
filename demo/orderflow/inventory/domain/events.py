"""What happens to the goods of an order."""

from __future__ import annotations

from dataclasses import dataclass

from orderflow.kernel import DomainEvent


@dataclass(frozen=True, kw_only=True)
class StockReserved(DomainEvent):
    """All of it is set aside; whoever charges finds here whom, and how much."""

    customer_id: str
    total_cents: int
    quantities: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class StockReservationFailed(DomainEvent):
    """There isn't enough of something; nothing is set aside."""

    customer_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class StockReleased(DomainEvent):
    """What was set aside is back on the shelf."""

    quantities: dict[str, int]
    reason: str
