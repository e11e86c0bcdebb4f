"""Contracts with a word taken out, doubled, moved or changed: one line, or a contract that can be used."""

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail.contracts import SchemaError, compare
from flowtrail.contracts._format import BrokenError
from flowtrail.contracts._formats import FORMATS
from flowtrail.errors import DecodeError

pytestmark = pytest.mark.slow

TEXTS = {
    "protobuf": """syntax = "proto3"; package shop; import "google/protobuf/timestamp.proto";
        message A { option deprecated = true; reserved 8 to 10, 12; reserved "old"; string x = 1 [deprecated = true];
        oneof s { int32 a = 2; Inner b = 3; } map<string, Inner> m = 4; repeated int32 r = 5 [packed = false];
        optional google.protobuf.Timestamp at = 6; enum E { option allow_alias = true; Z = 0; Y = 1; reserved 2 to max; }
        E e = 7; message Inner { A again = 1; bytes raw = 2 [json_name = "RAW"]; } } // x-remove-after: 2026-06-30
        service S { rpc F(A) returns (A); } extend A { int32 y = 100; }""",
    "proto2": """syntax = "proto2"; message A { required string x = 1 [default = "a\\n"]; extensions 100 to 199;
        optional E e = 2 [default = Y]; enum E { Z = -1; Y = 1; reserved -5 to -2; } optional double d = 3 [default = inf];
        repeated A each = 4; optional bytes raw = 5 [default = "\\377"]; }""",
    "json": json.dumps(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["x"],
         "properties": {"x": {"type": "string", "pattern": "^a"}, "next": {"$ref": "#/$defs/A"}},
         "$defs": {"A": {"anyOf": [{"type": "null"}, {"$ref": "#"}], "default": None}}, "deprecated": True}
    ),
}  # fmt: skip
_WORDS = re.compile(r'"(?:\\.|[^"\\])*"|\w+|\s+|[^\w\s]')
INSTEAD = ["", "{", "}", ";", "=", "[", "]", ",", ":", '"', "0", "-1", "19000", "536870911", "9" * 30, "9" * 5_000, "max",
           "to", "A", ".A", "A.Inner", "E", "string", "map", "oneof", "reserved", "null", "true", "[]", "{}", "\\", "\x00",
           "ä", "#", "//", "/*", "inf", "0x1f", "1e999", "\ud7ff", "extensions", "edition", "group", "stream"]  # fmt: skip
VALUES: list[Any] = [
    {"x": "a"},
    {"x": "a", "a": 1, "e": 1},
    {},
    {"x": None},
    None,
    [],
    {"next": {"x": "a"}},
    {"e": "Y"},
]


@st.composite
def changed(draw: st.DrawFn, text: str) -> str:
    words = _WORDS.findall(text)
    for _ in range(draw(st.integers(1, 3))):
        at, other = (draw(st.integers(0, len(words) - 1)) for _ in range(2))
        words[at] = draw(st.sampled_from([*INSTEAD, words[at] * 2, words[other]]))
    return "".join(words)


@pytest.mark.parametrize("name", TEXTS)
@settings(max_examples=250, deadline=None)
@given(st.data())
def test_only_one_line_is_raised_when_a_contract_is_loaded(name: str, data: st.DataObject) -> None:
    format = FORMATS["json" if name == "json" else "protobuf"]
    refused = None
    try:
        contract = format.parse("A/1", data.draw(changed(TEXTS[name])), "A")
    except SchemaError as error:
        refused = str(error)
    if refused is not None:
        assert refused.startswith("A/1:")
        assert "\n" not in refused
        assert len(refused) < 700
        return
    assert compare(contract, contract) == []
    assert compare(contract, format.parse("alone", contract.alone, "A")) == []
    assert all(isinstance(path, tuple) for path in contract.deprecated_fields)
    for value in VALUES:
        contract.completed(value) if contract.broken_reading(value) == [] else None
        with suppress(BrokenError):
            payload = contract.encode(value)
            assert contract.broken_reading(contract.decode(payload)) == []
    with suppress(DecodeError):
        contract.decode(b"\x08\x01\x1a\x02\x08\x01")
