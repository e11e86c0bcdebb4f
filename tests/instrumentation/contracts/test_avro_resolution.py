"""Data of an older Avro contract becomes what fastavro's own resolution of the two schemas makes of its bytes."""

import json
from io import BytesIO
from typing import Any
from uuid import UUID

import fastavro
import pytest
from fastavro.utils import generate_many

from contractkit import CASES
from flowtrail.contracts import compare
from flowtrail.contracts._format import BrokenError
from flowtrail.contracts._formats import FORMATS
from flowtrail.errors import DecodeError

AVRO = FORMATS["avro"]
PAIRS = [
    (
        f"{case.name}{', back' if back else ''}",
        *(reversed(case.texts["avro"]) if back else case.texts["avro"]),
    )
    for case in CASES
    if "avro" in case.texts
    for back in (False, True)
]


def resolved(text: str, other: str, payload: bytes) -> Any:
    old, new = (fastavro.parse_schema(json.loads(one)) for one in (text, other))
    return fastavro.schemaless_reader(BytesIO(payload), old, new)


@pytest.mark.parametrize(("name", "old", "new"), PAIRS, ids=[name for name, *_ in PAIRS])
def test_data_is_adopted_as_bytes_are_resolved(name: str, old: str, new: str) -> None:
    before, after = AVRO.parse("old", old, "Event"), AVRO.parse("new", new, "Event")
    if any("backward" in change.breaks for change in AVRO.compare(before, after)):
        return  # needs an upcaster, or can't be read at all
    for data in generate_many(fastavro.parse_schema(json.loads(old)), 5):
        try:
            payload = before.encode(data)
        except BrokenError:
            continue  # it draws decimals that don't fit
        try:
            expected = resolved(old, new, payload)
        except ValueError:  # text that isn't UTF-8
            with pytest.raises(DecodeError):
                after.adopted(before.decode(payload), before)
            continue
        try:
            adopted = after.adopted(before.decode(payload), before)
        except DecodeError:  # fastavro cuts the number
            assert abs(data["x"]) > 2**24
            assert "float" in new or abs(data["x"]) > 2**53
            continue
        assert plain(adopted) == plain(expected)
        assert after.broken_reading(adopted) == []


def plain(data: Any) -> Any:
    """fastavro takes the writer's logical type; the specification says the reader's."""
    if isinstance(data, dict):
        return {name: plain(value) for name, value in data.items()}
    if isinstance(data, bytes):
        return data.decode("latin-1")
    return str(data) if isinstance(data, UUID) else data


def test_the_table_has_pairs_that_can_be_read() -> None:
    readable = [
        name
        for name, old, new in PAIRS
        if not any("backward" in change.breaks
                   for change in AVRO.compare(AVRO.parse("o", old, "Event"), AVRO.parse("n", new, "Event")))
    ]  # fmt: skip
    assert len(readable) > 60


TEXT_OR_BYTES = {
    "a field": lambda kind: kind,
    "an array": lambda kind: {"type": "array", "items": kind},
    "a map": lambda kind: {"type": "map", "values": kind},
    "a union": lambda kind: ["null", kind],
    "a record": lambda kind: {"type": "record", "name": "R", "fields": [{"name": "f", "type": kind}]},
    "a list of maps of unions": lambda kind: {"type": "array", "items": {"type": "map", "values": ["null", kind]}},
}  # fmt: skip
HELD = {
    "a field": lambda value: value, "an array": lambda value: [value], "a map": lambda value: {"k": value},
    "a union": lambda value: value, "a record": lambda value: {"f": value}, "a list of maps of unions": lambda value: [{"k": value}],
}  # fmt: skip


@pytest.mark.parametrize("place", TEXT_OR_BYTES)
def test_whoever_reads_bytes_as_text_is_broken_and_nobody_else(place: str) -> None:
    text, raw = (
        FORMATS["avro"].parse("E/1", json.dumps({"type": "record", "name": "E", "fields": [{"name": "x", "type": made}]}), "E")
        for made in (TEXT_OR_BYTES[place]("string"), TEXT_OR_BYTES[place]("bytes"))
    )  # fmt: skip
    hold = HELD[place]
    for written, read, values in ((text, raw, ["", "\u00e9"]), (raw, text, [b"", b"\xff"])):
        unreadable = False
        for value in values:
            data = written.decode(written.encode({"x": hold(value)}))
            try:
                read.adopted(data, written)
            except DecodeError:
                unreadable = True
        assert unreadable == (written is raw)
        assert unreadable == any("backward" in change.breaks for change in compare(written, read))
        assert unreadable == any("forward" in change.breaks for change in compare(read, written))
