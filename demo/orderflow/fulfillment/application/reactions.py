"""What Fulfillment does when something happened elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from orderflow.fulfillment.domain import Shipment
from orderflow.kernel import DomainError, DomainEvent

CARRIER = "Blue Van"


class Shipments(Protocol):
    """The shipments there are."""

    def get(self, order_id: str) -> Shipment | None:
        """The shipment of an order."""
        ...

    def save(self, shipment: Shipment) -> None:
        """Keep it."""
        ...


def ship_order(order_id: str, customer_id: str, shipments: Shipments) -> Sequence[DomainEvent]:
    """OrderConfirmed: pack and ship."""
    if shipments.get(order_id) is not None:
        raise DomainError(f"{order_id} was confirmed before")
    shipment = Shipment(order_id, customer_id)
    shipment.ship(CARRIER)
    shipments.save(shipment)
    return shipment.collect()
