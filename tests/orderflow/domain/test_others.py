"""Stock, payments, shipments and customers: their rules."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow.billing.domain import Card, Payment, PaymentState
from orderflow.customers.domain import Customer, CustomerNotified, RecordState
from orderflow.fulfillment.domain import Shipment
from orderflow.inventory.domain import Reservation, ReservationState, StockItem
from orderflow.kernel import DomainError, Money, Quantity, Sku

MUG, LAMP = Sku("MUG-BLUE"), Sku("LAMP-LIMITED")


@given(st.lists(st.tuples(st.sampled_from(["reserve", "release", "ship"]), st.integers(1, 9))))
def test_stock_is_never_promised_twice(moves):
    item = StockItem(MUG, 10)
    for name, count in moves:
        try:
            getattr(item, name)(Quantity(count))
        except DomainError:
            continue
    assert 0 <= item.reserved <= item.on_hand <= 10


def test_a_reservation_holds_all_or_nothing():
    stock = {MUG: StockItem(MUG, 5), LAMP: StockItem(LAMP, 0)}
    reservation = Reservation("ORD-000001", {MUG: Quantity(2), LAMP: Quantity(1)})
    reservation.hold(stock, "CUS-0001", Money(100))
    (event,) = reservation.collect()
    assert (event.type(), event.sequence) == ("StockReservationFailed", 1)
    assert event.payload()["reason"] == "not enough LAMP-LIMITED"
    assert stock[MUG].reserved == 0
    with pytest.raises(DomainError):
        reservation.release(stock, "no")


def test_a_released_reservation_puts_everything_back_once():
    stock = {MUG: StockItem(MUG, 5)}
    reservation = Reservation("ORD-000001", {MUG: Quantity(2)})
    reservation.hold(stock, "CUS-0001", Money(100))
    reservation.release(stock, "card declined")
    assert [(event.type(), event.sequence) for event in reservation.collect()] == [
        ("StockReserved", 1),
        ("StockReleased", 2),
    ]
    assert stock[MUG].available == 5
    assert reservation.state is ReservationState.RELEASED
    with pytest.raises(DomainError):
        reservation.release(stock, "again")


@pytest.mark.parametrize(
    ("card", "state", "type_"),
    [
        (Card("CUS-0001", Money(1000)), PaymentState.COMPLETED, "PaymentCompleted"),
        (Card("CUS-0001", Money(999)), PaymentState.FAILED, "PaymentFailed"),
        (Card("CUS-0001", Money(1000), blocked=True), PaymentState.FAILED, "PaymentFailed"),
    ],
)
def test_a_payment_is_tried_once(card, state, type_):
    payment = Payment("ORD-000001", Money(1000))
    payment.charge(card)
    (event,) = payment.collect()
    assert (payment.state, event.type()) == (state, type_)
    with pytest.raises(DomainError):
        payment.charge(card)


def test_there_is_no_payment_of_nothing():
    with pytest.raises(DomainError):
        Payment("ORD-000001", Money(0))


def test_a_parcel_leaves_once():
    shipment = Shipment("ORD-000001", "CUS-0001")
    shipment.ship("Blue Van")
    (event,) = shipment.collect()
    assert event.payload()["tracking_number"] == "TRK-000001"
    with pytest.raises(DomainError):
        shipment.ship("Blue Van")


def test_points_are_for_shipped_orders():
    customer = Customer("CUS-0001")
    customer.ordered("ORD-000001", Money(12_345))
    assert customer.points == 0
    customer.received("ORD-000001", "TRK-000001")
    assert customer.points == 123
    customer.ordered("ORD-000002", Money(500))
    customer.lost("ORD-000002", "out of stock")
    assert customer.points == 123
    assert [event.sequence for event in customer.collect()] == [1, 2, 1, 2]


ORDER = "ORD-000001"
NEWS = {
    "placed": lambda customer: customer.ordered(ORDER, Money(12_345)),
    "shipped": lambda customer: customer.received(ORDER, "TRK-000001"),
    "cancelled": lambda customer: customer.lost(ORDER, "out of stock"),
    "asked": lambda customer: customer.check_loyalty(ORDER),
}


@pytest.mark.parametrize("end", ["shipped", "cancelled"])
def test_news_in_any_order_lead_to_the_same_points_state_and_notifications(end):
    """They come from several topics, and nobody knows which of those is read on first after a restart."""
    became = set()
    for order in itertools.permutations(["placed", end, "asked"]):
        customer = Customer("CUS-0001")
        for name in order:
            NEWS[name](customer)
        raised = customer.collect()
        assert [event.sequence for event in raised] == [1, 2, 3]
        told = sorted(event.message for event in raised if isinstance(event, CustomerNotified))
        became.add((customer.points, customer.records[ORDER].state, *told))
    ((points, state, *told),) = became
    assert (points, state, len(told)) == ({"shipped": 123, "cancelled": 0}[end], RecordState(end), 2)


def test_what_is_final_stays_so():
    customer = Customer("CUS-0001")
    customer.lost("ORD-000001", "out of stock")
    with pytest.raises(DomainError):
        customer.received("ORD-000001", "TRK-000001")
