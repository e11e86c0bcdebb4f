"""Avro schemas drawn at random, and data that readers of them get; nothing here knows how flowtrail reads."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import struct
from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import strategies as st

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND, _MICROSECOND = dt.timedelta(milliseconds=1), dt.timedelta(microseconds=1)
PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
MOMENTS = {
    "date": "int", "time-millis": "int", "time-micros": "long", "timestamp-millis": "long",
    "timestamp-micros": "long", "timestamp-nanos": "long", "local-timestamp-millis": "long",
    "local-timestamp-micros": "long", "local-timestamp-nanos": "long",
}  # fmt: skip


@st.composite
def _decimals(draw: st.DrawFn) -> Any:
    precision = draw(st.integers(1, 40))
    decimal = {"logicalType": "decimal", "precision": precision, "scale": draw(st.integers(0, precision))}
    if draw(st.booleans()):
        return {"type": "bytes", **decimal}
    return {"type": "fixed", "name": "?", "size": draw(st.integers(precision // 2 + 1, 40)), **decimal}


_SYMBOLS = st.lists(st.sampled_from("ABCDE"), min_size=1, unique=True)
_PLAIN_LEAVES = st.one_of(
    st.sampled_from(PRIMITIVES),
    st.builds(lambda symbols: {"type": "enum", "name": "?", "symbols": symbols}, _SYMBOLS),
    st.builds(lambda size: {"type": "fixed", "name": "?", "size": size}, st.integers(1, 20)),
)
_LEAVES = st.one_of(
    _PLAIN_LEAVES,
    st.sampled_from([{"type": kind, "logicalType": logical} for logical, kind in MOMENTS.items()]),
    st.just({"type": "string", "logicalType": "uuid"}),
    st.just({"type": "fixed", "name": "?", "size": 16, "logicalType": "uuid"}),
    _decimals(),
)


def _label(schema: Any) -> str:
    return schema if isinstance(schema, str) else schema["type"]


def _apart(kinds: list[Any]) -> list[Any]:
    """Those that may be in one union: one of each type that has no name."""
    flat = [kind[0] if isinstance(kind, list) else kind for kind in kinds]
    return list(
        {number if "name" in kind else _label(kind): kind for number, kind in enumerate(flat)}.values()
    )


def _unions(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(parts, min_size=1, max_size=5).map(_apart)


def _records(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def made(kinds: list[Any]) -> Any:
        fields = [{"name": f"f{number}", "type": kind} for number, kind in enumerate(["int", *kinds])]
        return {"type": "record", "name": "?", "fields": fields}

    return st.builds(made, st.lists(parts, max_size=3))


def _containers(parts: st.SearchStrategy[Any], *, unions: bool) -> st.SearchStrategy[Any]:
    wide = parts.filter(lambda part: part != "null")  # an array of nothing is refused
    made = [
        st.builds(lambda items: {"type": "array", "items": items}, wide),
        st.builds(lambda values: {"type": "map", "values": values}, parts),
        _records(parts),
    ]
    return st.one_of([*made, _unions(parts)] if unions else made)


@cache
def avro_types(*, logical: bool = True, unions: bool = True) -> st.SearchStrategy[Any]:
    """Types of every kind, as JSON; named ones have names of their own."""
    found = st.recursive(
        _LEAVES if logical else _PLAIN_LEAVES, lambda parts: _containers(parts, unions=unions), max_leaves=8
    )
    return found.map(lambda schema: _named(schema, itertools.count()))


@cache
def avro_unions() -> st.SearchStrategy[Any]:
    """Unions of what holds nothing else."""
    return _unions(_LEAVES).map(lambda schema: _named(schema, itertools.count()))


def _named(schema: Any, numbers: Any) -> Any:
    if isinstance(schema, list):
        return [_named(part, numbers) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {**schema, "name": f"N{next(numbers)}"} if "name" in schema else dict(schema)
    for inside in ("items", "values"):
        if inside in made:
            made[inside] = _named(made[inside], numbers)
    if "fields" in made:
        made["fields"] = [{**part, "type": _named(part["type"], numbers)} for part in made["fields"]]
    return made


def record(**kinds: Any) -> Any:
    """A record type."""
    fields = [{"name": name, "type": kind} for name, kind in kinds.items()]
    return {"type": "record", "name": "A", "fields": fields}


def avro_values(schema: Any) -> st.SearchStrategy[Any]:
    """Data as a reader of a type gets it."""
    if isinstance(schema, list):
        return st.one_of([avro_values(part) for part in schema])
    kind, logical = _label(schema), schema.get("logicalType", "") if isinstance(schema, dict) else ""
    if logical:
        return _logical_values(schema, logical)
    if kind == "array":
        return st.lists(avro_values(schema["items"]), max_size=3)
    if kind == "map":
        return st.dictionaries(st.text(max_size=3), avro_values(schema["values"]), max_size=3)
    if kind == "record":
        return st.fixed_dictionaries({part["name"]: avro_values(part["type"]) for part in schema["fields"]})
    if kind == "enum":
        return st.sampled_from(schema["symbols"])
    if kind == "fixed":
        return st.binary(min_size=schema["size"], max_size=schema["size"])
    return _PLAIN[kind]


_PLAIN = {
    "null": st.none(), "boolean": st.booleans(), "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1), "float": st.floats(width=32), "double": st.floats(),
    "bytes": st.binary(max_size=20), "string": st.text(max_size=20),
}  # fmt: skip


def _logical_values(schema: Any, logical: str) -> st.SearchStrategy[Any]:
    if logical == "decimal":
        end = 10 ** schema["precision"]
        return st.builds(
            lambda digits: Decimal((int(digits < 0), tuple(map(int, str(abs(digits)))), -schema["scale"])),
            st.integers(1 - end, end - 1),
        )
    if logical == "uuid":
        return st.uuids()
    if logical == "date":
        return st.dates()
    if logical.endswith("nanos"):
        return st.integers(-(2**63), 2**63 - 1)
    if logical.startswith("time-"):
        found: st.SearchStrategy[Any] = st.times()
    else:
        zone = st.none() if logical.startswith("local-") else st.just(dt.UTC)
        found = st.datetimes(timezones=zone)
    if logical.endswith("millis"):
        return found.map(lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000))
    return found


def as_json(schema: Any, value: Any) -> Any:
    """Data as a default of a type, which is not a union and holds none."""
    kind, logical = _label(schema), schema.get("logicalType", "") if isinstance(schema, dict) else ""
    if logical:
        return _logical_json(schema, logical, value)
    if kind == "array":
        return [as_json(schema["items"], item) for item in value]
    if kind == "map":
        return {name: as_json(schema["values"], item) for name, item in value.items()}
    if kind == "record":
        return {part["name"]: as_json(part["type"], value[part["name"]]) for part in schema["fields"]}
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _logical_json(schema: Any, logical: str, value: Any) -> Any:
    if logical == "decimal":
        digits = int("".join(map(str, value.as_tuple().digits))) * (-1 if value.is_signed() else 1)
        size = schema.get("size") or digits.bit_length() // 8 + 1
        return digits.to_bytes(size, "big", signed=True).decode("latin-1")
    if logical == "uuid":
        return value.bytes.decode("latin-1") if "size" in schema else str(value)
    if logical == "date":
        return (value - EPOCH.date()).days
    if logical.endswith("nanos"):
        return value
    if isinstance(value, dt.time):
        value = dt.datetime.combine(EPOCH.date(), value)
    step = _MILLISECOND if logical.endswith("millis") else _MICROSECOND
    return (value.replace(tzinfo=dt.UTC) - EPOCH) // step


def is_same(one: Any, other: Any) -> bool:
    """Whether data is equal, of the same types, to the last bit."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(item, other[name]) for name, item in one.items())
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, float):
        both_nan = math.isnan(one) and math.isnan(other)
        return both_nan or struct.pack("<d", one) == struct.pack("<d", other)
    return bool(one == other)
