"""Whatever the schema and the data: what Avro writes it reads back just as it was, or it refuses to write it."""

import datetime as dt
import json
import math
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from avro.io import BinaryDecoder, DatumReader
from avro.schema import parse as avro_parse
from hypothesis import assume, given
from hypothesis import strategies as st

from contractkit import as_json, avro_types, avro_unions, avro_values, is_same, record
from flowtrail.contracts import SchemaError
from flowtrail.contracts._format import BrokenError
from flowtrail.contracts._formats import FORMATS
from flowtrail.errors import DecodeError

AVRO = FORMATS["avro"]


def parsed(schema: Any) -> Any:
    return AVRO.parse("A/1", json.dumps(schema), "A")


def inside(schema: Any, wanted: Any) -> bool:
    """Whether a type is or holds what is wanted."""
    if wanted(schema):
        return True
    if isinstance(schema, list):
        return any(inside(part, wanted) for part in schema)
    if not isinstance(schema, dict):
        return False
    parts = [schema.get("items"), schema.get("values"), *(part["type"] for part in schema.get("fields", ()))]
    return any(inside(part, wanted) for part in parts if part is not None)


@given(st.data())
def test_what_readers_get_is_read_again_as_it_was_written(data: st.DataObject) -> None:
    kind = data.draw(avro_types())
    definition = parsed(record(x=kind))
    value = {"x": data.draw(avro_values(kind))}
    assert is_same(definition.decode(definition.encode(value)), value)
    assert definition.broken_reading(value) == []
    assert is_same(definition.completed(value), value)


# -- any value at all

NUMBERS = st.one_of(
    st.integers(), st.integers(-(2**66), 2**66), st.floats(), st.floats(width=32),
    st.sampled_from([2**24 + 1, 2**31, 2**53 + 1, 2**63, 10**400, -1, 86_400_000, 86_400_000_000]),
)  # fmt: skip
ODD = st.one_of(
    NUMBERS, st.none(), st.booleans(), st.text(max_size=5), st.sampled_from(["A", "B", "\ud800", "2020-01-01"]),
    st.binary(max_size=17), st.binary(max_size=17).map(bytearray), st.binary(max_size=17).map(lambda raw: memoryview(raw)),  # noqa: PLW0108
    st.decimals(), st.uuids(), st.uuids().map(str), st.dates(), st.times(), st.datetimes(),
    st.datetimes(timezones=st.just(dt.UTC)),
    st.sampled_from([
        dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=9))),
        dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-9))),
        dt.time(1, tzinfo=dt.UTC), Decimal("1E+400000000"), Decimal("0E+400000000"), Decimal("1E-400000000"),
    ]),
)  # fmt: skip
ANYTHING = st.recursive(
    ODD,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner, inner), st.sets(st.integers(), max_size=2),
        st.dictionaries(st.sampled_from(["f0", "f1", "f2", "x"]) | st.integers(0, 3), inner, max_size=4),
    ),
    max_leaves=5,
)  # fmt: skip


@given(avro_types(), ANYTHING)
def test_whatever_is_written_is_read_or_else_it_is_refused(kind: Any, value: Any) -> None:
    definition = parsed(record(x=kind))
    broken = definition.broken_writing({"x": value})
    if broken:
        with pytest.raises(BrokenError) as caught:
            definition.encode({"x": value})
        assert caught.value.lines == broken
        assert all("\n" not in line for line in broken)
        return
    payload = definition.encode({"x": value})
    read = definition.decode(payload)["x"]
    if isinstance(value, int | Decimal) and isinstance(read, int | float | Decimal):
        assert read == value  # a number is never cut
    if not inside(kind, lambda part: not isinstance(part, str)) and isinstance(read, type(value)):
        assert is_same(read, value) or kind == "float"


@given(st.data())
def test_a_union_takes_a_value_as_the_type_that_holds_it(data: st.DataObject) -> None:
    """Among all its types it is the one whose readers get just this value back, if there is one."""
    union = data.draw(avro_unions())
    value = data.draw(st.one_of(avro_values(union), ODD))
    definition, apart = parsed(record(x=union)), [parsed(record(x=kind)) for kind in union]
    held = []
    for one in apart:
        try:
            held.append(one.decode(one.encode({"x": value}))["x"])
        except BrokenError:
            continue
    try:
        read = definition.decode(definition.encode({"x": value}))["x"]
    except BrokenError:
        assert not any(is_same(value, each) for each in held)
        return
    assert any(is_same(read, each) for each in held)
    if any(is_same(value, each) for each in held):
        assert is_same(read, value)


