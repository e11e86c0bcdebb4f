"""Changes of a contract, by a table: every kind of field into every other, and what may happen to a field.

Each is an old and a new text in each format that has such a thing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

_STAMP = "google.protobuf.Timestamp"
_TEXT, _LINE = {"type": "string"}, {"type": "object", "properties": {"sku": {"type": "string"}}}
# By kind: JSON Schema, Avro, Protobuf.
KINDS: Mapping[str, tuple[dict[str, Any], Any, str]] = {
    "bool": ({"type": "boolean"}, "boolean", "bool"),
    "int": ({"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}, "int", "int32"),
    "long": ({"type": "integer"}, "long", "int64"),
    "float": ({"type": "number", "maximum": 3e38}, "float", "float"),
    "double": ({"type": "number"}, "double", "double"),
    "string": (_TEXT, "string", "string"),
    "bytes": ({**_TEXT, "contentEncoding": "base64"}, "bytes", "bytes"),
    "decimal": (
        {**_TEXT, "pattern": "^-?[0-9]{1,7}[.][0-9]{2}$"},
        {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, "sint64",
    ),
    "date": ({**_TEXT, "format": "date"}, {"type": "int", "logicalType": "date"}, "uint32"),
    "moment": ({**_TEXT, "format": "date-time"}, {"type": "long", "logicalType": "timestamp-millis"}, _STAMP),
    "uuid": ({**_TEXT, "format": "uuid"}, {"type": "string", "logicalType": "uuid"}, "fixed64"),
    "enum": ({"enum": ["A", "B"]}, {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}, "Kind"),
    "list": ({"type": "array", "items": _TEXT}, {"type": "array", "items": "string"}, "repeated string"),
    "map": ({"type": "object", "additionalProperties": _TEXT}, {"type": "map", "values": "string"},
            "map<string, string>"),
    "object": (_LINE, {"type": "record", "name": "Line", "fields": [{"name": "sku", "type": "string"}]}, "Line"),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A change.

    Attributes:
        name: What it is.
        texts: Old and new by format.
    """

    name: str
    texts: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class _Field:
    """A field; what a format doesn't know it leaves out."""

    name: str = "x"
    kind: str = "long"
    number: int = 2
    default: Any = None
    required: bool = False
    alias: str = ""
    deprecated: bool = False
    doc: str = ""
    own: Mapping[str, Any] = field(default_factory=dict)


def _json(fields: tuple[_Field, ...]) -> str:
    properties = {}
    for part in fields:
        schema = dict(part.own.get("json", KINDS[part.kind][0]))
        schema |= {"default": part.default} if part.default is not None else {}
        schema |= {"deprecated": True} if part.deprecated else {}
        schema |= {"description": part.doc} if part.doc else {}
        properties[part.name] = schema
    required = [part.name for part in fields if part.required]
    shape = {"type": "object", "additionalProperties": False, "properties": properties}
    return json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", **shape, "required": required})


def _avro(fields: tuple[_Field, ...]) -> str:
    made = []
    for part in fields:
        schema = {"name": part.name, "type": part.own.get("avro", KINDS[part.kind][1])}
        schema |= {"default": part.default} if part.default is not None else {}
        schema |= {"aliases": [part.alias]} if part.alias else {}
        schema |= {"deprecated": True} if part.deprecated else {}
        schema |= {"doc": part.doc} if part.doc else {}
        made.append(schema)
    return json.dumps({"type": "record", "name": "Event", "namespace": "shop", "fields": made})


def _proto(fields: tuple[_Field, ...], more: str = "", syntax: str = "proto3") -> str:
    lines = []
    for part in fields:
        kind = part.own.get("protobuf", KINDS[part.kind][2])
        if syntax == "proto2" and not kind.startswith(("repeated", "map")):
            kind = f"{'required' if part.required else 'optional'} {kind}"
        options = ["deprecated = true"] if part.deprecated else []
        if part.default is not None and syntax == "proto2":
            options.append(f"default = {json.dumps(part.default)}")
        doc = f"  // {part.doc}\n" if part.doc else ""
        lines.append(f"{doc}  {kind} {part.name} = {part.number}{f' [{options[0]}]' if options else ''};")
    types = "enum Kind { A = 0; B = 1; }\nmessage Line { string sku = 1; }\n"
    types = types.replace("string sku", "optional string sku") if syntax == "proto2" else types
    body = "\n".join(lines)
    return (
        f'syntax = "{syntax}";\npackage shop;\nimport "google/protobuf/timestamp.proto";\n'
        f"message Event {{\n{body}\n{more}\n}}\nmessage Stamped {{ optional google.protobuf.Timestamp at = 1; }}\n{types}"
    )


