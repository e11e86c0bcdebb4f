"""Domain events: facts, past tense, immutable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

__all__ = ["DomainEvent", "Line"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order as events tell it.

    Attributes:
        sku: What.
        quantity: How many.
        unit_price_cents: Price of one.
    """

    sku: str
    quantity: int
    unit_price_cents: int


@dataclass(frozen=True, kw_only=True)
class DomainEvent:
    """Something that happened to an order.

    The fields are the published language: plain values, so that the data is the event itself. How it is written
    is up to its contract.

    Attributes:
        order_id: The order it happened to.
        sequence: Version of the aggregate after it, counting from 1.
    """

    type_name: ClassVar[str] = ""
    """Name it is published under; default: the name of the class."""
    schema_version: ClassVar[int] = 1
    published: ClassVar[bool] = True
    """False: it stays within its context."""

    order_id: str
    sequence: int

    @classmethod
    def type(cls) -> str:
        """Name it is published under."""
        return cls.type_name or cls.__name__

    def payload(self) -> dict[str, Any]:
        """Its data as plain JSON values, without the sequence (which travels in a header)."""
        data = asdict(self)
        del data["sequence"]
        return data
