"""Defaults that aren't of their type, and bytes that nothing is written as: each is refused with its reason."""

import json
from typing import Any

import pytest

from contractkit import record
from flowtrail.contracts import SchemaError
from flowtrail.contracts._formats import FORMATS
from flowtrail.errors import DecodeError

AVRO = FORMATS["avro"]
FIXED = {"type": "fixed", "name": "F", "size": 2}
ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
POINT = {"type": "record", "name": "P", "fields": [
    {"name": "x", "type": "int"}, {"name": "y", "type": {"type": "bytes", "logicalType": "decimal", "precision": 2},
                                   "default": "\u0001"}]}  # fmt: skip


def on(kind: str, logical: str, **more: Any) -> Any:
    return {"type": kind, "logicalType": logical, **({"name": "N"} if kind == "fixed" else {}), **more}


WRONG = [
    ("int", 2**31, "out of the range of int"), ("int", -(2**31) - 1, "out of the range of int"),
    ("int", 1.0, "it isn't a whole number"), ("int", True, "it isn't a whole number"), ("int", "1", "it isn't a whole number"),
    ("long", 2**63, "out of the range of long"), ("null", 0, "it isn't null"), ("boolean", 0, "it isn't true or false"),
    ("float", 1e39, "out of the range of float"), ("float", 2**24 + 1, "a whole number that float can't hold exactly"),
    ("double", 2**53 + 1, "a whole number that double can't hold exactly"), ("double", "NaN", "type should be a number"),
    ("double", 10**400, "out of the range of double"), ("string", 1, "type should be string"),
    ("string", "\ud800", "text with half of a surrogate pair"), ("bytes", "\u0100", "bytes are written as the characters"),
    ("bytes", 1, "it isn't text"), (FIXED, "abc", "it has 3 bytes, not 2"), (ENUM, "Z", "none of the symbols"),
    ({"type": "array", "items": "int"}, [1, 2**31], "out of the range of int"), ({"type": "array", "items": "int"}, {}, "it isn't a list"),
    ({"type": "map", "values": FIXED}, {"k": "a"}, "it has 1 byte, not 2"), ({"type": "map", "values": "int"}, [], "it isn't an object"),
    (POINT, {}, "it has no x"), (POINT, {"x": "1"}, "x: it isn't a whole number"), (POINT, {"x": 1, "y": "\u007f"}, "y: more than 2 digits"),
    (["null", "int"], "x", "neither null (it isn't null) nor int (it isn't a whole number)"),
    (on("string", "uuid"), "zz", "badly formed"), (on("fixed", "uuid", size=16), "zz", "it has 2 bytes, not 16"),
    (on("int", "date"), 3_000_000, "out of range"), (on("int", "time-millis"), -1, "out of the range of a day"),
    (on("long", "time-micros"), 86_400_000_000, "out of the range of a day"),
    (on("long", "timestamp-millis"), 2**62, ""), (on("long", "local-timestamp-micros"), -(2**62), "out of range"),
    (on("long", "timestamp-nanos"), 2**63, "out of the range of long"), (on("bytes", "decimal", precision=3), "\u007f\u007f", "more than 3 digits"),
    (on("fixed", "decimal", precision=3, size=2), "\u007f\u007f", "more than 3 digits"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "default", "why"), WRONG, ids=str)
def test_a_wrong_default_is_one_line_with_file_line_field_and_reason(
    kind: Any, default: Any, why: str
) -> None:
    for inner, path in ((kind, "x"), ({**record(z=kind), "name": "Inner"}, "x.z")):
        schema = record(o="int", x=inner)
        part = schema["fields"][1] if path == "x" else schema["fields"][1]["type"]["fields"][0]
        part["default"] = default
        with pytest.raises(SchemaError) as caught:
            AVRO.parse("E/1.avsc", json.dumps(schema, indent=1), "A")
        said = str(caught.value)
        start, _, reason = said.partition(" its default isn't of type ")
        assert start.startswith("E/1.avsc:")
        assert start.endswith(f": {path}:")
        assert why in reason
        assert "\n" not in said
        assert len(said) < 500


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_what_json_has_no_word_for_is_refused_where_it_stands(token: str) -> None:
    text = json.dumps(record(x="double"), indent=1).replace(
        '"type": "double"', f'"type": "double", "default": {token}'
    )
    with pytest.raises(
        SchemaError, match=r"E/1\.avsc:\d+: (no JSON|x: its default isn't of type double: out of the range)"
    ):
        AVRO.parse("E/1.avsc", text, "A")