_ID = _Field("id", "string", 1, required=True)


def _case(
    name: str, old: tuple[_Field, ...], new: tuple[_Field, ...], *, formats: str = "json avro proto2"
) -> Case:
    writers = {"json": _json, "avro": _avro, "protobuf": _proto, "proto2": _proto2}
    texts = {
        "protobuf" if name == "proto2" else name: (writers[name]((_ID, *old)), writers[name]((_ID, *new)))
        for name in formats.split()
    }
    return Case(name, texts)


def _proto2(fields: tuple[_Field, ...]) -> str:
    return _proto(fields, syntax="proto2")


def _kinds() -> list[Case]:
    return [
        _case(f"{old} to {new}", (_Field(kind=old),), (_Field(kind=new),), formats="json avro protobuf")
        for old, new in permutations(KINDS, 2)
    ]


def _fields() -> list[Case]:
    plain, optional = _Field(required=True), _Field(default=1)
    going = _Field(default=1, deprecated=True)
    return [
        _case("nothing", (plain,), (plain,)),
        _case("documentation", (plain,), (_Field(required=True, doc="how many"),)),
        _case("a field with a default", (), (optional,)),
        _case("a field without a default", (), (_Field(),)),
        _case("a required field", (), (plain,)),
        _case("a deprecated field goes", (going,), ()),
        _case("a field with a default goes", (optional,), ()),
        _case("a required field goes", (plain,), ()),
        _case("another name", (plain,), (_Field("y", required=True),)),
        _case("another name with an alias", (plain,), (_Field("y", required=True, alias="x"),), formats="avro"),
        _case("another default", (optional,), (_Field(default=2),)),
        _case("a default more", (plain,), (_Field(default=1, required=True),)),
        _case("a default less", (optional,), (_Field(),)),
        _case("another order", (plain, _Field("y", number=3, required=True)),
              (_Field("y", number=3, required=True), plain)),
        _case("required now", (optional,), (_Field(default=1, required=True),), formats="json proto2"),
        _case("optional now", (_Field(default=1, required=True),), (optional,), formats="json proto2"),
    ]  # fmt: skip


def _own(name: str, format: str, old: Any, new: Any, **more: Any) -> Case:
    parts = [(_Field(own={format: schema}, **more),) for schema in (old, new)]
    return _case(name, *parts, formats=format)


def _decimal(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def _long(logical: str) -> dict[str, Any]:
    return {"type": "long", "logicalType": logical}


def _enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "Kind", "symbols": list(symbols), **more}


