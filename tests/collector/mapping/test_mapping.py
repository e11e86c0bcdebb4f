"""Events of producers that write no headers."""

from __future__ import annotations

import json
import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.events.mapper import Mapper
from flowtrail_collector.events.mapping import FIELDS, Values
from flowtrail_collector.events.metrics import MappingMetrics
from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.events.schemas import Problem, Schema, SchemaProblemError, schema_id
from flowtrail_collector.events.sources import MAX_PAYLOAD_BYTES, Subject, parse_path
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.sagas.flow_file import FlowFileError, parse_flows
from sagakit import core
from storekit.events import stored_values

ORDERS = """\
mapping:
  legacy.orders:
    type: {field: $.kind, names: {created: OrderPlaced, sent: OrderShipped}}
    id: {field: $.meta.id}
    correlation: [{header: order}, {field: "$.order['no.']"}, {from: key}]
    causation: {field: $.meta.cause}
    subject: {from: key}
    source: /legacy
  payments*:
    type: [{schema: name}, {schema: subject}, PaymentSeen]
    correlation: {field: "$.orders[0]"}
    source: {from: topic}
"""
FLOWS = """\
flows:
  orders:
    starts: OrderPlaced
    steps:
      charge: {done: PaymentCompleted, by: billing}
      ship: {done: OrderShipped, by: legacy}
    completes: OrderShipped
"""


def look(topic, value=None, key=None, headers=(), schema_of=None, text=ORDERS) -> Values:
    mapping = parse_flows(text).mapping.of(topic)
    payload = json.dumps(value).encode() if isinstance(value, dict | list) else value
    return mapping.values(Subject(topic, key, headers, lambda: payload), FIELDS, schema_of)


def test_values_come_from_where_the_mapping_says():
    payload = {"kind": "created", "meta": {"id": 7, "cause": None}, "order": {"no.": "ord-1"}}
    found, problem = look("legacy.orders", payload, b"cust-9")
    assert found == {
        "type": "OrderPlaced", "id": "7", "correlation": "ord-1", "subject": "cust-9", "source": "/legacy"
    }  # fmt: skip
    assert problem is None


def test_of_several_sources_the_first_that_has_something_counts():
    with_header = look(
        "legacy.orders", {"kind": "x"}, b"k", [("order", b"h1"), ("order", b"h2"), ("order", None)]
    )
    assert (with_header.found["correlation"], with_header.found["type"]) == ("h2", "x")
    assert look("legacy.orders", {"kind": "x"}, b"k").found["correlation"] == "k"


def test_the_first_mapping_that_fits_a_topic_counts():
    mappings = parse_flows(ORDERS + "  '*':\n    type: {from: topic}\n").mapping
    names = {topic: mappings.of(topic).name for topic in ("legacy.orders", "payments.eu", "payments", "else")}
    assert names == {
        "legacy.orders": "legacy.orders", "payments.eu": "payments*", "payments": "payments*", "else": "*"
    }  # fmt: skip
    assert parse_flows(ORDERS).mapping.of("legacyXorders") is None


def framed(number, document):
    return struct.pack(">bI", 0, number) + json.dumps(document).encode()


def test_a_schema_id_is_looked_up_by_record_name_or_subject():
    schemas = {
        1: Schema("PaymentCompleted", ("x",)),
        2: Schema(None, ("a-value", "payments.eu-PaymentFailed-value")),
    }

    def schema_of(number):
        if number not in schemas:
            raise SchemaProblemError(Problem.UNKNOWN_SCHEMA)
        return schemas[number]

    found, problem = look("payments.eu", framed(1, {"orders": ["o1"]}), schema_of=schema_of)
    assert (found, problem) == (
        {"type": "PaymentCompleted", "correlation": "o1", "source": "payments.eu"}, None
    )  # fmt: skip
    by_subject = look("payments.eu", framed(2, {"orders": ["o1"]}), schema_of=schema_of)
    assert by_subject.found["type"] == "payments.eu-PaymentFailed"
    unknown = look("payments.eu", framed(3, {"orders": ["o1"]}), schema_of=schema_of)
    assert unknown.found["type"] == "PaymentSeen"


