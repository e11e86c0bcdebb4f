"""The customer."""

from __future__ import annotations

from orderflow.customers.domain.history import CustomerNotified, LoyaltyChecked, OrderRecord, RecordState
from orderflow.kernel import DomainError, DomainEvent, Money, identifier

CENTS_PER_POINT = 100


class Customer:
    """A customer, with the history of their orders and the points earned by shipped ones.

    News of one order may arrive in any order: they come from topics that know nothing of each other.
    """

    def __init__(self, customer_id: str, points: int = 0) -> None:
        if points < 0:
            raise DomainError(f"{customer_id} has {points} points")
        self.customer_id = identifier(customer_id, "customer_id")
        self.points = points
        self.records: dict[str, OrderRecord] = {}
        self._raised: list[DomainEvent] = []

    def remember(self, record: OrderRecord) -> None:
        """Put an order into the history."""
        self.records[record.order_id] = record

    def ordered(self, order_id: str, total: Money) -> None:
        """An order was placed."""
        record = self._record(order_id)
        record.total = total
        if record.state is RecordState.SHIPPED:
            self._earn(total)
        # The confirmation is owed whatever else is known already: from another topic, or after a restart.
        state = record.state if record.final else RecordState.PLACED
        self._tell(record, state, f"Thank you for your order over {total}.")

    def received(self, order_id: str, tracking_number: str) -> None:
        """An order was shipped; points are earned once."""
        record = self._record(order_id)
        if record.final:
            raise DomainError(f"{order_id} is {record.state} already")
        if record.total is not None:
            self._earn(record.total)
        self._tell(record, RecordState.SHIPPED, f"Your parcel {tracking_number} is on its way.")

    def lost(self, order_id: str, reason: str) -> None:
        """An order was cancelled."""
        record = self._record(order_id)
        if record.final:
            raise DomainError(f"{order_id} is {record.state} already")
        self._tell(record, RecordState.CANCELLED, f"We had to cancel your order: {reason}.")

    def check_loyalty(self, order_id: str) -> None:
        """Somebody asks, because of an order, how loyal this customer is."""
        record = self._record(order_id)
        record.version += 1
        self._raised.append(
            LoyaltyChecked(
                order_id=order_id,
                sequence=record.version,
                customer_id=self.customer_id,
                points=self.points,
            )
        )

    def collect(self) -> tuple[DomainEvent, ...]:
        """The events raised since the last call."""
        raised, self._raised = tuple(self._raised), []
        return raised

    def _record(self, order_id: str) -> OrderRecord:
        return self.records.setdefault(order_id, OrderRecord(order_id))

    def _earn(self, total: Money) -> None:
        self.points += total.cents // CENTS_PER_POINT

    def _tell(self, record: OrderRecord, state: RecordState, message: str) -> None:
        record.state = state
        record.version += 1
        self._raised.append(
            CustomerNotified(
                order_id=record.order_id,
                sequence=record.version,
                customer_id=self.customer_id,
                message=message,
            )
        )
