"""Value objects can't be wrong, and events can't change."""

import dataclasses

import pytest

from orderflow.kernel import Aggregate, DomainError, DomainEvent, Money, Quantity, Sku


@pytest.mark.parametrize("count", [0, -1, 1001, True, 1.0, "1", None])
def test_quantity_is_1_to_1000(count):
    with pytest.raises(DomainError, match="quantity"):
        Quantity(count)


@pytest.mark.parametrize("code", ["", "mug", "MUG BLUE", "-MUG", "MUG-", "M" * 41, None, 3, "MUG\n"])
def test_sku_is_plain(code):
    with pytest.raises(DomainError, match="sku"):
        Sku(code)


@pytest.mark.parametrize("cents", [-1, 10**12 + 1, 1.5, True, "1"])
def test_money_is_whole_cents(cents):
    with pytest.raises(DomainError):
        Money(cents)


def test_money_adds_and_multiplies():
    assert Money(1) + Money(2) == Money(3)
    assert Money(150) * Quantity(3) == Money(450)
    assert str(Money(1205)) == "12.05 EUR"


def test_events_are_immutable():
    event = DomainEvent(order_id="ORD-000001", sequence=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.order_id = "other"  # type: ignore[misc]


def test_an_aggregate_numbers_its_events():
    aggregate = Aggregate(version=4)
    with pytest.raises(ValueError, match="sequence"):
        aggregate.record(DomainEvent(order_id="ORD-000001", sequence=4))
    event = DomainEvent(order_id="ORD-000001", sequence=5)
    aggregate.record(event)
    assert aggregate.collect() == (event,)
    assert aggregate.collect() == ()
    assert aggregate.version == 5
