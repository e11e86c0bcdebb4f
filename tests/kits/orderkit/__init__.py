"""Events of the demo's orders as its services publish them, without running it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowtrail_collector.sagas.learning.histories import Seen

DEMO_GROUPS = ("orders", "inventory", "billing", "fulfillment", "customers")

# (name, type, source, cause, milliseconds after the cause)
_Row = tuple[str, str, str, str | None, int]
_NOTICE = "CustomerNotified"
_ORDERS: dict[str, tuple[_Row, ...]] = {
    "completed": (
        ("p", "OrderPlaced", "/orders", None, 0),
        ("n", _NOTICE, "/customers", "p", 20),
        ("r", "StockReserved", "/inventory", "p", 40),
        ("c", "PaymentCompleted", "/billing", "r", 1_200),
        ("o", "OrderConfirmed", "/orders", "c", 30),
        ("s", "OrderShipped", "/fulfillment", "o", 6_000),
        ("m", _NOTICE, "/customers", "s", 20),
    ),
    "declined": (
        ("p", "OrderPlaced", "/orders", None, 0),
        ("n", _NOTICE, "/customers", "p", 20),
        ("r", "StockReserved", "/inventory", "p", 40),
        ("f", "PaymentFailed", "/billing", "r", 900),
        ("x", "OrderCancelled", "/orders", "f", 30),
        ("u", "StockReleased", "/inventory", "f", 50),
        ("m", _NOTICE, "/customers", "x", 20),
    ),
    "out of stock": (
        ("p", "OrderPlaced", "/orders", None, 0),
        ("n", _NOTICE, "/customers", "p", 20),
        ("f", "StockReservationFailed", "/inventory", "p", 50),
        ("x", "OrderCancelled", "/orders", "f", 30),
        ("m", _NOTICE, "/customers", "x", 20),
    ),
}


def outcome(number: int) -> str:
    """What becomes of an order: one in ten is declined, one in ten out of stock."""
    return {0: "declined", 5: "out of stock"}.get(number % 10, "completed")


def instances(
    count: int,
    *,
    outcomes: Sequence[str] | None = None,
    causation: bool = True,
    notices: bool = True,
    first: int = 0,
) -> Iterator[list[Seen]]:
    """The events of orders, one list each.

    Args:
        count: How many orders.
        outcomes: In turn, instead of the demo's mixture.
        causation: Events name what caused them.
        notices: The customer is told.
        first: Number of the first order.
    """
    for number in range(first, first + count):
        rows = _ORDERS[outcomes[number % len(outcomes)] if outcomes else outcome(number)]
        at: dict[str, int] = {}
        events: list[Seen] = []
        for name, kind, source, cause, after_ms in rows:
            at[name] = (at[cause] if cause else 60_000 * number) + after_ms * (100 + number % 7) // 100
            if notices or kind != _NOTICE:
                named = f"{number}-{cause}" if cause and causation else None
                events.append(Seen(f"{number}-{name}", kind, source, at[name], named, source.strip("/")))
        yield events
