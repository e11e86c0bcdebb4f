"""JSON payloads: what is understood on the way out, and what an error says of the rest."""

from __future__ import annotations

import enum
import json
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail._codec import JsonCodec
from flowtrail.errors import EncodeError


class Colour(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    LARGE = 3


class Kind(enum.StrEnum):
    GIFT = "gift"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass
class Line:
    colour: Any


class Parcel(pydantic.BaseModel):
    ready: time


UNDERSTOOD: list[tuple[Any, Any]] = [
    (Colour.RED, "red"),
    (Size.LARGE, 3),
    (Kind.GIFT, "gift"),
    (Access.READ | Access.WRITE, 3),
    (time(7, 5), "07:05:00"),
    (time(7, 5, tzinfo=UTC), "07:05:00+00:00"),
    (timedelta(hours=1, milliseconds=500), "PT1H0M0.5S"),
    (timedelta(0), "PT0H0M0S"),
    (timedelta(days=-1, seconds=1), "-PT23H59M59S"),
    ({"b", "a"}, ["a", "b"]),
    (frozenset({10, 9}), [9, 10]),
    ({Colour.RED}, ["red"]),
    ({1: 2}.keys(), [1]),
    (date(2026, 3, 1), "2026-03-01"),
    (datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01T00:00:00+00:00"),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Decimal("1.10"), "1.10"),
    (Line(Colour.RED), {"colour": "red"}),
    (Parcel(ready=time(7)), {"ready": "07:00:00"}),
]


@pytest.mark.parametrize(("value", "expected"), UNDERSTOOD, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {"a": [v]}, Line], ids=["bare", "nested", "field"])
def test_what_is_understood(value: Any, expected: Any, wrap: Any) -> None:
    written = json.loads(JsonCodec().encode(wrap(value)))
    assert written == json.loads(JsonCodec().encode(wrap(expected)))


@given(st.timedeltas())
def test_durations_are_what_others_read(duration: timedelta) -> None:
    text = json.loads(JsonCodec().encode(duration))
    assert pydantic.TypeAdapter(timedelta).validate_python(text) == duration


@given(st.sets(st.one_of(st.integers(), st.text(), st.booleans(), st.none(), st.tuples(st.integers()))))
def test_equal_sets_are_written_alike(values: set[Any]) -> None:
    again: set[Any] = set()
    for value in sorted(values, key=repr, reverse=True):
        again.add(value)
    assert JsonCodec().encode(values) == JsonCodec().encode(again)


UNKNOWN = {
    "object": (object(), "object is not JSON serializable"),
    "bytes": (b"x", "bytes is not JSON serializable"),
    "not a number": (float("nan"), "Out of range float values"),
    "infinity": (float("inf"), "Out of range float values"),
    "half a surrogate pair": ("\ud800", "surrogate"),
    "a tuple as a key": ({(1, 2): 1}, "keys must be str"),
    "a set of such": ({b"x"}, "bytes is not JSON serializable"),
}
PLACES: dict[str, tuple[Any, str]] = {
    "field": (lambda v: {"fine": 1, "at": v}, "at"),
    "list": (lambda v: {"lines": [{"sku": "a"}, {"sku": v}]}, "lines.1.sku"),
    "tuple": (lambda v: {"pair": (0, v)}, "pair.1"),
    "dataclass": (lambda v: {"line": Line(v)}, "line.colour"),
    "ordered": (lambda v: OrderedDict(at=v), "at"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", UNKNOWN)
def test_the_error_names_the_field(name: str, place: str) -> None:
    value, reason = UNKNOWN[name]
    wrap, path = PLACES[place]
    with pytest.raises(EncodeError) as caught:
        JsonCodec().encode(wrap(value))
    text = str(caught.value)
    assert text.startswith(f"not representable as JSON: {path}")
    assert reason in text
    assert "\n" not in text


def test_data_that_holds_itself_is_refused() -> None:
    data: dict[str, Any] = {}
    data["again"] = data
    with pytest.raises(EncodeError):
        JsonCodec().encode(data)
