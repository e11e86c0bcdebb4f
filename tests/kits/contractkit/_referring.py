"""Contracts that take types from elsewhere, in all formats: shared ones, nested ones, such as hold themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Referring(NamedTuple):
    """A contract of the type `Order`.

    Attributes:
        suffix: Of its file.
        text: The contract.
        data: Something that it takes.
        names: Of all fields that it and what it refers to have.
        shared: Texts of the folder that it takes types from, by their paths.
    """

    suffix: str
    text: str
    data: Any
    names: frozenset[str]
    shared: Mapping[str, str] = {}

    def write(self, folder: Path, type: str = "Order") -> Path:
        """Put it into a folder of contracts, as version 1; hands back its file."""
        for name, text in {f"{type}/1{self.suffix}": self.text, **self.shared}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        return folder / type / f"1{self.suffix}"


def _record(name: str, *fields: tuple[str, Any], **more: Any) -> dict[str, Any]:
    parts = [{"name": field, "type": kind} for field, kind in fields]
    return {"type": "record", "name": name, **more, "fields": parts}


def _avro(
    order: dict[str, Any], data: Any, names: str, *shared: dict[str, Any] | list[Any], called: str = ""
) -> Referring:
    texts = {}
    for each in shared:
        main = each if isinstance(each, dict) else each[-1]
        full = f"{main['namespace']}.{main['name']}" if main.get("namespace") else main["name"]
        texts[f"_shared/{full}.avsc"] = json.dumps(each)
    return Referring(".avsc", json.dumps(order), data, frozenset(names.split()), texts)


def _proto(text: str, data: Any, names: str, **shared: str) -> Referring:
    texts = {f"_shared/{name}.proto": each for name, each in shared.items()}
    return Referring(".proto", text, data, frozenset(names.split()), texts)


def _json(schema: dict[str, Any], data: Any, names: str) -> Referring:
    return Referring(".json", json.dumps(schema), data, frozenset(names.split()))


_CENTS: dict[str, Any] = _record("Money", ("cents", "long"), namespace="shop")
_CURRENCY = {"type": "enum", "name": "Currency", "namespace": "shop", "symbols": ["EUR", "USD"]}
_PRICE = _record("Money", ("cents", "long"), ("currency", "shop.Currency"), namespace="shop")
_TREE = _record("Tree", ("tag", "string"), ("children", {"type": "array", "items": "Tree"}), namespace="shop")
_EURO = {"cents": 1, "currency": "EUR"}
_HEAD = 'syntax = "proto3";\npackage shop;\n'
_MONEY = _HEAD + "message Money { int64 cents = 1; }\n"

REFERRING: Mapping[str, Referring] = {
    "avro: a shared type": _avro(
        _record("Order", ("total", "shop.Money")), {"total": {"cents": 1}}, "total cents", _CENTS
    ),
    "avro: one type in several places": _avro(
        _record("Order", ("total", "Money"), ("paid", ["null", "Money"]),
                ("parts", {"type": "array", "items": "shop.Money"}), ("by", {"type": "map", "values": "Money"}),
                namespace="shop"),
        {"total": {"cents": 1}, "paid": {"cents": 2}, "parts": [{"cents": 3}], "by": {"a": {"cents": 4}}},
        "total paid parts by cents", _CENTS,
    ),
    "avro: a shared type that takes another": _avro(
        _record("Order", ("total", "shop.Money"), ("in", "shop.Currency")), {"total": _EURO, "in": "USD"},
        "total in cents currency", _PRICE, _CURRENCY,
    ),
    "avro: a shared type that defines another within": _avro(
        _record("Order", ("total", "shop.Money"), ("in", "shop.Currency")), {"total": _EURO, "in": "USD"},
        "total in cents currency", _record("Money", ("cents", "long"), ("currency", _CURRENCY), namespace="shop"),
    ),
    "avro: a text with several types": _avro(
        _record("Order", ("total", "shop.Money"), ("in", "shop.Currency")), {"total": _EURO, "in": "USD"},
        "total in cents currency", [_CURRENCY, _PRICE],
    ),
    "avro: namespaces within namespaces": _avro(
        _record("Order", ("total", _record("Total", ("net", "other.Net"), ("gross", "Gross"), namespace="shop.a")),
                ("rest", "shop.a.Gross"), namespace="shop"),
        {"total": {"net": {"of": {"x": 1}}, "gross": {"y": 2}}, "rest": {"y": 3}}, "total net gross rest of x y",
        _record("Net", ("of", _record("Of", ("x", "int"))), namespace="other"),
        _record("Gross", ("y", "int"), namespace="shop.a"),
    ),
    "avro: no namespace at all": _avro(
        _record("Order", ("total", "Money"), ("rest", "Money")), {"total": {"cents": 1}, "rest": {"cents": 2}},
        "total rest cents", _record("Money", ("cents", "long")),
    ),
    "avro: a decimal and fixed bytes": _avro(
        _record("Order", ("total", "shop.Amount"), ("again", "shop.Amount")),
        {"total": {"value": 0, "hash": b"1234"}, "again": {"value": 0, "hash": b"4321"}}, "total again value hash",
        _record("Amount", ("value", {"type": "long", "doc": "in cents"}),
                ("hash", {"type": "fixed", "name": "Hash", "size": 4}), namespace="shop"),
    ),
    "avro: a shared type that holds itself": _avro(
        _record("Order", ("root", "shop.Tree")),
        {"root": {"tag": "a", "children": [{"tag": "b", "children": []}]}}, "root tag children", _TREE,
    ),
    "avro: two shared types that hold each other": _avro(
        _record("Order", ("first", "shop.A"), ("then", ["null", "shop.B"])),
        {"first": {"b": {"a": None}}, "then": None}, "first then a b",
        _record("A", ("b", ["null", "B"]), namespace="shop"), _record("B", ("a", ["null", "A"]), namespace="shop"),
    ),
    "avro: the contract within what it takes": _avro(
        _record("Order", ("lines", {"type": "array", "items": "shop.Line"}), namespace="shop"),
        {"lines": [{"of": {"lines": []}}]}, "lines of",
        _record("Line", ("of", ["null", "shop.Order"]), namespace="shop"),
    ),
    "avro: it holds itself": _avro(
        _record("Order", ("n", "int"), ("next", ["null", "Order"])), {"n": 1, "next": {"n": 2, "next": None}},
        "n next",
    ),
    "protobuf: an import": _proto(
        _HEAD + 'import "_shared/money.proto";\nmessage Order { Money total = 1; }', {"total": {"cents": 1}},
        "total cents", money=_MONEY,
    ),
    "protobuf: an import of an import": _proto(
        _HEAD + 'import "_shared/line.proto";\nmessage Order { repeated Line lines = 1; }',
        {"lines": [{"price": {"cents": 1}}]}, "lines price cents",
        line=_HEAD + 'import "_shared/money.proto";\nmessage Line { Money price = 1; }', money=_MONEY,
    ),
    "protobuf: what an import hands on": _proto(
        _HEAD + 'import "_shared/all.proto";\nmessage Order { Money total = 1; }', {"total": {"cents": 1}},
        "total cents", all=_HEAD + 'import public "_shared/money.proto";', money=_MONEY,
    ),
    "protobuf: other packages": _proto(
        'syntax = "proto3";\npackage acme.shop;\nimport "_shared/a.proto";\nimport "_shared/b.proto";\n'
        'import "_shared/c.proto";\n'
        "message Order { common.Money total = 1; acme.Money paid = 2; .Money rest = 3; }\nmessage Money { int64 own = 9; }",
        {"total": {"a": 1}, "paid": {"b": 2}, "rest": {"c": 3}}, "total paid rest a b c",
        a='syntax = "proto3";\npackage acme.common;\nmessage Money { int64 a = 1; }',
        b='syntax = "proto3";\npackage acme;\nmessage Money { int64 b = 1; }',
        c='syntax = "proto3";\nmessage Money { int64 c = 1; }',
    ),
    "protobuf: no package here, one there": _proto(
        'syntax = "proto3";\nimport "_shared/money.proto";\nmessage Order { shop.Money total = 1; }',
        {"total": {"cents": 1}}, "total cents", money=_MONEY,
    ),
    "protobuf: types within imported types": _proto(
        _HEAD + 'import "_shared/outer.proto";\n'
        "message Order { Outer.Inner inner = 1; Outer.Kind kind = 2; Status status = 3;\n"
        "  enum Status { UNKNOWN = 0; PAID = 1; } }",
        {"inner": {"x": 1}, "kind": "SMALL", "status": "PAID"}, "inner kind status x",
        outer=_HEAD + "message Outer { int32 left_out = 1; message Inner { int32 x = 1; }\n"
        "  enum Kind { UNKNOWN = 0; SMALL = 1; } }",
    ),
    "protobuf: values of enums that meet": _proto(
        _HEAD + 'import "_shared/kind.proto";\nmessage Order { other.Kind kind = 1; Status status = 2; }\n'
        "enum Status { UNKNOWN = 0; PAID = 1; }",
        {"kind": "SMALL", "status": "PAID"}, "kind status",
        kind='syntax = "proto3";\npackage other;\nenum Kind { UNKNOWN = 0; SMALL = 1; reserved 4 to 7, 99 to max; }',
    ),
    "protobuf: maps, choices and lists": _proto(
        _HEAD + 'import "_shared/money.proto";\nmessage Order { map<string, Money> by_name = 1;\n'
        "  oneof paid { Money cash = 2; string card = 3; }\n  repeated Money parts = 4;\n"
        "  map<int32, string> names = 5; optional int32 count = 6; reserved 7, 9 to 11; reserved \"old\"; }",
        {"by_name": {"a": {"cents": 1}}, "card": "x", "parts": [{"cents": 2}], "names": {1: "b"}, "count": 0},
        "by_name paid parts names count cents", money=_MONEY,
    ),
    "protobuf: marks and options": _proto(
        _HEAD + 'import "_shared/old.proto";\nmessage Order { Old old = 1;\n'
        '  string a_b = 2 [deprecated = true, json_name = "x y\\"z"]; // x-remove-after: 2026-01-02\n'
        "  repeated int32 numbers = 3 [packed = false]; option deprecated = true; }",
        {"old": {"x": 1}, "a_b": "c", "numbers": [1, 2]}, "old a_b numbers x",
        old=_HEAD + "message Old { int32 x = 1; option deprecated = true; }",
    ),
    "protobuf: an import that holds itself": _proto(
        _HEAD + 'import "_shared/tree.proto";\nmessage Order { Tree root = 1; }',
        {"root": {"tag": "a", "children": [{"tag": "b", "children": []}]}}, "root tag children",
        tree=_HEAD + "message Tree { string tag = 1; repeated Tree children = 2; }",
    ),
    "protobuf: it holds itself": _proto(
        _HEAD + "message Order { int32 n = 1; Order next = 2; }", {"n": 1, "next": {"n": 2}}, "n next"
    ),
    "protobuf: it and another hold each other": _proto(
        _HEAD + "message Order { repeated Line lines = 1; }\nmessage Line { Order of = 1; }",
        {"lines": [{"of": {"lines": []}}]}, "lines of",
    ),
    "protobuf: other messages in the file": _proto(
        _HEAD + "message First { string a = 1; }\nmessage Order { Item.Price price = 1; }\n"
        "message Item { message Price { int64 cents = 1; } Order of = 2; }",
        {"price": {"cents": 1}}, "price cents",
    ),
    "protobuf: Google's own types": _proto(
        _HEAD + 'import "google/protobuf/wrappers.proto";\nimport "google/type/money.proto";\n'
        "message Order { google.protobuf.StringValue note = 1; google.type.Money total = 2; }",
        {"note": "x", "total": {"currency_code": "EUR", "units": 1, "nanos": 0}},
        "note value total currency_code units nanos",
    ),
    "protobuf: the older language takes from the newer": _proto(
        'syntax = "proto2";\npackage shop;\nimport "_shared/money.proto";\n'
        'message Order { required Money total = 1; optional string note = 2 [default = "a\\"b\\\\\\n\\303\\244"];\n'
        '  optional bytes raw = 3 [default = "\\001\\"z"]; optional Size size = 4 [default = BIG];\n'
        "  optional double most = 5 [default = -inf]; enum Size { SMALL = 1; BIG = 2; } }",
        {"total": {"cents": 1, "parts": [1, 2]}}, "total note raw size most cents parts",
        money=_HEAD + "message Money { int64 cents = 1; repeated int32 parts = 2; }",
    ),
    "protobuf: the newer language takes from the older": _proto(
        _HEAD + 'import "_shared/money.proto";\nmessage Order { Money total = 1; repeated int32 numbers = 2; }',
        {"total": {"cents": 1}, "numbers": [1, 2]}, "total numbers cents",
        money='syntax = "proto2";\npackage shop;\nmessage Money { required int64 cents = 1; }',
    ),
    "json: it holds itself": _json(
        {"type": "object", "properties": {"n": {"type": "integer"}, "next": {"$ref": "#"}}}, {"n": 1, "next": {}},
        "n next",
    ),
    "json: parts within parts": _json(
        {"$id": "https://shop.example/order", "type": "object",
         "properties": {"total": {"$ref": "#/$defs/Money"}, "paid": {"$ref": "#/$defs/Money"}},
         "$defs": {"Money": {"type": "object", "properties": {"in": {"$ref": "#/$defs/Money/$defs/Currency"}},
                             "$defs": {"Currency": {"type": "object", "properties": {"code": {"type": "string"}}}}}}},
        {"total": {"in": {"code": "EUR"}}}, "total paid in code",
    ),
    "json: parts that hold each other": _json(
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}},
         "$defs": {"A": {"type": "object", "properties": {"b": {"type": "array", "items": {"$ref": "#/$defs/B"}}}},
                   "B": {"type": "object", "properties": {"of": {"$ref": "#/$defs/A"}}}}},
        {"a": {"b": [{"of": {"b": []}}]}}, "a b of",
    ),
}  # fmt: skip
