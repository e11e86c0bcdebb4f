"""Each context's handlers on its real database, without a broker."""

import itertools
import json

import pytest

from flowtrail import Event
from orderflow import serving
from orderflow.billing.adapters import messaging as billing
from orderflow.campaigns import service as campaigns
from orderflow.customers.adapters import messaging as customers
from orderflow.fulfillment.adapters import messaging as fulfillment
from orderflow.inventory.adapters import messaging as inventory
from orderflow.kernel import DomainError, Money, Quantity, Sku
from orderflow.orders.adapters import EventStore
from orderflow.orders.adapters import messaging as orders
from orderflow.orders.application import ConcurrencyError, PlaceOrder, place_order
from orderflow.orders.domain import Catalogue, OrderStatus
from orderflow.platform import MalformedMessageError, Service
from orderflow.recommendations import often_bought_with
from orderflow.recommendations.service import on_order_placed as count_pairs
from shopkit import event, outbox, rows, settings

CATALOGUE = Catalogue({Sku("MUG-BLUE"): Money(1250)})
V1 = {
    "order_id": "ORD-000001",
    "customer_id": "CUS-0001",
    "sku": "MUG-BLUE",
    "quantity": 2,
    "total_cents": 2500,
}
V2 = {
    "order_id": "ORD-000001",
    "customer_id": "CUS-0001",
    "lines": [{"sku": "MUG-BLUE", "quantity": 2, "unit_price_cents": 1250}],
    "total_cents": 2500,
    "currency": "EUR",
}
PLACED = [(1, V1), (2, V2)]


@pytest.fixture
def build(tmp_path):
    services: list[Service] = []

    def make(name: str) -> Service:
        services.append(serving.build(settings(name, tmp_path)))
        return services[-1]

    yield make
    for service in services:
        service.close()


def published(service: Service, handle, received: Event) -> list[str]:
    """Handle an event; what is published then."""
    with service.unit() as unit:
        before = len(unit.published)
        assert unit.accept(received)
        from orderflow.platform import Message

        handle(unit, Message.of(received))
        return [item.type() for item in unit.published[before:]]


def new_order(service: Service) -> str:
    with service.unit() as unit:
        command = PlaceOrder("CUS-0001", ((Sku("MUG-BLUE"), Quantity(2)),))
        order, events = place_order(command, EventStore(unit.connection), CATALOGUE)
        unit.publish(events)
        return order.order_id


@pytest.mark.parametrize(("version", "data"), PLACED)
def test_inventory_reserves_and_releases(build, version, data):
    service = build("inventory")
    placed = event("OrderPlaced", data, version=version)
    assert published(service, inventory.on_order_placed, placed) == ["StockReserved"]
    assert rows(service.settings.database, "SELECT reserved FROM stock WHERE sku = 'MUG-BLUE'") == [(2,)]
    failed = event("PaymentFailed", {"order_id": "ORD-000001", "reason": "card declined"})
    assert published(service, inventory.on_payment_failed, failed) == ["StockReleased"]
    assert rows(service.settings.database, "SELECT reserved FROM stock WHERE sku = 'MUG-BLUE'") == [(0,)]


def test_inventory_refuses_what_is_not_there(build):
    service = build("inventory")
    data = {**V1, "sku": "LAMP-LIMITED", "quantity": 2}
    assert published(service, inventory.on_order_placed, event("OrderPlaced", data)) == [
        "StockReservationFailed"
    ]


@pytest.mark.parametrize(
    ("customer", "result"), [("CUS-0001", "PaymentCompleted"), ("CUS-0013", "PaymentFailed")]
)
def test_billing_charges_whom_the_reservation_names(build, customer, result):
    service = build("billing")
    data = {
        "order_id": "ORD-000001",
        "customer_id": customer,
        "total_cents": 2500,
        "quantities": {"MUG-BLUE": 2},
    }
    assert published(service, billing.on_stock_reserved, event("StockReserved", data)) == [result]


