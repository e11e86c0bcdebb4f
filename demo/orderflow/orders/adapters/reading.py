"""From the bytes of a request to a command, without trusting them."""

from __future__ import annotations

import json
from typing import Any

from orderflow.kernel import DomainError, Quantity, Sku, identifier
from orderflow.orders.application import PlaceOrder

MAX_BODY_BYTES = 64 * 1024


class BadRequestError(Exception):
    """The request is refused.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def read_command(body: bytes) -> PlaceOrder:
    """Read `{"customer_id", "lines": [{"sku", "quantity"}]}`, or `{"customer_id", "sku", "quantity"}`.

    Raises:
        BadRequestError: It is no such JSON (400), or breaks a rule (422).
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError) else "not text in UTF-8, or too deep"
        raise BadRequestError(400, f"the body isn't JSON: {reason}") from None
    if not isinstance(data, dict):
        raise BadRequestError(400, "the body isn't a JSON object")
    try:
        customer_id = identifier(_field(data, "customer_id"), "customer_id")
        if "lines" not in data:
            return PlaceOrder(customer_id, (_item(data),), version=1)
        lines = data["lines"]
        if not isinstance(lines, list):
            raise BadRequestError(422, "lines isn't a list")
        return PlaceOrder(customer_id, tuple(_item(line) for line in lines))
    except DomainError as error:
        raise BadRequestError(422, str(error)) from None


def _item(line: Any) -> tuple[Sku, Quantity]:
    if not isinstance(line, dict):
        raise BadRequestError(422, "a line isn't a JSON object")
    return Sku(_field(line, "sku")), Quantity(_field(line, "quantity"))


def _field(data: dict[str, Any], name: str) -> Any:
    if name not in data:
        raise BadRequestError(422, f"{name} is missing")
    return data[name]
