"""The order: its rules, and that it is nothing but its events."""

import pytest

from orderflow.kernel import DomainError, DomainEvent, Money, Quantity, Sku
from orderflow.orders.domain import (
    Catalogue,
    Order,
    OrderCancelled,
    OrderConfirmed,
    OrderFulfilled,
    OrderPlaced,
    OrderPlacedV1,
    OrderStatus,
)

MUG, TEA = Sku("MUG-BLUE"), Sku("TEA-SENCHA")
CATALOGUE = Catalogue({MUG: Money(1250), TEA: Money(890)})


def placed(version: int = 2) -> Order:
    order = Order("ORD-000001")
    items = [(MUG, Quantity(2)), (TEA, Quantity(1))][:version]
    order.place("CUS-0001", items, CATALOGUE, version=version)
    return order


def test_placing_raises_one_event_that_says_everything():
    (event,) = placed().collect()
    assert isinstance(event, OrderPlaced)
    assert event.payload() == {
        "order_id": "ORD-000001",
        "customer_id": "CUS-0001",
        "lines": (
            {"sku": "MUG-BLUE", "quantity": 2, "unit_price_cents": 1250},
            {"sku": "TEA-SENCHA", "quantity": 1, "unit_price_cents": 890},
        ),
        "total_cents": 3390,
        "currency": "EUR",
    }
    assert (event.type(), event.schema_version, event.sequence) == ("OrderPlaced", 2, 1)


def test_version_1_has_one_product_and_the_same_name():
    (event,) = placed(version=1).collect()
    assert isinstance(event, OrderPlacedV1)
    assert (event.type(), event.schema_version) == ("OrderPlaced", 1)
    assert event.payload() == {
        "order_id": "ORD-000001",
        "customer_id": "CUS-0001",
        "sku": "MUG-BLUE",
        "quantity": 2,
        "total_cents": 2500,
    }


def history(order: Order) -> list[DomainEvent]:
    return list(order.collect())


@pytest.mark.parametrize("version", [1, 2])
def test_an_order_rebuilt_from_its_events_is_the_same(version):
    order = placed(version)
    order.confirm("PAY-1")
    order.fulfil("TRK-1")
    events = history(order)
    assert [type(event) for event in events[1:]] == [OrderConfirmed, OrderFulfilled]
    again = Order.rehydrate("ORD-000001", events)
    for name in ("status", "customer_id", "lines", "total", "version", "reason", "tracking_number"):
        assert getattr(again, name) == getattr(order, name), name
    assert again.collect() == ()


def test_every_prefix_of_the_history_is_an_order():
    order = placed()
    order.confirm("PAY-1")
    order.fulfil("TRK-1")
    events = history(order)
    states = [Order.rehydrate("ORD-000001", events[:n]).status for n in range(len(events) + 1)]
    assert states == [OrderStatus.NEW, OrderStatus.PLACED, OrderStatus.CONFIRMED, OrderStatus.FULFILLED]


def test_a_cancelled_order_says_why():
    order = placed()
    order.cancel("card declined")
    event = history(order)[-1]
    assert isinstance(event, OrderCancelled)
    assert event.reason == order.reason == "card declined"


@pytest.mark.parametrize(
    ("steps", "forbidden"),
    [
        ([], lambda order: order.confirm("PAY-1")),
        ([], lambda order: order.cancel("no")),
        (["place"], lambda order: order.fulfil("TRK-1")),
        (["place", "confirm"], lambda order: order.confirm("PAY-1")),
        (["place", "confirm"], lambda order: order.cancel("no")),
        (["place", "cancel"], lambda order: order.confirm("PAY-1")),
        (["place", "cancel"], lambda order: order.cancel("no")),
    ],
)
def test_an_order_moves_one_way(steps, forbidden):
    order = Order("ORD-000001")
    moves = {
        "place": lambda: order.place("CUS-0001", [(MUG, Quantity(1))], CATALOGUE),
        "confirm": lambda: order.confirm("PAY-1"),
        "cancel": lambda: order.cancel("no"),
    }
    for step in steps:
        moves[step]()
    version = order.version
    with pytest.raises(DomainError):
        forbidden(order)
    assert order.version == version


@pytest.mark.parametrize(
    ("customer", "items", "version", "says"),
    [
        ("CUS-0001", [], 2, "1 to 50 lines"),
        ("CUS-0001", [(MUG, Quantity(1)), (MUG, Quantity(2))], 2, "two lines"),
        ("CUS-0001", [(Sku("NO-SUCH"), Quantity(1))], 2, "unknown sku NO-SUCH"),
        ("CUS-0001", [(MUG, Quantity(1)), (TEA, Quantity(1))], 1, "one line"),
        ("", [(MUG, Quantity(1))], 2, "customer_id"),
        ("a\nb", [(MUG, Quantity(1))], 2, "customer_id"),
    ],
)
def test_what_is_no_order_is_refused(customer, items, version, says):
    order = Order("ORD-000001")
    with pytest.raises(DomainError, match=says):
        order.place(customer, items, CATALOGUE, version=version)
    assert order.collect() == ()