def test_a_default_may_be_of_a_record_around_it_but_it_has_to_end() -> None:
    inner = {"name": "next", "type": ["A", "null"], "default": None}
    tail = {"name": "n", "type": "int", "default": 1}
    definition = AVRO.parse("A/1", json.dumps({"type": "record", "name": "A", "fields": [inner, tail]}), "A")
    assert definition.decode(definition.encode({})) == {"next": None, "n": 1}
    ended = {**inner, "default": {"next": None}}
    definition = AVRO.parse("A/1", json.dumps({"type": "record", "name": "A", "fields": [ended, tail]}), "A")
    assert definition.decode(definition.encode({})) == {"next": {"next": None, "n": 1}, "n": 1}
    endless = {**inner, "default": {}}
    with pytest.raises(SchemaError, match="A/1:1: next: its default never ends"):
        AVRO.parse("A/1", json.dumps({"type": "record", "name": "A", "fields": [endless, tail]}), "A")


def test_data_never_shares_a_default_with_other_data() -> None:
    new = record(o="int", x={"type": "array", "items": "int"})
    new["fields"][1]["default"] = [1]
    before, after = (AVRO.parse("A/1", json.dumps(each), "A") for each in (record(o="int"), new))
    for read in (lambda: after.completed({"o": 1}), lambda: after.adopted({"o": 1}, before),
                 lambda: after.decode(after.encode({"o": 1}))):  # fmt: skip
        read()["x"].append(2)
        assert read() == {"o": 1, "x": [1]}


# -- bytes

LIST, MAP = {"type": "array", "items": "int"}, {"type": "map", "values": "int"}
MALFORMED = [
    (ENUM, b"\x01", "symbol -1 of an enum of 2 at byte 0"), (ENUM, b"\x04", "symbol 2 of an enum of 2"),
    (["null", "int"], b"\x01\x02", "branch -1 of a union of 2 at byte 0"), (["null", "int"], b"\x04", "branch 2 of a union of 2"),
    ("boolean", b"\x02", "a boolean of 2"), ("boolean", b"", "it ends too early, after 0 bytes"),
    ("int", b"\x80\x80\x80\x80\x10", "a number of more than 32 bits"), ("int", b"\xfe" + b"\xff" * 8 + b"\x01", "a number of more than 32 bits"),
    ("int", b"\x80\x80\x80\x80\x80\x00", "a number of more than 32 bits"), ("int", b"\x80" * 3, "it ends too early"),
    ("long", b"\xff" * 9 + b"\x02", "a number of more than 64 bits"), ("long", b"\x80" * 10 + b"\x00", "a number of more than 10 bytes"),
    ("long", b"\xff" * 200, "a number of more than 10 bytes"), ("float", b"\0\0\0", "it ends too early"), ("double", b"\0" * 7, "it ends too early"),
    ("string", b"\x01", "a length of -1"), ("string", b"\x04a", "it ends too early"), ("string", b"\x02\xff", "text that isn't UTF-8"),
    ("string", b"\xfe" + b"\xff" * 8 + b"\x01", "it ends too early"), ("bytes", b"\x03", "a length of -2"), ("bytes", b"\x02", "it ends too early"),
    (FIXED, b"a", "it ends too early"), (LIST, b"\x01\x01\x02\x00", "a block of -1 bytes"), (LIST, b"\x04\x02", "a block of 2 items, with 1 byte behind it"),
    (LIST, b"\xfe" + b"\xff" * 8 + b"\x01\x02", "a block of 9223372036854775807 items"), (LIST, b"\x02\x02", "it ends too early"),
    (MAP, b"\x02\x01\x02\x00", "a length of -1 at byte 1"), (MAP, b"\x02\x02\xff\x02\x00", "text that isn't UTF-8"),
    (LIST, b"\x00\x00", "1 byte left over"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "payload", "why"), MALFORMED, ids=str)
def test_malformed_bytes_are_refused_with_the_reason(kind: Any, payload: bytes, why: str) -> None:
    definition = AVRO.parse("A/1", json.dumps(record(x=kind)), "A")
    with pytest.raises(DecodeError) as caught:
        definition.decode(payload)
    assert str(caught.value).startswith("not what A is written as: ")
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "payload", "data"),
    [
        ("int", b"\x82\x80\x80\x80\x00", 1),  # longer than it has to be, as the specification doesn't forbid
        ("long", b"\x82" + b"\x80" * 8 + b"\x00", 1),
        ("long", b"\xff" * 9 + b"\x01", -(2**63)),
        (LIST, b"\x01\x02\x0a\x02\x0c\x00", [5, 6]),  # blocks that say how long they are, as Java can write
        (LIST, b"\x03\x04\x0a\x0c\x00", [5, 6]),
        (MAP, b"\x01\x06\x02a\x0a\x02\x02b\x0c\x00", {"a": 5, "b": 6}),
    ],
)
def test_what_other_writers_may_write_otherwise_is_read(kind: Any, payload: bytes, data: Any) -> None:
    assert AVRO.parse("A/1", json.dumps(record(x=kind)), "A").decode(payload) == {"x": data}