SCHEMA_ONLY = "mapping: {t: {type: {schema: name}}}"
BAD = [
    ("legacy.orders", None, ORDERS, "empty"),
    ("legacy.orders", b"", ORDERS, "empty"),
    ("legacy.orders", b"\xff\xfe", ORDERS, "not_json"),
    ("legacy.orders", b"{" * 100_000, ORDERS, "not_json"),
    ("legacy.orders", b"[" * 100_000, ORDERS, "not_json"),
    ("legacy.orders", b'"' + b"x" * MAX_PAYLOAD_BYTES + b'"', ORDERS, "too_large"),
    ("legacy.orders", b"{}", ORDERS, "missing"),
    ("legacy.orders", b"[]", ORDERS, "missing"),
    ("legacy.orders", b"7", ORDERS, "missing"),
    ("legacy.orders", b'{"kind": {"a": 1}}', ORDERS, "unusable"),
    ("legacy.orders", b'{"kind": "a\\nb"}', ORDERS, "unusable"),
    ("legacy.orders", b'{"kind": "\\ud800"}', ORDERS, "unusable"),
    ("legacy.orders", json.dumps({"kind": "x" * 257}).encode(), ORDERS, "unusable"),
    ("legacy.orders", b'{"kind": ""}', ORDERS, "missing"),
    ("t", b"{}", SCHEMA_ONLY, "no_schema"),
    ("t", b"\x00\x00", SCHEMA_ONLY, "no_schema"),
]


@pytest.mark.parametrize(("topic", "value", "text", "problem"), BAD)
def test_what_is_unusable_has_a_name(topic, value, text, problem):
    values = look(topic, value, text=text)
    assert (values.found.get("type"), values.problem) == (None, problem)


@given(st.binary(max_size=200), st.binary(max_size=20), st.lists(st.tuples(st.just("order"), st.binary())))
def test_whatever_stands_there_nothing_is_raised(value, key, headers):
    values = look("legacy.orders", value, key, headers)
    assert all(text.isprintable() and text for text in values.found.values())


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("$.a", ("a",)),
        ("$.order.id", ("order", "id")),
        ("$.lines[0].sku-1", ("lines", 0, "sku-1")),
        ("$['odd name'][\"x\"][12]", ("odd name", "x", 12)),
    ],
)
def test_paths(text, steps):
    assert parse_path(text) == steps


@pytest.mark.parametrize(
    "text", ["$", "a", "$.", "$..a", "$.a[*]", "$.a[-1]", "$.a b", "$" + ".a" * 17, "$.a["]
)
def test_what_is_no_path(text):
    with pytest.raises(ValueError, match=re.escape(text)):
        parse_path(text)


@given(st.integers(0, 2**32 - 1), st.binary())
def test_schema_ids(number, rest):
    assert schema_id(struct.pack(">bI", 0, number) + rest) == number
    assert schema_id(b"\x01" + rest) is None


WRONG = [
    # the mapping of topic t, line, column, words of the message
    ("[]", 1, 1, "must map topics"),
    ("{t: {}}", 1, 11, "must say where type, id"),
    ("{t: x}", 1, 11, "must say where type, id"),
    ("{t: {typ: x}}", 1, 15, "did you mean 'type'?"),
    ("{7: {type: x}}", 1, 11, "named by a topic"),
    ("{t: {type: 7}}", 1, 15, "'type' takes a text, or one of value, from, header, field, schema"),
    ("{t: {type: {}}}", 1, 15, "exactly one of"),
    ("{t: {type: {from: key, header: a}}}", 1, 15, "exactly one of"),
    ("{t: {type: {form: key}}}", 1, 22, "did you mean 'from'?"),
    ("{t: {type: {from: offset}}}", 1, 22, "'from' takes topic or key"),
    ("{t: {type: {schema: id}}}", 1, 22, "'schema' takes name or subject"),
    ("{t: {type: {header: 7}}}", 1, 22, "'header' takes a text"),
    ("{t: {type: {field: a.b}}}", 1, 22, "takes a path such as $.order.id"),
    ("{t: {type: {from: key, names: {a: 7}}}}", 1, 41, "maps texts to texts"),
    ("{t: {type: {from: key, names: []}}}", 1, 33, "maps what is found to what it means"),
    ("{t: {type: [a, {form: key}]}}", 1, 26, "did you mean 'from'?"),
    ("{t: {type: []}}", 1, 15, "up to 8 sources"),
    ("{t: {type: x, id: y}}", 1, 24, "can't be the same for all events"),
    ("{t: {type: x, correlation: {value: y}}}", 1, 38, "can't be the same for all events"),
    ('{t: {type: "a\\nb"}}', 1, 15, "all printable"),
]


@pytest.mark.parametrize(("text", "line", "column", "words"), WRONG)
def test_errors_name_line_and_column(text, line, column, words):
    with pytest.raises(FlowFileError) as caught:
        parse_flows(f"mapping: {text}")
    assert words in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


