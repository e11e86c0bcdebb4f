"""What Billing does when something happened elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from orderflow.billing.domain import Card, Payment
from orderflow.kernel import DomainError, DomainEvent, Money


class Accounts(Protocol):
    """Cards and payments."""

    def card_of(self, customer_id: str) -> Card:
        """A customer's card; one without a limit worth mentioning for somebody new."""
        ...

    def payment(self, order_id: str) -> Payment | None:
        """The payment of an order."""
        ...

    def save(self, payment: Payment, customer_id: str) -> None:
        """Keep it."""
        ...


def charge_customer(
    order_id: str, customer_id: str, amount: Money, accounts: Accounts
) -> Sequence[DomainEvent]:
    """StockReserved: charge what it says to whom it says."""
    if accounts.payment(order_id) is not None:
        raise DomainError(f"{order_id} was charged before")
    payment = Payment(order_id, amount)
    payment.charge(accounts.card_of(customer_id))
    accounts.save(payment, customer_id)
    return payment.collect()
