"""Spans in SQLite: whole, once, found by every id, forgotten in time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail_collector.errors import StoreError
from flowtrail_collector.spans.model import Resource, Span, SpanEvent, SpanKind, SpanLink, SpanStatus
from flowtrail_collector.spans.sql.store import SqlSpans

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = Span(
    trace_id=TRACE,
    span_id="b7ad6b7169203331",
    parent_span_id="b7ad6b7169203330",
    resource=Resource("orders", {"service.name": "orders", "host.cpus": 2}),
    name="send orders",
    kind=SpanKind.PRODUCER,
    start_ns=1_700_000_000_000_000_001,
    end_ns=1_700_000_000_000_000_009,
    status=SpanStatus.ERROR,
    status_message="no",
    attributes={
        "messaging.message.conversation_id": "flow-1",
        "messaging.message.id": "event-1",
        "cloudevents.event_subject": "ord-1",
        "n": 1,
        "list": ["a", 1.5, True],
    },
    events=(SpanEvent("exception", 5, {"exception.type": "ValueError"}),),
    links=(SpanLink("1" * 32, "2" * 16, {"k": "v"}),),
    scope="flowtrail",
    trace_state="a=b",
)


# PostgreSQL keeps it as U+FFFD.
NO_NUL = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


class Clock:
    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def database(sql_database):
    return sql_database


@pytest.fixture
def spans(database, clock):
    return SqlSpans(database, time_seconds=clock)


def span_of(number, **changes):
    attributes = {"messaging.message.id": f"e{number}"}
    return replace(SPAN, trace_id=f"{number:032x}", attributes=attributes, **changes)


def test_a_span_comes_back_whole(spans):
    assert spans.add([SPAN]) == 1
    assert spans.spans([TRACE]) == [SPAN]


def test_what_is_sent_again_is_kept_once(spans):
    assert spans.add([SPAN, SPAN]) == 1
    assert spans.add([replace(SPAN, name="other"), replace(SPAN, span_id="c" * 16)]) == 1
    assert [span.name for span in spans.spans([TRACE, TRACE])] == ["send orders", "send orders"]


@pytest.mark.parametrize("value", ["flow-1", "event-1", "ord-1"])
def test_a_trace_is_found_by_every_id(spans, value):
    spans.add([SPAN])
    assert spans.trace_ids(value) == [TRACE]


def test_unknown_and_malformed_ids_find_nothing(spans):
    spans.add([SPAN])
    assert spans.trace_ids("x") == []
    assert spans.spans(["0" * 32, "xyz", "", "' OR 1 --"]) == []
    assert spans.spans([]) == []


def test_a_failed_transaction_keeps_nothing_and_is_not_remembered(spans):
    broken = replace(SPAN, start_ns=2**70)
    with pytest.raises((StoreError, OverflowError)):
        spans.add([SPAN, broken])
    assert spans.spans([TRACE]) == []
    spans.add([SPAN])
    assert spans.trace_ids("flow-1") == [TRACE]


def test_another_writer_finds_the_same_resources(spans, database):
    spans.add([SPAN])
    SqlSpans(database).add([replace(SPAN, span_id="d" * 16)])
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM span_resources").fetchone() == (1,)
        assert connection.execute("SELECT * FROM span_operations").fetchall() == [
            ("orders", "send orders", 4)
        ]


def test_spans_are_forgotten_by_age(spans, clock):
    spans.add([span_of(1), span_of(2)])
    clock.now += 100
    spans.add([span_of(3)])
    assert spans.prune(older_than_seconds=200, keep_at_most=100) == 0
    assert spans.prune(older_than_seconds=50, keep_at_most=100) == 2
    assert spans.trace_ids("e1") == []
    assert spans.spans([f"{number:032x}" for number in (1, 2, 3)]) == [span_of(3)]
    spans.add([span_of(1)])
    assert spans.trace_ids("e1") == [f"{1:032x}"]


def test_spans_are_forgotten_by_number_in_portions(spans):
    spans.add([span_of(number) for number in range(1, 11)])
    assert spans.prune(older_than_seconds=1e6, keep_at_most=4, limit=5) == 5
    assert spans.prune(older_than_seconds=1e6, keep_at_most=4, limit=5) == 1
    assert spans.prune(older_than_seconds=1e6, keep_at_most=4, limit=5) == 0
    assert len(spans.spans([f"{number:032x}" for number in range(11)])) == 4


def test_pruning_nothing_is_fine(spans):
    assert spans.prune(older_than_seconds=1, keep_at_most=1) == 0


# The receiver makes text of numbers that JSON doesn't have.
floats = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | floats | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(), values, max_size=4), st.text(NO_NUL), st.text(NO_NUL, max_size=5))
def test_whatever_attributes_hold_comes_back(spans, attributes, name, service):
    spans.add([SPAN])
    number = abs(hash((name, service, str(attributes)))) + 1
    span = replace(
        SPAN, trace_id=f"{number:032x}", name=name, attributes=attributes, resource=Resource(service)
    )
    spans.add([span])
    assert spans.spans([span.trace_id]) == [span]
