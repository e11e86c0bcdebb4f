"""The parcel of one order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orderflow.kernel import Aggregate, DomainError, DomainEvent


@dataclass(frozen=True, kw_only=True)
class OrderShipped(DomainEvent):
    """The parcel is on its way."""

    customer_id: str
    carrier: str
    tracking_number: str


class ShipmentState(StrEnum):
    """Where a shipment stands."""

    NEW = "new"
    SHIPPED = "shipped"


class Shipment(Aggregate):
    """One order leaves in one parcel, once."""

    def __init__(
        self,
        order_id: str,
        customer_id: str,
        state: ShipmentState = ShipmentState.NEW,
        version: int = 0,
    ) -> None:
        super().__init__(version)
        self.order_id = order_id
        self.customer_id = customer_id
        self.state = state

    @property
    def tracking_number(self) -> str:
        """What the customer can follow it by."""
        return f"TRK-{self.order_id.removeprefix('ORD-')}"

    def ship(self, carrier: str) -> None:
        """Hand it to a carrier.

        Raises:
            DomainError: It has gone already.
        """
        if self.state is not ShipmentState.NEW:
            raise DomainError(f"the parcel of {self.order_id} is {self.state}")
        self.state = ShipmentState.SHIPPED
        self.record(
            OrderShipped(
                order_id=self.order_id,
                sequence=self.next_sequence,
                customer_id=self.customer_id,
                carrier=carrier,
                tracking_number=self.tracking_number,
            )
        )