def test_fulfillment_ships_what_is_confirmed(build):
    service = build("fulfillment")
    data = {"order_id": "ORD-000001", "customer_id": "CUS-0001", "payment_id": "PAY-1"}
    assert published(service, fulfillment.on_order_confirmed, event("OrderConfirmed", data)) == [
        "OrderShipped"
    ]


@pytest.mark.parametrize(("version", "data"), PLACED)
def test_customers_keep_history_and_points(build, version, data):
    service = build("customers")
    placed = event("OrderPlaced", data, version=version)
    assert published(service, customers.on_order, placed) == ["CustomerNotified"]
    shipped = event(
        "OrderShipped", {"order_id": "ORD-000001", "customer_id": "CUS-0001", "tracking_number": "TRK-1"}
    )
    assert published(service, customers.on_shipment, shipped) == ["CustomerNotified"]
    database = service.settings.database
    assert rows(database, "SELECT customer_id, points FROM customers") == [("CUS-0001", 25)]
    assert rows(database, "SELECT state, version FROM order_records") == [("shipped", 2)]


def test_customers_hear_of_a_cancellation(build):
    service = build("customers")
    data = {"order_id": "ORD-000001", "customer_id": "CUS-0001", "reason": "out of stock"}
    assert published(service, customers.on_order, event("OrderCancelled", data)) == ["CustomerNotified"]


PAID = {"order_id": "ORD-000001", "customer_id": "CUS-0001", "payment_id": "PAY-1", "amount_cents": 2500}
REFUSED = {"order_id": "ORD-000001", "customer_id": "CUS-0001", "reason": "no"}


@pytest.mark.parametrize(
    ("handle", "received", "result", "status"),
    [
        (orders.on_payment, event("PaymentCompleted", PAID), ["OrderConfirmed"], OrderStatus.CONFIRMED),
        (orders.on_payment, event("PaymentFailed", REFUSED), ["OrderCancelled"], OrderStatus.CANCELLED),
        (
            orders.on_stock,
            event("StockReservationFailed", REFUSED),
            ["OrderCancelled"],
            OrderStatus.CANCELLED,
        ),
    ],
)
def test_orders_move_on(build, handle, received, result, status):
    service = build("orders")
    assert new_order(service) == "ORD-000001"
    assert published(service, handle, received) == result
    with service.unit() as unit:
        order = EventStore(unit.connection).get("ORD-000001")
        assert order is not None
        assert (order.status, order.version) == (status, 2)


def test_a_shipped_order_is_done_and_tells_nobody(build):
    service = build("orders")
    new_order(service)
    published(service, orders.on_payment, event("PaymentCompleted", PAID))
    shipped = event("OrderShipped", {**PAID, "tracking_number": "TRK-1"})
    assert published(service, orders.on_shipment, shipped) == []
    with service.unit() as unit:
        order = EventStore(unit.connection).get("ORD-000001")
        assert order is not None
        assert order.status is OrderStatus.FULFILLED


def test_recommendations_learn_from_both_versions(build):
    service = build("recommendations")
    pair = {**V2, "lines": [*V2["lines"], {"sku": "TEA-SENCHA", "quantity": 1, "unit_price_cents": 890}]}
    for data, version in ((V1, 1), (pair, 2), (pair, 2)):
        assert published(service, count_pairs, event("OrderPlaced", data, version=version)) == []
    with service.unit() as unit:
        assert often_bought_with(unit.connection, "MUG-BLUE") == ["TEA-SENCHA"]
        assert often_bought_with(unit.connection, "KETTLE-STEEL") == []


def last_payload(service):
    (payload,) = rows(
        service.settings.database, "SELECT record_value FROM flowtrail_outbox ORDER BY position DESC LIMIT 1"
    )[0]
    return json.loads(payload)