# -- defaults


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    return (
        all(map(_finite, value))
        if isinstance(value, list)
        else not isinstance(value, float) or math.isfinite(value)
    )


def _read_with_defaults(kind: Any, default: Any) -> list[Any]:
    """What readers get of a field that wasn't written, in each of the ways that lead there."""
    new = record(o="int", x=kind)
    new["fields"][1]["default"] = default
    before, after = parsed(record(o="int")), parsed(new)
    old = {"o": 1}
    adopted = after.adopted(before.decode(before.encode(old)), before)
    return [each["x"] for each in (adopted, after.completed(old), after.decode(after.encode(old)))]


@given(st.data())
def test_a_default_is_read_as_the_same_value_written(data: st.DataObject) -> None:
    kind = data.draw(avro_types(unions=False))
    value = data.draw(avro_values(kind).filter(_finite))
    for read in _read_with_defaults(kind, as_json(kind, value)):
        assert is_same(read, value)


@given(st.data())
def test_a_default_of_a_union_may_be_of_any_of_its_types(data: st.DataObject) -> None:
    union = data.draw(avro_unions())
    kind = data.draw(st.sampled_from(union))
    value = data.draw(avro_values(kind).filter(_finite))
    first, *others = _read_with_defaults(union, as_json(kind, value))
    assert all(is_same(first, other) for other in others)
    definition = parsed(record(x=union))
    assert is_same(definition.decode(definition.encode({"x": first}))["x"], first)
    if union[0] == kind:
        assert is_same(first, value)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**64), 2**64), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=4)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["f0", "f1", "k"]), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@given(avro_types(), JSON)
def test_any_other_default_is_refused_when_the_schema_is_read(kind: Any, default: Any) -> None:
    try:
        first, *others = _read_with_defaults(kind, default)
    except SchemaError as error:
        place, _, why = str(error).partition(" its default isn't of type ")
        assert (place, why != "", "\n" in why) == ("A/1:1: x:", True, False)
        return
    assert all(is_same(first, other) for other in others)


# -- bytes


def changed(data: st.DataObject, payload: bytes) -> bytes:
    """A payload that somebody was careless with: cut, longer, or with other bytes in it."""
    at = data.draw(st.integers(0, len(payload)))
    other = data.draw(
        st.binary(max_size=4) | st.sampled_from([b"\x01", b"\x03", b"\xff" * 10, b"\x80" * 9 + b"\x01"])
    )
    return payload[:at] + other + payload[at + data.draw(st.integers(0, 4)) :]


@given(st.data())
def test_bytes_that_were_changed_are_refused_or_are_what_their_data_is_written_as(
    data: st.DataObject,
) -> None:
    kind = data.draw(avro_types())
    definition = parsed(record(x=kind))
    payload = changed(data, definition.encode({"x": data.draw(avro_values(kind))}))
    try:
        read = definition.decode(payload)
    except DecodeError as error:
        start, _, why = str(error).partition(" is written as: ")
        assert (start, why != "", "\n" in why) == ("not what A", True, False)
        return
    assert is_same(definition.decode(definition.encode(read)), read)


@given(st.data())
def test_what_is_taken_of_changed_bytes_apaches_reader_takes_as_well(data: st.DataObject) -> None:
    kind = data.draw(avro_types(logical=False))
    definition, text = parsed(record(x=kind)), json.dumps(record(x=kind))
    payload = changed(data, definition.encode({"x": data.draw(avro_values(kind))}))
    try:
        read = definition.decode(payload)
    except DecodeError:
        return
    schema = avro_parse(text)
    assert is_same(DatumReader(schema, schema).read(BinaryDecoder(BytesIO(payload))), read)


@given(st.data())
def test_bytes_that_end_anywhere_else_are_refused(data: st.DataObject) -> None:
    kind = data.draw(avro_types())
    definition = parsed(record(x=kind, end="int"))
    payload = definition.encode({"x": data.draw(avro_values(kind)), "end": 5})
    assume(len(payload) < 200)
    for end in range(len(payload)):
        with pytest.raises(DecodeError, match="not what A is written as"):
            definition.decode(payload[:end])
    with pytest.raises(DecodeError, match="1 byte left over"):
        definition.decode(payload + b"\x00")
