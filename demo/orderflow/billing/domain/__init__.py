"""The `Payment` aggregate and the card it charges."""

from orderflow.billing.domain.card import Card
from orderflow.billing.domain.events import PaymentCompleted, PaymentFailed
from orderflow.billing.domain.payment import Payment, PaymentState

__all__ = ["Card", "Payment", "PaymentCompleted", "PaymentFailed", "PaymentState"]