def test_a_loyalty_check_is_asked_for_and_answered(build):
    shop, shipped = build("customers"), {"customer_id": "CUS-0001", "tracking_number": "TRK-1"}
    campaign = build("campaigns")
    asked = published(campaign, campaigns.on_order_shipped, event("OrderShipped", {**V2, **shipped}))
    assert asked == ["BonusConsidered", "CheckLoyalty"]
    published(shop, customers.on_order, event("OrderPlaced", V2, version=2))
    published(shop, customers.on_shipment, event("OrderShipped", {**V2, **shipped}))
    assert published(shop, customers.on_loyalty_check, event("CheckLoyalty", shipped)) == ["LoyaltyChecked"]
    answer = {"customer_id": "CUS-0001", "points": 25}
    assert answer.items() <= last_payload(shop).items()
    assert published(campaign, campaigns.on_loyalty_checked, event("LoyaltyChecked", answer)) == [
        "BonusGranted"
    ]
    assert last_payload(campaign)["bonus_cents"] == 125


# -- twice, wrong, and at the same time


@pytest.mark.parametrize("name", ["inventory", "billing", "fulfillment", "customers"])
def test_the_same_event_twice_changes_nothing(build, name):
    service = build(name)
    data = {**V2, "payment_id": "PAY-1"}
    received, handle = {
        "inventory": (event("OrderPlaced", data, version=2), inventory.on_order_placed),
        "billing": (event("StockReserved", data), billing.on_stock_reserved),
        "fulfillment": (event("OrderConfirmed", data), fulfillment.on_order_confirmed),
        "customers": (event("OrderPlaced", data, version=2), customers.on_order),
    }[name]
    assert service.handle(received, handle) is True
    dump = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%lease%'"
    tables = [table for (table,) in rows(service.settings.database, dump)]
    before = {table: rows(service.settings.database, f"SELECT * FROM {table}") for table in tables}
    assert service.handle(received, handle) is False
    assert {table: rows(service.settings.database, f"SELECT * FROM {table}") for table in tables} == before
    assert outbox(service.settings.database) == 1


def test_the_same_fact_under_another_id_is_refused(build):
    service = build("inventory")
    service.handle(event("OrderPlaced", V1), inventory.on_order_placed)
    with pytest.raises(DomainError, match="placed before"):
        service.handle(event("OrderPlaced", V1), inventory.on_order_placed)
    assert outbox(service.settings.database) == 1


def test_what_fails_leaves_no_trace(build):
    service = build("inventory")
    received = event("PaymentFailed", {"order_id": "ORD-000009", "reason": "no"})
    for _ in range(2):
        with pytest.raises(DomainError, match="nothing is reserved"):
            service.handle(received, inventory.on_payment_failed)
    assert rows(service.settings.database, "SELECT COUNT(*) FROM flowtrail_inbox") == [(0,)]


BROKEN = [
    None,
    [],
    {},
    {**V1, "quantity": "2"},
    {**V1, "quantity": True},
    {**V1, "total_cents": None},
    {**V1, "customer_id": 7},
    {**V2, "lines": []},
    {**V2, "lines": [3]},
    {**V2, "lines": {"sku": "MUG-BLUE"}},
]


@pytest.mark.parametrize("data", BROKEN)
def test_malformed_events_are_refused_at_once(build, data):
    service = build("inventory")
    with pytest.raises(MalformedMessageError):
        service.handle(event("OrderPlaced", data), inventory.on_order_placed)
    assert outbox(service.settings.database) == 0


def test_of_two_decisions_on_one_version_one_wins(build):
    service = build("orders")
    new_order(service)
    with service.unit() as unit:
        store = EventStore(unit.connection)
        first, second = store.get("ORD-000001"), store.get("ORD-000001")
        assert first is not None
        assert second is not None
        first.confirm("PAY-1")
        second.cancel("no")
        store.save(first)
        with pytest.raises(ConcurrencyError):
            store.save(second)


def test_order_ids_are_readable_and_unique_per_run(build):
    service = build("orders")
    with service.unit() as unit:
        ids = list(itertools.islice(iter(EventStore(unit.connection, "7f3a").next_id, None), 2))
    assert ids == ["ORD-000001-7f3a", "ORD-000002-7f3a"]
