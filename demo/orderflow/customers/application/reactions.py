"""What Customer Management does when something happened elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from orderflow.customers.domain import Customer
from orderflow.kernel import DomainEvent, Money


class Customers(Protocol):
    """The customers there are."""

    def get(self, customer_id: str, order_id: str) -> Customer:
        """A customer with this order's record, if there is one; a new customer if need be."""
        ...

    def save(self, customer: Customer) -> None:
        """Keep the customer and the loaded records."""
        ...


def check_loyalty(order_id: str, customer_id: str, customers: Customers) -> Sequence[DomainEvent]:
    """CheckLoyalty, a command: whatever the customer has so far is the answer."""
    customer = customers.get(customer_id, order_id)
    customer.check_loyalty(order_id)
    customers.save(customer)
    return customer.collect()


def note_placed(order_id: str, customer_id: str, total: Money, customers: Customers) -> Sequence[DomainEvent]:
    """OrderPlaced."""
    customer = customers.get(customer_id, order_id)
    customer.ordered(order_id, total)
    customers.save(customer)
    return customer.collect()


def note_shipped(
    order_id: str, customer_id: str, tracking_number: str, customers: Customers
) -> Sequence[DomainEvent]:
    """OrderShipped."""
    customer = customers.get(customer_id, order_id)
    customer.received(order_id, tracking_number)
    customers.save(customer)
    return customer.collect()


def note_cancelled(
    order_id: str, customer_id: str, reason: str, customers: Customers
) -> Sequence[DomainEvent]:
    """OrderCancelled."""
    customer = customers.get(customer_id, order_id)
    customer.lost(order_id, reason)
    customers.save(customer)
    return customer.collect()
