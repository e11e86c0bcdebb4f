"""Value objects: equal by value, valid by construction."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orderflow.kernel.errors import DomainError

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SKU = re.compile(r"[A-Z0-9]+(-[A-Z0-9]+)*")
MAX_QUANTITY = 1_000
MAX_CENTS = 10**12


def identifier(text: str, what: str) -> str:
    """An id that is safe to print, store and put into a URL.

    Raises:
        DomainError: Says what an id looks like.
    """
    if not isinstance(text, str) or not _IDENTIFIER.fullmatch(text):
        raise DomainError(f"{what} is 1 to 64 letters, digits, dots, dashes or underscores")
    return text


@dataclass(frozen=True, slots=True)
class Sku:
    """Which product. `MUG-BLUE`."""

    code: str

    def __post_init__(self) -> None:
        if not isinstance(self.code, str) or len(self.code) > 40 or not _SKU.fullmatch(self.code):
            raise DomainError("sku is up to 40 capital letters, digits and dashes, such as MUG-BLUE")

    def __str__(self) -> str:
        return self.code


@dataclass(frozen=True, slots=True)
class Quantity:
    """How many: a whole number from 1 to 1000."""

    count: int

    def __post_init__(self) -> None:
        if isinstance(self.count, bool) or not isinstance(self.count, int):
            raise DomainError("quantity is a whole number")
        if not 1 <= self.count <= MAX_QUANTITY:
            raise DomainError(f"quantity is 1 to {MAX_QUANTITY}, not {self.count}")


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in cents of the one currency this shop knows."""

    cents: int

    def __post_init__(self) -> None:
        if (
            isinstance(self.cents, bool)
            or not isinstance(self.cents, int)
            or not 0 <= self.cents <= MAX_CENTS
        ):
            raise DomainError(f"an amount is 0 to {MAX_CENTS} cents, not {self.cents!r}")

    def __add__(self, other: Money) -> Money:
        return Money(self.cents + other.cents)

    def __mul__(self, quantity: Quantity) -> Money:
        return Money(self.cents * quantity.count)

    def __str__(self) -> str:
        return f"{self.cents // 100}.{self.cents % 100:02d} EUR"
