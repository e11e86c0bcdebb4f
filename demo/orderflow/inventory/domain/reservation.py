"""What is set aside for one order."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from orderflow.inventory.domain.events import StockReleased, StockReservationFailed, StockReserved
from orderflow.inventory.domain.stock import StockItem
from orderflow.kernel import Aggregate, DomainError, Money, Quantity, Sku


class ReservationState(StrEnum):
    """Where a reservation stands."""

    NEW = "new"
    HELD = "held"
    REFUSED = "refused"
    RELEASED = "released"


class Reservation(Aggregate):
    """All lines of one order, or none of them."""

    def __init__(
        self,
        order_id: str,
        quantities: Mapping[Sku, Quantity],
        state: ReservationState = ReservationState.NEW,
        version: int = 0,
    ) -> None:
        super().__init__(version)
        if not quantities:
            raise DomainError(f"nothing to reserve for {order_id}")
        self.order_id = order_id
        self.quantities = dict(quantities)
        self.state = state

    def hold(self, stock: Mapping[Sku, StockItem], customer_id: str, total: Money) -> None:
        """Set everything aside, or refuse.

        Args:
            stock: The products of this order; a missing one counts as sold out.
            customer_id: Who ordered.
            total: What it costs.

        Raises:
            DomainError: This was decided before.
        """
        if self.state is not ReservationState.NEW:
            raise DomainError(f"the reservation for {self.order_id} is {self.state}")
        short = [
            sku.code
            for sku, quantity in self.quantities.items()
            if sku not in stock or stock[sku].available < quantity.count
        ]
        if short:
            self.state = ReservationState.REFUSED
            self.record(
                StockReservationFailed(
                    order_id=self.order_id,
                    sequence=self.next_sequence,
                    customer_id=customer_id,
                    reason=f"not enough {', '.join(sorted(short))}",
                )
            )
            return
        for sku, quantity in self.quantities.items():
            stock[sku].reserve(quantity)
        self.state = ReservationState.HELD
        self.record(
            StockReserved(
                order_id=self.order_id,
                sequence=self.next_sequence,
                customer_id=customer_id,
                total_cents=total.cents,
                quantities=self._counts(),
            )
        )

    def release(self, stock: Mapping[Sku, StockItem], reason: str) -> None:
        """Put everything back.

        Raises:
            DomainError: Nothing is set aside.
        """
        if self.state is not ReservationState.HELD:
            raise DomainError(f"the reservation for {self.order_id} is {self.state}, not held")
        for sku, quantity in self.quantities.items():
            stock[sku].release(quantity)
        self.state = ReservationState.RELEASED
        self.record(
            StockReleased(
                order_id=self.order_id,
                sequence=self.next_sequence,
                quantities=self._counts(),
                reason=reason,
            )
        )

    def _counts(self) -> dict[str, int]:
        return {sku.code: quantity.count for sku, quantity in self.quantities.items()}