def _record(*fields: dict[str, Any], name: str = "Line", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def _avro_types() -> list[Case]:
    sku, note = {"name": "sku", "type": "string"}, {"name": "note", "type": "string", "default": ""}
    bare = {"name": "note", "type": "string"}
    pairs: list[tuple[str, Any, Any]] = [
        ("scale", _decimal(9, 2), _decimal(9, 3)),
        ("precision up", _decimal(9, 2), _decimal(12, 2)),
        ("millis to micros", _long("timestamp-millis"), _long("timestamp-micros")),
        ("time zone lost", _long("timestamp-millis"), _long("local-timestamp-millis")),
        ("a moment without its type", _long("timestamp-millis"), "long"),
        ("an unknown logical type", "long", _long("fortnights")),
        ("fixed size", {"type": "fixed", "name": "F", "size": 4}, {"type": "fixed", "name": "F", "size": 8}),
        ("a symbol more", _enum("A"), _enum("A", "B")),
        ("a symbol more, old default", _enum("A", default="A"), _enum("A", "B", default="A")),
        ("symbols in another order", _enum("A", "B"), _enum("B", "A")),
        ("a symbol more, beside text", [_enum("A"), "string"], [_enum("A", "B"), "string"]),
        ("a symbol more, behind text", ["string", _enum("A")], ["string", _enum("A", "B")]),
        ("a symbol more, beside text, a default", [_enum("A", default="A"), "string"],
         [_enum("A", "B", default="A"), "string"]),
        ("an enum beside text", "string", [_enum("A"), "string"]),
        ("another enum beside text", [_enum("A"), "string"], [{**_enum("A"), "name": "Other"}, "string"]),
        ("another name of a type", _record(sku), _record(sku, name="Row")),
        ("another name with an alias", _record(sku), _record(sku, name="Row", aliases=["Line"])),
        ("another space", _record(sku), _record(sku, namespace="elsewhere")),
        ("null more", "string", ["null", "string"]),
        ("a type more in a union", ["null", "string"], ["null", "string", "int"]),
        ("a promotion in a union", ["null", "int"], ["null", "long"]),
        ("a union in another order", ["null", "string"], ["string", "null"]),
        ("a nested field", _record(sku), _record(sku, note)),
        ("a nested field without default", _record(sku), _record(sku, bare)),
        ("a nested field of a list", {"type": "array", "items": _record(sku)},
         {"type": "array", "items": _record(sku, bare)}),
        ("a nested field of a map", {"type": "map", "values": _record(sku)},
         {"type": "map", "values": _record(sku, bare)}),
        ("a nested field of a union", ["null", _record(sku)], ["null", _record(sku, bare)]),
    ]  # fmt: skip
    there = [_own(f"avro: {name}", "avro", old, new) for name, old, new in pairs]
    back = [_own(f"avro: {name}, back", "avro", new, old) for name, old, new in pairs]
    return there + back


def _proto_types() -> list[Case]:
    def case(name: str, old: str, new: str, was: str = "", now: str = "", syntax: str = "proto3") -> Case:
        texts = [
            _proto((_ID,), f"  {body}", syntax) + f"\n{types}" for body, types in ((old, was), (new, now))
        ]
        return Case(f"protobuf: {name}", {"protobuf": (texts[0], texts[1])})

    scalars = ("int32", "uint32", "int64", "uint64", "bool", "sint32", "sint64", "fixed32", "sfixed32",
               "fixed64", "sfixed64", "string", "bytes", "Kind")  # fmt: skip
    more = "enum More { X = 0; Y = 1; }"
    return [
        *(case(f"{old} to {new}", f"{old} x = 2;", f"{new} x = 2;") for old, new in permutations(scalars, 2)),
        case("reserved when it goes", "int64 x = 2;", "reserved 2;"),
        case("another number", "int64 x = 2;", "int64 x = 3;"),
        case("a reserved number used", "reserved 2;", "int64 x = 2;"),
        case("a reservation goes", "reserved 2;", ""),
        case("a list of it", "string x = 2;", "repeated string x = 2;"),
        case("one of it", "repeated string x = 2;", "string x = 2;"),
        case("presence", "int64 x = 2;", "optional int64 x = 2;"),
        case("into a new oneof", "int64 x = 2;", "oneof o { int64 x = 2; string y = 3; }"),
        case("two into a oneof", "int64 x = 2; string y = 3;", "oneof o { int64 x = 2; string y = 3; }"),
        case("out of a oneof", "oneof o { int64 x = 2; string y = 3; }", "int64 x = 2; string y = 3;"),
        case("a oneof's member more", "oneof o { int64 x = 2; }", "oneof o { int64 x = 2; string y = 3; }"),
        case("a value more", "More x = 2;", "More x = 2;", more, "enum More { X = 0; Y = 1; Z = 2; }"),
        case("a value less", "More x = 2;", "More x = 2;", more, "enum More { X = 0; }"),
        case("a value less, reserved", "More x = 2;", "More x = 2;", more, "enum More { X = 0; reserved 1; }"),
        case("a value of another name", "More x = 2;", "More x = 2;", more, "enum More { X = 0; W = 1; }"),
        case("a value more, closed", "optional More x = 2;", "optional More x = 2;", more,
             "enum More { X = 0; Y = 1; Z = 2; }", "proto2"),
        case("another message", "Line x = 2;", "Row x = 2;", "", "message Row { string sku = 1; }"),
        case("map values", "map<string, int32> x = 2;", "map<string, string> x = 2;"),
        case("map values wider", "map<string, int32> x = 2;", "map<string, int64> x = 2;"),
        case("json name", "int64 x = 2;", 'int64 x = 2 [json_name = "ex"];'),
    ]  # fmt: skip


CASES = [*_kinds(), *_fields(), *_avro_types(), *_proto_types()]
