"""The payment of one order."""

from __future__ import annotations

from enum import StrEnum

from orderflow.billing.domain.card import Card
from orderflow.billing.domain.events import PaymentCompleted, PaymentFailed
from orderflow.kernel import Aggregate, DomainError, Money


class PaymentState(StrEnum):
    """Where a payment stands."""

    NEW = "new"
    COMPLETED = "completed"
    FAILED = "failed"


class Payment(Aggregate):
    """One order is charged at most once."""

    def __init__(
        self, order_id: str, amount: Money, state: PaymentState = PaymentState.NEW, version: int = 0
    ) -> None:
        super().__init__(version)
        if amount.cents == 0:
            raise DomainError(f"nothing to pay for {order_id}")
        self.order_id = order_id
        self.amount = amount
        self.state = state

    @property
    def payment_id(self) -> str:
        """Number on the customer's statement."""
        return f"PAY-{self.order_id.removeprefix('ORD-')}"

    def charge(self, card: Card) -> None:
        """Charge the card, or take its refusal.

        Raises:
            DomainError: This was tried before.
        """
        if self.state is not PaymentState.NEW:
            raise DomainError(f"the payment for {self.order_id} is {self.state}")
        reason = card.refusal(self.amount)
        if reason is not None:
            self.state = PaymentState.FAILED
            self.record(
                PaymentFailed(
                    order_id=self.order_id,
                    sequence=self.next_sequence,
                    customer_id=card.customer_id,
                    amount_cents=self.amount.cents,
                    reason=reason,
                )
            )
            return
        self.state = PaymentState.COMPLETED
        self.record(
            PaymentCompleted(
                order_id=self.order_id,
                sequence=self.next_sequence,
                customer_id=card.customer_id,
                payment_id=self.payment_id,
                amount_cents=self.amount.cents,
            )
        )
