"""What becomes of one record: event, dead letter, copy in a retry topic, garbage."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail._event import record_id
from flowtrail.wire import Record
from flowtrail_collector.dead_letters.arrival_labels import MAX_VALUES
from flowtrail_collector.dead_letters.metrics import DeadLetterMetrics
from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.errors import FencedError
from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming
from sagakit import NOW_MS, Happening, core
from storekit.events import stored_values

PLACED = Happening("OrderPlaced", 1_000).headers
TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"


@pytest.fixture
def made(tmp_path):
    with core(tmp_path) as opened:
        yield opened


def take(made, *records, expected=None):
    next_offset = (expected or 0) + len(records)
    made.ingest.apply(records, [Advance("orders", 0, expected, next_offset, 0)])


def incoming(headers, offset=0, **more):
    return Incoming("orders", 0, offset, 1_000, b"key", headers, **more)


def rows(made, *columns):
    return stored_values(made.database, *columns)


def test_what_is_kept_of_an_event(made):
    headers = [
        *Happening("OrderPlaced", 0, "e1", cause="c1").headers,
        ("ce_sequence", b"7"),
        ("ce_time", b"1970-01-01T00:00:00.5Z"),
        ("ce_dataschema", b"OrderPlaced/2"),
        ("traceparent", TRACEPARENT),
    ]
    take(made, incoming(headers))
    (row,) = rows(
        made,
        "event_id, type, source, subject, sequence, correlation_id, causation_id, time_ms,"
        " timestamp_ms, trace_id, span_id, dataschema, key, dead_letter",
    )
    assert row == (
        "e1",
        "OrderPlaced",
        "/orders",
        "order-1",
        7,
        "f1",
        "c1",
        500,
        1_000,
        "0af7651916cd43dd8448eb211c80319c",
        "00f067aa0ba902b7",
        "OrderPlaced/2",
        "key",
        0,
    )


def test_a_record_without_a_type_is_counted_and_not_kept(made):
    take(made, incoming(None), incoming([("ce_id", b"1")], 1), incoming(PLACED, 2))
    assert len(rows(made)) == 1
    assert dict(made.store.counters("collector_")) == {
        ("collector_records", ("unknown",)): 2,
        ("collector_records", ("event",)): 1,
    }


@pytest.mark.parametrize("data", [{}, {"data": {"a": 1}}, {"data": None}, {"data_base64": "bnVsbA=="}])
def test_structured_mode(made, data):
    """An event without data is one: only a record without a value is a tombstone, and has no attributes."""
    event = {"specversion": "1.0", "id": "e1", "type": "OrderPlaced", "source": "/x", "correlationid": "f1"}
    headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    take(made, incoming(headers, value=lambda: json.dumps({**event, **data}).encode()))
    assert made.kinds() == {"open": 1}
    assert rows(made, "event_id, type, source") == [("e1", "OrderPlaced", "/x")]


@pytest.mark.parametrize(
    "value", [None, b"", b"{}", b"[" * 5_000, b"\xff", b" " * 2_000_000, b'{"specversion":1}']
)
def test_structured_mode_that_is_none(made, value):
    take(made, incoming([("content-type", b"application/cloudevents+json")], value=lambda: value))
    assert rows(made) == []


def test_the_value_of_other_records_is_not_touched(made):
    def never():
        raise AssertionError("looked at")

    take(made, incoming(PLACED, value=never))
    assert made.kinds() == {"open": 1}


def test_copies_in_retry_and_dead_letter_topics_are_no_second_event(made):
    died = [*PLACED, ("dlq.topic", b"orders"), ("dlq.error.type", b"ValueError")]
    take(
        made,
        incoming(PLACED),
        Incoming("orders.billing.retry.5s", 0, 0, 2_000, None, PLACED, retry=True),
        Incoming("orders.billing.dlq", 0, 0, 3_000, None, died, dead_letter=True),
    )
    assert ("duplicate_events", "orders") not in made.counters()
    assert len(rows(made)) == 3, "the trail shows them all the same"
    assert made.store.pending_dead_letters() == [("orders.billing.dlq", "orders", "", 1, 3_000)]


def test_an_event_time_a_day_ahead_is_not_believed(made):
    for offset, moment in enumerate((b"2999-01-01T00:00:00Z", b"0001-01-01T00:00:00Z", b"yesterday")):
        take(made, incoming([*PLACED, ("ce_time", moment)], offset), expected=offset or None)
    assert rows(made, "time_ms") == [(1_000,)] * 3


def test_without_an_id_the_place_is_the_id_as_in_the_library(made):
    take(made, incoming([("ce_type", b"OrderPlaced")], 5))
    assert rows(made, "event_id") == [("orders/0/5",)]
    assert record_id(Record("orders", 0, 5, None, None, None, ())) == "orders/0/5"


def test_an_event_without_a_correlation_id_starts_a_flow_under_its_own_id(made):
    without = [header for header in PLACED if header[0] != "ce_correlationid"]
    (own,) = (value for name, value in without if name == "ce_id")
    take(made, incoming(without))
    reserved = {
        "ce_id": b"r",
        "ce_type": b"StockReserved",
        "ce_source": b"/inventory",
        "ce_correlationid": own,
    }
    take(made, incoming(list(reserved.items()), 1), expected=1)
    assert rows(made, "correlation_id") == [(own.decode(),)] * 2
    assert made.kinds() == {"open": 1}


BROKEN_IDS = ["\uff11" * 32, " " + "1" * 31, "+" + "1" * 31, "1_" * 15 + "11", "1" * 31 + "\n", "\u0661" * 32]
BROKEN_PARENTS = [
    *(f"00-{trace}-{'2' * 16}-01".encode() for trace in BROKEN_IDS),
    *(f"00-{'2' * 32}-{span[:15]}{span[-1]}-01".encode() for span in BROKEN_IDS),
    b"", b"00-x-y-01", b"00-" + b"0" * 32 + b"-" + b"1" * 16 + b"-01",
]  # fmt: skip


@pytest.mark.parametrize("traceparent", BROKEN_PARENTS)
def test_a_broken_trace_context_is_none(made, traceparent):
    take(made, incoming([*PLACED, ("traceparent", traceparent)]))
    assert rows(made, "trace_id, span_id") == [(None, None)]


def test_a_fenced_batch_changes_nothing(made):
    take(made, incoming(PLACED))
    with pytest.raises(FencedError):
        take(made, incoming(PLACED, 5), expected=5)
    assert made.counters() == {("started", "orders"): 1}
    assert len(rows(made)) == 1


NAMES = st.sampled_from(
    [name for name, _ in PLACED] + ["ce_sequence", "ce_time", "content-type", "traceparent", "x"]
)
HEADERS = st.lists(
    st.tuples(NAMES, st.none() | st.binary(max_size=20) | st.sampled_from([v for _, v in PLACED]))
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(HEADERS | st.none() | st.text(max_size=3), max_size=5), st.booleans())
def test_garbage_never_stops_the_collector(made, garbage, dead_letter):
    place = ("orders", 0)
    known = made.store.positions().get(place)
    begin = known.next_offset if known else 0
    records = [
        Incoming(
            *place, begin + n, -5 if n % 2 else None, b"\xff\x00", headers, dead_letter, value=lambda: b"\xff"
        )
        for n, headers in enumerate(garbage)
    ]
    made.ingest.apply(records, [Advance(*place, known and begin, begin + len(records), 0)])
    made.sweeper.sweep()


def test_strangers_cannot_make_up_endless_labels(made):
    headers = [("dlq.topic", b"orders"), ("dlq.group", b"billing")]
    letters = [
        Incoming("a.dlq", 0, n, 1_000, None, [*headers, ("dlq.error.type", b"E%d" % n)], dead_letter=True)
        for n in range(MAX_VALUES + 50)
    ]
    take(made, *letters)
    with core(made.database.path.parent) as restarted:
        again = [letters[0], letters[-1]._replace(headers=[*headers, ("dlq.error.type", b"x" * 9_999)])]
        take(restarted, *again, expected=len(letters))
        found = {labels: value for (_, labels), value in restarted.store.counters("dlq_arrivals").items()}
    assert found["a.dlq", "orders", "billing", "other"] == 51
    assert found["a.dlq", "orders", "billing", "E0"] == 2
    assert len(found) == MAX_VALUES + 1
    assert sum(found.values()) == len(letters) + 2


def test_pending_series_are_bounded_too(made):
    with made.store.unit() as unit:
        unit.add_dead_letters(
            DeadLetter(
                "a.dlq", 0, n, 1_000 + n, None, None, None, None, "pending", *DeadLetterHeaders(group=f"g{n}")
            )
            for n in range(1_200)
        )
    families = {family.name: family for family in DeadLetterMetrics(made.store).families()}
    samples = families["flowtrail_dlq_pending"].samples
    assert len(samples) == 1_001
    assert sum(sample.value for sample in samples) == 1_200
    oldest = DeadLetterMetrics(made.store, time_seconds=lambda: NOW_MS / 1000).families()
    assert {family.name for family in oldest} == families.keys()
