"""Headers of records that died once or twice, by whatever hands: the last death's go, all others stay."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowtrail_collector.dead_letters.model.conventions import CONVENTIONS
from flowtrail_collector.dead_letters.model.headers import read_headers
from flowtrail_collector.dead_letters.model.redrive import returned_headers
from redrivekit.conventions import FIXTURES

# How each project writes: in front of what the record brought along, or over what it wrote before.
IN_FRONT = {"smallrye", "smallrye-retry"}
REPLACING = {"flowtrail", "masstransit", "nservicebus", "smallrye-retry", "rabbitmq"}
# One fixture of each, with what dying alone wrote; share groups copy nothing, so they are nobody's second.
DEATHS = {}
for _headers, _read in FIXTURES.values():
    written = [header for header in _headers if not header[0].startswith(("ce_", "dlq.replays"))]
    alone = {"smallrye": 7, "spring-retry-topic": 10}.get(_read.convention, len(written))
    DEATHS.setdefault(_read.convention, written[:alone])
APPLICATION = [
    ("tenant", b"t1"),
    ("x-original-forwarded-for", b"10.0.0.7"),
    ("x-exception-policy", b"retry-later"),
    ("nothing", None),
    ("tenant", b"t1 again"),
]
PAIRS = [
    (first, second)
    for first, second in itertools.product(DEATHS, DEATHS)
    if second != "share-group" and not (first == second and first in REPLACING)
]


def died(record, convention, source="orders"):
    """The headers of a dead letter, as the project writes them."""
    added = [
        (name, value.replace(b"orders", source.encode()) if isinstance(value, bytes) else value)
        for name, value in DEATHS[convention]
    ]
    if convention == "rabbitmq" and source != "orders":  # an hour later
        added = [(name, value.replace(b" 22:", b" 23:")) for name, value in added]
    return [*added, *record] if convention in IN_FRONT else [*record, *added]


def back(headers):
    read = read_headers(headers)
    return [header for header in returned_headers(headers, read.convention, 1) if header[0] != "dlq.replays"]


def near_misses():
    """Names that begin like those of a convention, or are the beginning of one, and are nobody's."""
    taken = {name for convention in CONVENTIONS for name in convention.added}
    for convention in CONVENTIONS:
        for name in sorted(convention.added):
            near = {f"{name}-policy", f"{name}s", name[:-1], name.upper(), f"{name} ", f"x-{name}"} - taken
            yield convention.name, [(other, b"mine") for other in sorted(near)]


NEAR = list(near_misses())


@pytest.mark.parametrize(("convention", "mine"), NEAR)
def test_headers_that_only_look_like_the_conventions_come_back(convention, mine):
    assert back(died(mine, convention)) == mine


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_letter_of_a_letter_goes_back_as_a_letter(first, second):
    letter = died(APPLICATION, first)
    again = died(letter, second, "orders.dlq")
    assert read_headers(again).convention == second
    assert read_headers(again).source_topic == "orders.dlq"
    assert back(again) == letter
    assert back(letter) == APPLICATION


WITH_TIMES = ["flowtrail", "masstransit", "nservicebus"]
DELAY = "orders.billing.retry.1.delay"


def server_death(queue, time, reason="expired"):
    """What RabbitMQ writes, as a header."""
    death = {
        "count": 1,
        "reason": reason,
        "queue": queue,
        "time": time,
        "routing-keys": [queue],
        "exchange": "",
    }
    return ("x-death", json.dumps([death]).encode())


# When each of these wrote its headers: 22:13:20.123 or a moment later.
@pytest.mark.parametrize("by_name", [False, True], ids=["behind", "in between"])
@pytest.mark.parametrize(
    ("queue", "time", "is_last"),
    [
        (DELAY, "2023-11-14 22:13:19+00:00", False),
        (DELAY, "2023-11-14 22:13:20+00:00", False),
        (DELAY, "2023-11-14 23:00:00+00:00", False),  # the server's clock is ahead
        ("nsb.v2.delay-level-01", "2023-11-14 22:13:19+00:00", False),
        (
            "audit",
            "2023-11-14 21:00:00+00:00",
            False,
        ),  # rejected by somebody, moved back by hand, then given up
        ("orders.billing.dlq", "2023-11-14 23:00:00+00:00", True),  # too long in the queue of dead letters
    ],
)
@pytest.mark.parametrize("convention", WITH_TIMES)
def test_waiting_before_a_retry_is_no_death(convention, queue, time, is_last, by_name):
    record = [*APPLICATION, server_death(queue, time)]
    letter = died(record, convention)
    if by_name:
        letter = sorted(letter, key=lambda header: header[0])
        record = sorted(record, key=lambda header: header[0])
    read = read_headers(letter)
    assert read.convention == ("rabbitmq" if is_last else convention)
    assert read.source_topic == (queue if is_last else "orders")
    if not is_last:
        assert back(letter) == record


NAMES = sorted({name for convention in CONVENTIONS for name in convention.added} | {"tenant", "ce_id"})


@example([("retry_topic-attempts", None), ("kafka_dlt-exception-fqcn", b"")])
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.none() | st.binary(max_size=9)), max_size=30))
def test_whatever_the_headers_only_the_conventions_go_and_the_rest_keeps_its_order(headers):
    read = read_headers(headers)
    kept = back(headers)
    rest = iter(headers)
    assert all(header in rest for header in kept)
    gone = {name for name, _ in headers} - {name for name, _ in kept}
    its = next((c for c in CONVENTIONS if c.name == read.convention), None)
    assert all(its is not None and (its.adds(name) or name in its.borrowed) for name in gone)
