"""The order, rebuilt from its events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from orderflow.kernel import Aggregate, DomainError, DomainEvent, Line, Money, Quantity, Sku, identifier
from orderflow.orders.domain.catalogue import Catalogue
from orderflow.orders.domain.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderFulfilled,
    OrderPlaced,
    OrderPlacedV1,
)

MAX_LINES = 50


class OrderStatus(StrEnum):
    """Where an order stands."""

    NEW = "new"
    PLACED = "placed"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    FULFILLED = "fulfilled"


class Order(Aggregate):
    """An order: lines that never change once placed, and a status that moves one way.

    placed -> confirmed -> fulfilled, or placed -> cancelled.
    """

    def __init__(self, order_id: str) -> None:
        super().__init__()
        self.order_id = order_id
        self.status = OrderStatus.NEW
        self.customer_id = ""
        self.lines: tuple[Line, ...] = ()
        self.total = Money(0)
        self.reason: str | None = None
        self.tracking_number: str | None = None

    @classmethod
    def rehydrate(cls, order_id: str, history: Iterable[DomainEvent]) -> Order:
        """Rebuild an order from its events, oldest first."""
        order = cls(order_id)
        for event in history:
            order._apply(event)
            order.version = event.sequence
        return order

    def place(
        self,
        customer_id: str,
        items: Sequence[tuple[Sku, Quantity]],
        catalogue: Catalogue,
        *,
        version: int = 2,
    ) -> None:
        """Place it.

        Args:
            customer_id: Who orders.
            items: What, and how many of each.
            catalogue: Says what it costs.
            version: Of OrderPlaced; 1 takes a single item.

        Raises:
            DomainError: It was placed before, it is empty or too long, a product appears twice or is unknown.
        """
        self._require(OrderStatus.NEW, "place")
        identifier(customer_id, "customer_id")
        if not 1 <= len(items) <= MAX_LINES:
            raise DomainError(f"an order has 1 to {MAX_LINES} lines")
        if len({sku for sku, _ in items}) < len(items):
            raise DomainError("a sku appears in two lines")
        lines = tuple(
            Line(sku.code, quantity.count, catalogue.price_of(sku).cents) for sku, quantity in items
        )
        total = sum((catalogue.price_of(sku) * quantity for sku, quantity in items), Money(0))
        if version == 1:
            if len(lines) > 1:
                raise DomainError("version 1 of an order has one line")
            self._record(
                OrderPlacedV1(
                    order_id=self.order_id,
                    sequence=self.next_sequence,
                    customer_id=customer_id,
                    sku=lines[0].sku,
                    quantity=lines[0].quantity,
                    total_cents=total.cents,
                )
            )
            return
        self._record(
            OrderPlaced(
                order_id=self.order_id,
                sequence=self.next_sequence,
                customer_id=customer_id,
                lines=lines,
                total_cents=total.cents,
            )
        )

    def confirm(self, payment_id: str) -> None:
        """It has been paid.

        Raises:
            DomainError: It isn't waiting for that.
        """
        self._require(OrderStatus.PLACED, "confirm")
        self._record(
            OrderConfirmed(
                order_id=self.order_id,
                sequence=self.next_sequence,
                customer_id=self.customer_id,
                payment_id=payment_id,
            )
        )

    def cancel(self, reason: str) -> None:
        """It can't be delivered.

        Raises:
            DomainError: It is too late for that.
        """
        self._require(OrderStatus.PLACED, "cancel")
        self._record(
            OrderCancelled(
                order_id=self.order_id,
                sequence=self.next_sequence,
                customer_id=self.customer_id,
                reason=reason,
            )
        )

    def fulfil(self, tracking_number: str) -> None:
        """It has been shipped.

        Raises:
            DomainError: It was never confirmed.
        """
        self._require(OrderStatus.CONFIRMED, "fulfil")
        self._record(
            OrderFulfilled(
                order_id=self.order_id, sequence=self.next_sequence, tracking_number=tracking_number
            )
        )

    def _require(self, status: OrderStatus, action: str) -> None:
        if self.status is not status:
            raise DomainError(f"can't {action} order {self.order_id}: it is {self.status}, not {status}")

    def _record(self, event: DomainEvent) -> None:
        self.record(event)
        self._apply(event)

    def _apply(self, event: DomainEvent) -> None:
        match event:
            case OrderPlacedV1():
                self.status = OrderStatus.PLACED
                self.customer_id = event.customer_id
                # Version 1 doesn't tell the price of one; its total does.
                price = event.total_cents // event.quantity
                self.lines = (Line(event.sku, event.quantity, price),)
                self.total = Money(event.total_cents)
            case OrderPlaced():
                self.status = OrderStatus.PLACED
                self.customer_id = event.customer_id
                self.lines = event.lines
                self.total = Money(event.total_cents)
            case OrderConfirmed():
                self.status = OrderStatus.CONFIRMED
            case OrderCancelled():
                self.status = OrderStatus.CANCELLED
                self.reason = event.reason
            case OrderFulfilled():
                self.status = OrderStatus.FULFILLED
                self.tracking_number = event.tracking_number
            case _:
                raise DomainError(f"{event.type()} says nothing about an order")
