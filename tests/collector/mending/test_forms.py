"""Values in Avro, Protobuf, JSON, text and bytes: shown, edited, checked by a registry's contracts."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from base64 import b64decode
from decimal import Decimal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.contracts import registered
from flowtrail_collector.dead_letters.mending.change import Change, replacement_of
from flowtrail_collector.dead_letters.mending.form import form_of
from flowtrail_collector.dead_letters.mending.native import BadValueError, from_json, to_json
from flowtrail_collector.dead_letters.ports import Outgoing
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.events.contracts import RegisteredContracts
from flowtrail_collector.events.registry import SchemaRegistry

AVRO = json.dumps({"type": "record", "name": "OrderPlaced", "fields": [
    {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "raw", "type": "bytes"}, {"name": "ratio", "type": "double"}, {"name": "count", "type": "int"},
    {"name": "note", "type": ["null", "string"], "default": None},
]})  # fmt: skip
PROTOBUF = """syntax = "proto3"; package shop;
import "google/protobuf/timestamp.proto"; import "google/protobuf/duration.proto";
message Other { string x = 1; }
message OrderPlaced {
  int64 count = 1; google.protobuf.Timestamp at = 2; bytes raw = 3; map<int32, string> lines = 4;
  google.protobuf.Duration took = 5; string note = 6;
}"""
JSON = json.dumps(
    {"type": "object", "properties": {"count": {"type": "integer", "minimum": 0}}, "required": ["count"]}
)
AT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
RECORD = {
    "total": Decimal("12.50"),
    "at": AT,
    "day": AT.date(),
    "raw": b"\xff\0",
    "ratio": 0.1,
    "count": 3,
    "note": "x",
}
MESSAGE = {
    "count": 3,
    "at": AT,
    "raw": b"\xff\0",
    "lines": {7: "a"},
    "took": dt.timedelta(seconds=1.5),
    "note": "x",
}
KINDS = {"AVRO": (AVRO, RECORD), "PROTOBUF": (PROTOBUF, MESSAGE), "JSON": (JSON, {"count": 3})}


def framed(kind, number, data):
    definition = registered(kind, "x", KINDS[kind][0], "OrderPlaced")
    return b"\0" + number.to_bytes(4, "big") + definition.frame_prefix + definition.encode(data)


class Registered:
    """A real registry with one schema of each kind; `ids` by kind."""

    def __init__(self, url):
        self.ids = {}
        for kind, (text, _) in KINDS.items():
            name = f"T{uuid.uuid4().hex[:8]}"
            # Protobuf's contract is the message named like the type; the id says which one it is.
            body = {"schema": text.replace("OrderPlaced", name), "schemaType": kind}
            answer = httpx.post(f"{url}/subjects/{name}/versions", json=body, timeout=60)
            assert answer.status_code == 200, answer.text
            self.ids[kind] = answer.json()["id"], name
        self.contracts = RegisteredContracts(SchemaRegistry(url))


@pytest.fixture(scope="module")
def known(registry):
    return Registered(registry)


@pytest.mark.servers
@pytest.mark.parametrize("kind", list(KINDS))
def test_decoded_edited_and_written_with_the_same_id(known, kind):
    number, _ = known.ids[kind]
    value = framed(kind, number, KINDS[kind][1])
    form = form_of(value, [], known.contracts)
    assert (form.kind, form.contract_name, form.is_editable) == (kind.lower(), f"schema {number}", True)
    shown = form.shown(value)
    assert shown.problem is None
    assert form.is_same(value, form.written(shown.text))
    data = json.loads(shown.text)
    edited = form.written(json.dumps({**data, "count": 4}))
    assert edited == framed(kind, number, {**KINDS[kind][1], "count": 4})
    assert not form.is_same(value, edited)


@pytest.mark.servers
@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("AVRO", {"count": "many"}, "count: type should be int"),
        ("AVRO", {"total": {"$decimal": "1.234"}}, "total: more than 2 digits"),
        ("AVRO", {"total": {"$decimal": "much"}}, r"\$decimal holds something else"),
        ("AVRO", {"raw": {"$bytes": "!"}}, r"\$bytes holds something else"),
        ("AVRO", {"extra": 1}, "extra: not in the contract"),
        ("PROTOBUF", {"count": "many"}, "count: type should be int64"),
        ("PROTOBUF", {"extra": 1}, "extra: not in the contract"),
        ("JSON", {"count": -1}, "count: minimum"),
        ("JSON", {"count": "many"}, "count: type"),
    ],
)
def test_what_breaks_its_contract_is_one_line_with_the_field(known, kind, change, said):
    number, _ = known.ids[kind]
    value = framed(kind, number, KINDS[kind][1])
    form = form_of(value, [], known.contracts)
    with pytest.raises(ConfigurationError, match=said) as caught:
        form.written(json.dumps({**json.loads(form.shown(value).text), **change}))
    assert "\n" not in str(caught.value)
    assert "many" not in str(caught.value)


@pytest.mark.servers
@pytest.mark.parametrize("kind", list(KINDS))
def test_without_an_id_the_type_and_version_name_the_contract(known, kind):
    _, name = known.ids[kind]
    plain = registered(kind, "x", KINDS[kind][0], "OrderPlaced").encode(KINDS[kind][1])
    headers = [
        ("ce_type", name.encode()), ("ce_dataschema", f"{name}/1".encode()),
        ("content-type", f"application/{kind.lower()}".encode()),
    ]  # fmt: skip
    form = form_of(plain, headers, known.contracts)
    assert form.contract_name == f"{name}/1"
    with pytest.raises(ConfigurationError, match=f"breaks {name}/1: count: type"):
        form.written(json.dumps({**json.loads(form.shown(plain).text), "count": "many"}))


@pytest.mark.servers
def test_what_only_a_newer_schema_knows_isnt_lost(known):
    """Protobuf's unknown fields aren't in what is shown: written again they would be gone."""
    number, _ = known.ids["PROTOBUF"]
    value = framed("PROTOBUF", number, MESSAGE)
    newer = value + b"\x78\x01"  # field 15
    form = form_of(value, [], known.contracts)
    assert form.keeps(value)
    assert not form.keeps(newer)
    for kind in ("AVRO", "JSON"):
        other = framed(kind, known.ids[kind][0], KINDS[kind][1])
        assert form_of(other, [], known.contracts).keeps(other)
    before = Outgoing("orders", 0, None, newer, [])
    data = json.loads(form.shown(newer).text)
    assert replacement_of(before, Change("r", json.dumps(data)), form).parts == {}
    with pytest.raises(ConfigurationError, match=f"schema {number} knows"):
        replacement_of(before, Change("r", json.dumps({**data, "count": 9})), form)


@pytest.mark.servers
def test_what_the_registry_doesnt_know_or_that_isnt_what_it_says(known):
    number, _ = known.ids["AVRO"]
    unknown = b"\0\x7f\xff\xff\xffabc"
    form = form_of(unknown, [], known.contracts)
    assert "the registry doesn't know it" in form.shown(unknown).problem
    assert b64decode(form.shown(unknown).text) == unknown
    with pytest.raises(ConfigurationError, match="only key and headers can be edited"):
        form.written("{}")
    torn = framed("AVRO", number, RECORD)[:-3]
    form = form_of(torn, [], known.contracts)
    assert "not what" in form.shown(torn).problem
    data = json.dumps(to_json(RECORD))
    assert form.written(data) == framed("AVRO", number, RECORD)  # mended


NONE = RegisteredContracts(None)


@pytest.mark.parametrize(
    ("value", "headers", "kind", "text", "problem"),
    [
        (b'{"a":1.00}', [], "json", '{\n  "a": 1.00\n}', None),
        (b'{"a":', [("content-type", b"application/json")], "json", '{"a":', "isn't JSON: line 1, column 6"),
        (b"\xff{", [("content-type", b"application/json")], "json", "/3s=", "no UTF-8"),
        (
            b'{"a":"x\ty\x1b"}',
            [("content-type", b"application/json")],
            "json",
            '{"a":"x\ty\x1b"}',
            "isn't JSON",
        ),
        (b'{"a":', [], "text", '{"a":', None),
        ("grün\r\n\tja".encode(), [], "text", "grün\r\n\tja", None),
        (
            '{"a":"x\u00a0\u200b\U000e0001"}'.encode(),
            [],
            "json",
            '{\n  "a": "x\\u00a0\\u200b\\udb40\\udc01"\n}',
            None,
        ),
        (b"a\rb", [], "text", "a\rb", None),
        ("\ufeff<a/>".encode(), [], "text", "\ufeff<a/>", None),
        (
            "12\u00a0€ \u00ad\u202e\ufffd\x7f\x85".encode(),
            [],
            "text",
            "12\u00a0€ \u00ad\u202e\ufffd\x7f\x85",
            None,
        ),
        (b"a\0b", [], "binary", "YQBi", "neither JSON"),
        (b"\x1b[2J", [], "binary", "G1sySg==", "neither JSON"),
        (None, [], "json", "", "no value"),
        (b"x" * 1_100_000, [], "text", "", "aren't shown"),
        (b"\0\0\0\0\x07abc", [], "binary", "AAAAAAdhYmM=", "--schema-registry"),
        (b"abc", [("content-type", b"application/avro")], "binary", "YWJj", "no contract in avro"),
    ],
)
def test_whatever_a_value_is_it_is_told(value, headers, kind, text, problem):
    form = form_of(value, headers, NONE)
    shown = form.shown(value)
    assert (form.kind, shown.text) == (kind, text)
    assert (problem is None) == (shown.problem is None)
    assert problem is None or problem in shown.problem


@given(
    st.binary(max_size=40),
    st.sampled_from([b"application/json", b"application/avro", b"text/plain", b"\xff", None]),
)
def test_no_value_makes_it_fail(value, media):
    form = form_of(value, [] if media is None else [("content-type", media)], NONE)
    shown = form.shown(value)
    if form.is_editable and shown.problem is None and shown.encoding == "text":
        assert form.is_same(value, form.written(shown.text))


class Known:
    """One contract, whatever is asked."""

    def of(self, type, version):
        return registered("JSON", "x", JSON, type)

    def by_id(self, number):
        raise AssertionError("asked")


def test_an_event_in_structured_mode_is_not_held_to_the_contract_of_its_data():
    """Its attributes may be in headers as well (CloudEvents' Kafka binding, 3.3.3)."""
    headers = [("ce_type", b"OrderPlaced"), ("ce_dataschema", b"OrderPlaced/1")]
    value = b'{"specversion": "1.0", "type": "OrderPlaced", "data": {"count": 3}}'
    form = form_of(value, [*headers, ("content-type", b"application/cloudevents+json")], Known())
    assert form.written(form.shown(value).text) is not None
    plain = form_of(b'{"count": 3}', [*headers, ("content-type", b"application/json")], Known())
    with pytest.raises(ConfigurationError, match="value breaks OrderPlaced/1"):
        plain.written('{"count": -1}')


def test_a_registry_that_is_away_is_said():
    lookup = SchemaRegistry("http://127.0.0.1:1")
    form = form_of(b"\0\0\0\0\x07abc", [], RegisteredContracts(lookup))
    assert "doesn't answer" in form.problem
    lookup.close()


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
    | st.decimals(allow_nan=False, allow_infinity=False) | st.uuids() | st.dates() | st.datetimes()
    | st.times() | st.timedeltas()
)  # fmt: skip
natives = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=3).filter(lambda name: not name.startswith("$")), inner, max_size=3
        )
        | st.dictionaries(st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(natives)
def test_what_json_has_no_word_for_comes_back_as_it_was(data):
    assert from_json(json.loads(json.dumps(to_json(data), allow_nan=False))) == data


@pytest.mark.parametrize(
    "name", ["$bytes", "$decimal", "$datetime", "$date", "$time", "$microseconds", "$uuid", "$float", "$map"]
)
@pytest.mark.parametrize("value", ["?!", {}, None, [1]])
def test_a_value_that_stands_for_none_is_said(name, value):
    with pytest.raises(BadValueError, match="holds something else"):
        from_json({name: value})
