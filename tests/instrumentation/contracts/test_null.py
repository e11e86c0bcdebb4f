"""Null where a contract has none, as a model's `note: str | None = None` brings it: said, with what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from flowtrail.contracts._format import BrokenError
from flowtrail.contracts._formats import FORMATS

SAYS = "; it is null: leave it out"
JSON = json.dumps({
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "whole": {"type": ["integer", "string"]},
        "list": {"type": "array", "items": {"type": "string"}},
        "enum": {"enum": ["x"]},
        "const": {"const": 1},
        "any": {"anyOf": [{"type": "string"}]},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
    },
})  # fmt: skip
AVRO = json.dumps({
    "type": "record",
    "name": "A",
    "fields": [
        {"name": "text", "type": "string", "default": ""},
        {"name": "whole", "type": ["int", "string"], "default": 0},
        {"name": "list", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "enum", "type": {"type": "enum", "name": "E", "symbols": ["X"]}, "default": "X"},
        {"name": "map", "type": {"type": "map", "values": "string"}, "default": {}},
    ],
})  # fmt: skip
PROTO = """syntax = "proto3";
message A { string text = 1; int32 whole = 2; repeated string list = 3; map<string, string> map = 4; }
"""
CONTRACTS = {"json": JSON, "avro": AVRO, "protobuf": PROTO}
FIELDS: dict[str, tuple[Any, Any]] = {
    "text": (None, 5),
    "whole": (None, 0.5),
    "list": (None, 5),
    "list.0": ([None], [5]),
    "enum": (None, "y"),
    "const": (None, 2),
    "any": (None, 5),
    "map": (None, 5),
    "map.k": ({"k": None}, {"k": 5}),
}


def said(name: str, data: Any) -> str:
    with pytest.raises(BrokenError) as raised:
        FORMATS[name].parse("A/1", CONTRACTS[name], "A").encode(data)
    return str(raised.value)


@pytest.mark.parametrize("name", CONTRACTS)
def test_null_is_named_and_nothing_else_is(name: str) -> None:
    for path, (null, other) in FIELDS.items():
        field = path.partition(".")[0]
        if f'"{field}"' in CONTRACTS[name] or f" {field} =" in CONTRACTS[name]:
            line = said(name, {field: null})
            assert line.startswith(f"{path}: "), line
            assert SAYS in line
            assert SAYS not in said(name, {field: other})


def test_what_the_line_advises_helps() -> None:
    class Order(BaseModel):
        text: str | None = None

    contract = FORMATS["json"].parse("A/1", JSON, "A")
    assert SAYS in said("json", Order())
    assert contract.encode(Order().model_dump(mode="json", exclude_none=True)) == b"{}"
    contract = FORMATS["json"].parse(
        "A/1", JSON.replace('{"type": "string"}', '{"type": ["string", "null"]}'), "A"
    )
    assert contract.encode(Order()) == b'{"text":null}'
