"""Reading other contexts' events without trusting them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowtrail import Event


class MalformedMessageError(Exception):
    """An event doesn't say what its type promises; trying again won't help."""


@dataclass(frozen=True, slots=True)
class Message:
    """A received event, reduced to what handlers use.

    Attributes:
        type: What happened.
        version: Version of its data, 1 if it doesn't say.
        order_id: Which order.
        data: Its payload.
    """

    type: str
    version: int
    order_id: str
    data: dict[str, Any]

    @classmethod
    def of(cls, event: Event[Any]) -> Message:
        """Take an event.

        Raises:
            MalformedMessageError: It isn't one about an order.
        """
        if not isinstance(event.data, dict):
            raise MalformedMessageError(f"{event.type}: the data isn't a JSON object")
        version = event.version or "1"
        if not version.isdecimal():
            raise MalformedMessageError(f"{event.type}: version {version!r} isn't a number")
        order_id = event.data.get("order_id") or event.subject
        if not isinstance(order_id, str):
            raise MalformedMessageError(f"{event.type}: no order_id")
        return cls(event.type or "", int(version), order_id, event.data)

    def text(self, name: str) -> str:
        """A text field.

        Raises:
            MalformedMessageError: It is missing or no text.
        """
        value = self.data.get(name)
        if not isinstance(value, str):
            raise MalformedMessageError(f"{self.type}: {name} is missing or isn't text")
        return value

    def number(self, name: str) -> int:
        """A whole number.

        Raises:
            MalformedMessageError: It is missing or no whole number.
        """
        value = self.data.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise MalformedMessageError(f"{self.type}: {name} is missing or isn't a whole number")
        return value

    def quantities(self) -> dict[str, int]:
        """How many of each SKU, from `lines`, or from the `sku` and `quantity` of OrderPlaced in version 1.

        Raises:
            MalformedMessageError: There are none, or they aren't numbers.
        """
        if "lines" not in self.data:
            return {self.text("sku"): self.number("quantity")}
        counts: dict[str, int] = {}
        lines = self.data["lines"]
        if not isinstance(lines, list) or not lines:
            raise MalformedMessageError(f"{self.type}: lines isn't a list, or is empty")
        for line in lines:
            if not isinstance(line, dict):
                raise MalformedMessageError(f"{self.type}: a line isn't an object")
            part = Message(self.type, self.version, self.order_id, line)
            counts[part.text("sku")] = counts.get(part.text("sku"), 0) + part.number("quantity")
        return counts
