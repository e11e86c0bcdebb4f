"""Data of an older Avro contract becomes what fastavro's own resolution of the two schemas makes of its bytes."""

import json
from io import BytesIO
from typing import Any
from uuid import UUID

import fastavro
import pytest
from fastavro.utils import generate_many

from contractkit import CASES
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
