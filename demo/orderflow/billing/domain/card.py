"""A customer's card, as the bank lets us see it."""

from __future__ import annotations

from dataclasses import dataclass

from orderflow.kernel import Money


@dataclass(frozen=True, slots=True)
class Card:
    """A card.

    Attributes:
        customer_id: Whose.
        limit: The most that one payment may be.
        blocked: The bank declines whatever it is.
    """

    customer_id: str
    limit: Money
    blocked: bool = False

    def refusal(self, amount: Money) -> str | None:
        """Why the bank declines this amount; None if it doesn't."""
        if self.blocked:
            return "card declined"
        if amount > self.limit:
            return f"over the limit of {self.limit}"
        return None