def take(made, *records):
    rows = [
        Incoming(
            topic, 0, offset, 1_000 + offset, key, headers, topic.endswith(".dlq"), False, lambda v=value: v
        )
        for offset, (topic, key, headers, value) in enumerate(records)
    ]
    places = sorted({row.topic for row in rows})
    made.ingest.apply(rows, [Advance(topic, 0, None, len(rows), 0) for topic in places])


def events(made):
    return stored_values(made.database, "topic, event_id, type, source, subject, correlation_id")


def test_a_flow_through_topics_without_headers(tmp_path):
    """Bad payloads are counted and stop nothing; headers win over the mapping."""
    text = FLOWS + ORDERS.replace("{schema: name}, {schema: subject}, PaymentSeen", "PaymentCompleted")
    legacy = "legacy.orders"
    headers = [("ce_id", b"e9"), ("ce_type", b"OrderShipped"), ("ce_correlationid", b"o1")]
    with core(tmp_path, text) as made:
        take(
            made,
            (legacy, b"o1", None, b'{"kind": "created", "meta": {"id": "e1"}}'),
            (legacy, b"o1", None, b"\x80 not json"),
            ("payments", None, [], b'{"orders": ["o1"]}'),
            ("unmapped", None, None, b'{"kind": "created"}'),
            (legacy, b"other", headers, b'{"kind": "created", "meta": {"id": "e1"}}'),
        )
        made.pass_time(10_000)
        assert events(made) == [
            (legacy, "e1", "OrderPlaced", "/legacy", "o1", "o1"),
            (legacy, "e9", "OrderShipped", "/legacy", "other", "o1"),
            ("payments", "payments/0/2", "PaymentCompleted", "payments", None, "o1"),
        ]
        assert made.ended() == {"completed": 1}
        assert dict(made.store.counters("mapping_problems")) == {
            ("mapping_problems", ("legacy.orders", "not_json")): 1
        }
        assert made.ingest.taken() == {"event": 3, "unknown": 2}


def test_a_dead_letter_is_read_as_the_record_it_is_a_copy_of(tmp_path):
    source = [
        ("kafka_dlt-original-topic", b"payments"),
        ("kafka_dlt-original-partition", struct.pack(">i", 3)),
        ("kafka_dlt-original-offset", struct.pack(">q", 42)),
    ]
    with core(tmp_path, FLOWS + ORDERS.replace("{schema: name}, {schema: subject}, ", "")) as made:
        take(made, ("payments.dlq", None, source, b'{"orders": ["o1"]}'))
        assert events(made) == [
            ("payments.dlq", "payments/3/42", "PaymentSeen", "payments", None, "o1")
        ]  # fmt: skip


def test_the_payload_is_left_alone_where_nothing_is_mapped(tmp_path):
    def never():
        raise AssertionError

    headers = [("ce_id", b"1"), ("ce_type", b"OrderPlaced")]
    with core(tmp_path, FLOWS + ORDERS) as made:
        rows = [
            Incoming("elsewhere", 0, 0, 1, None, None, False, False, never),
            Incoming("elsewhere", 0, 1, 1, None, headers, False, False, never),
        ]
        made.ingest.apply(rows, [Advance("elsewhere", 0, None, 2, 0)])
        assert made.ingest.taken() == {"event": 1, "unknown": 1}


def test_a_registry_that_is_away_stops_nothing(tmp_path):
    def away(number):
        raise SchemaProblemError(Problem.REGISTRY)

    text = FLOWS + "mapping: {payments: {type: {schema: name}, correlation: {from: key}}}\n"
    with core(tmp_path, text) as made:
        ingest = Ingest(made.store, made.flows, mapper=Mapper(made.flows.mapping, away))
        rows = [
            Incoming("payments", 0, n, 1, b"o1", None, False, False, lambda: framed(7, {})) for n in range(3)
        ]
        ingest.apply(rows, [Advance("payments", 0, None, 3, 0)])
        assert ingest.taken() == {"unknown": 3}
        assert made.store.positions()["payments", 0].next_offset == 3
        assert dict(made.store.counters("mapping_problems")) == {
            ("mapping_problems", ("payments", "registry")): 3
        }
        (family,) = MappingMetrics(made.store, made.flows.mapping).families()
        shown = {sample.labels["reason"]: sample.value for sample in family.samples}
        assert shown == {problem.value: 3 if problem is Problem.REGISTRY else 0 for problem in Problem}
