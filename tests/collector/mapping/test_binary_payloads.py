"""Fields of Avro and Protobuf payloads, read by the registry's schema."""

from __future__ import annotations

import datetime as dt
import json
import random
from decimal import Decimal

import httpx
import pytest

from flowtrail.contracts import registered
from flowtrail_collector.events.mapping import FIELDS
from flowtrail_collector.events.registry import SchemaRegistry
from flowtrail_collector.events.sources import MAX_PAYLOAD_BYTES, Subject
from flowtrail_collector.sagas.flow_file import parse_flows

LINE = {"type": "record", "name": "Line", "fields": [{"name": "sku", "type": "string"}]}
AVRO = json.dumps({"type": "record", "name": "OrderPlaced", "namespace": "shop", "fields": [
    {"name": "order", "type": {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}},
    {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "lines", "type": {"type": "array", "items": LINE}},
    {"name": "raw", "type": "bytes", "default": ""},
]})  # fmt: skip
PROTOBUF = """syntax = "proto3"; package shop;
import "google/protobuf/timestamp.proto"; import "money.proto";
message Other { string x = 1; }
message OrderPlaced {
  message Order { int64 id = 1; }
  message Line { string sku = 1; }
  enum Kind { PLACED = 0; PAID = 1; }
  Order order = 1; google.protobuf.Timestamp at = 2; repeated Line lines = 3; Kind kind = 4;
  bytes raw = 5; shop.Money total = 6;
}"""
MONEY = 'syntax = "proto3"; package shop; message Money { string amount = 1; }'
PLACED = {
    "order": {"id": 7},
    "lines": [{"sku": "a"}, {"sku": "b"}],
    "at": dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
}
ANSWERS = {
    "/schemas/ids/1": {"schema": AVRO},
    "/schemas/ids/2": {"schema": PROTOBUF, "schemaType": "PROTOBUF", "references": [
        {"name": "money.proto", "subject": "money/x", "version": 3}]},
    "/schemas/ids/3": {"schema": '{"type": "record"}'},
    "/schemas/ids/4": {"schema": "message {", "schemaType": "PROTOBUF"},
    "/subjects/money%2Fx/versions/3": {"schema": MONEY},
}  # fmt: skip


@pytest.fixture
def registry():
    asked = []

    def answer(request):
        path = request.url.raw_path.decode()
        asked.append(path)
        if path.endswith("/versions"):
            return httpx.Response(200, json=[{"subject": "orders-value", "version": 1}])
        found = ANSWERS.get(path)
        return httpx.Response(200, json=found) if found else httpx.Response(404, json={"error_code": 40403})

    made = SchemaRegistry("http://registry", transport=httpx.MockTransport(answer))
    made.asked = asked  # type: ignore[attr-defined]
    yield made
    made.close()


def look(registry, path, value):
    mapping = parse_flows(f"mapping: {{orders: {{type: {{field: '{path}'}}}}}}").mapping.of("orders")
    values = mapping.values(Subject("orders", None, None, lambda: value), FIELDS, registry.schema)
    return values.found.get("type"), values.problem


def payload(number, data):
    if number == 1:
        body = registered("AVRO", "a", AVRO).encode({"total": Decimal("1.50"), **data})
    else:
        made = registered("PROTOBUF", "p", PROTOBUF, "OrderPlaced", references={"money.proto": MONEY})
        body = made.frame_prefix + made.encode({"kind": "PAID", "total": {"amount": "1.50"}, **data})
    return b"\x00" + number.to_bytes(4, "big") + body


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(("path", "found"), [
    ("$.order.id", "7"), ("$.lines[1].sku", "b"), ("$.at", "2026-01-02T00:00:00+00:00"),
])  # fmt: skip
def test_a_field_is_found_in_either_format(registry, number, path, found):
    assert look(registry, path, payload(number, PLACED)) == (found, None)


def test_enums_decimals_and_references(registry):
    assert look(registry, "$.kind", payload(2, PLACED)) == ("PAID", None)
    assert look(registry, "$.total.amount", payload(2, PLACED)) == ("1.50", None)
    assert look(registry, "$.total", payload(1, PLACED)) == ("1.50", None)


def test_the_registry_is_asked_once_per_schema(registry):
    for _ in range(3):
        look(registry, "$.order.id", payload(2, PLACED))
    assert len(registry.asked) == 3  # the schema, its versions, what it refers to


@pytest.mark.parametrize(("value", "problem"), [
    (payload(1, PLACED)[:-4], "unreadable"),
    (payload(1, PLACED) + b"x", "unreadable"),
    (payload(2, PLACED)[:-2], "unreadable"),
    (b"\x00\x00\x00\x00\x02\x06\x02\x02\x02", "unreadable"),
    (b"\x00\x00\x00\x00\x03abc", "bad_schema"),
    (b"\x00\x00\x00\x00\x04abc", "bad_schema"),
    (b"\x00\x00\x00\x00\x63abc", "unknown_schema"),
    (b"\x00\x00", "not_json"),
    (b"\x01\x00\x00\x00\x01abc", "not_json"),
    (payload(1, {**PLACED, "raw": b"x" * MAX_PAYLOAD_BYTES}), "too_large"),
])  # fmt: skip
def test_what_cannot_be_read_has_a_name(registry, value, problem):
    assert look(registry, "$.order.id", value) == (None, problem)


@pytest.mark.parametrize("number", [1, 2])
def test_bytes_and_absent_fields_are_no_values(registry, number):
    assert look(registry, "$.raw", payload(number, {**PLACED, "raw": b"\xff"})) == (None, "unusable")
    assert look(registry, "$.nothing", payload(number, PLACED)) == (None, "missing")


@pytest.mark.parametrize("number", [1, 2])
def test_whatever_follows_the_id_nothing_is_raised(registry, number):
    chance = random.Random(7)
    for _ in range(500):
        value = b"\x00" + number.to_bytes(4, "big") + chance.randbytes(chance.randrange(60))
        found, problem = look(registry, "$.order.id", value)
        assert (found is None) == (problem is not None)
