"""What Python's values become in Avro, and what of them is refused: logical types, unions, depth."""

import datetime as dt
import json
import math
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from contractkit import is_same, record
from flowtrail.contracts._format import BrokenError
from flowtrail.contracts._formats import FORMATS
from flowtrail.contracts.avro._nodes import LOGICAL
from flowtrail.contracts.avro._reading import MAX_LEVELS
from flowtrail.errors import DecodeError

AVRO = FORMATS["avro"]
DOCS = Path(__file__).parents[3] / "docs" / "contract-formats.md"
DAY, MOMENT, LOCAL = (
    dt.date(2024, 2, 29),
    dt.datetime(2024, 2, 29, 12, 30, 1, 5000, dt.UTC),
    dt.datetime(2024, 2, 29),
)
NOON, ID, OTHER_ZONE = dt.time(12, 30, 1, 5000), UUID(int=5), dt.timezone(dt.timedelta(hours=9))
MILLIS = 1_709_209_801_005
REFUSED = "refused"


def parsed(**kinds: Any) -> Any:
    return AVRO.parse("A/1", json.dumps(record(**kinds)), "A")


def written_and_read(kind: Any, value: Any) -> Any:
    definition = parsed(x=kind)
    try:
        payload = definition.encode({"x": value})
    except BrokenError:
        assert definition.broken_writing({"x": value})
        return REFUSED
    return definition.decode(payload)["x"]


def on(kind: str, logical: str, **more: Any) -> Any:
    named = {"name": "N"} if kind == "fixed" else {}
    return {"type": kind, "logicalType": logical, **named, **more}


KINDS = {
    "decimal": on("bytes", "decimal", precision=6, scale=2),
    "decimal, fixed": on("fixed", "decimal", size=3, precision=6, scale=2),
    "big-decimal": on("bytes", "big-decimal"),
    "duration": on("fixed", "duration", size=12),
    "uuid": on("string", "uuid"),
    "uuid, fixed": on("fixed", "uuid", size=16),
    **{logical: on(next(iter(kinds)), logical) for logical, kinds in LOGICAL.items() if len(kinds) == 1
       and logical not in ("big-decimal", "duration")},
}  # fmt: skip
MONIES: dict[Any, Any] = {Decimal("12.5"): Decimal("12.50"), 12: Decimal("12.00")}
IDS: dict[Any, Any] = {ID: ID, str(ID): ID}
# What is read of a value that was written; anything of another kind is refused.
HELD: dict[str, dict[Any, Any]] = {
    "decimal": MONIES,
    "decimal, fixed": MONIES,
    "big-decimal": {b"\x02\x05\x00": b"\x02\x05\x00"},
    "duration": {b"\x01" * 12: b"\x01" * 12},
    "uuid": IDS,
    "uuid, fixed": IDS,
    "date": {DAY: DAY, 12: dt.date(1970, 1, 13)},
    "time-millis": {NOON: NOON, 12: dt.time(0, 0, 0, 12_000)},
    "time-micros": {NOON: NOON, 12: dt.time(0, 0, 0, 12)},
    "timestamp-millis": {MOMENT: MOMENT, 12: dt.datetime(1970, 1, 1, 0, 0, 0, 12_000, dt.UTC)},
    "timestamp-micros": {MOMENT: MOMENT, 12: dt.datetime(1970, 1, 1, 0, 0, 0, 12, dt.UTC)},
    "timestamp-nanos": {MOMENT: MILLIS * 1_000_000, 12: 12},
    "local-timestamp-millis": {LOCAL: LOCAL, 12: dt.datetime(1970, 1, 1, 0, 0, 0, 12_000)},
    "local-timestamp-micros": {LOCAL: LOCAL, 12: dt.datetime(1970, 1, 1, 0, 0, 0, 12)},
    "local-timestamp-nanos": {LOCAL: 1_709_164_800_000_000_000, 12: 12},
}  # fmt: skip
VALUES = (Decimal("12.5"), 12, b"\x02\x05\x00", b"\x01" * 12, b"\x01" * 16, ID, str(ID), DAY, NOON, MOMENT, LOCAL,
          1.5, True, None, "2024-02-29", NOON.replace(tzinfo=dt.UTC))  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_what_each_logical_type_takes_and_gives(name: str) -> None:
    for value in VALUES:
        expected = HELD[name].get(value, REFUSED) if value is not True else REFUSED
        if name == "big-decimal" and isinstance(value, bytes):
            expected = value
        read = written_and_read(KINDS[name], value)
        assert read is expected or is_same(read, expected), (value, read)


def test_the_page_names_every_logical_type() -> None:
    table = DOCS.read_text(encoding="utf-8").partition("\n## Data\n")[2].partition("\n## ")[0]
    patterns = [
        re.escape(name).replace(r"\*", ".*")
        for row in table.splitlines()
        if row.startswith("| Avro")
        for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    assert {logical for logical in LOGICAL if any(re.fullmatch(each, logical) for each in patterns)} == set(
        LOGICAL
    )
    assert {name.partition(",")[0] for name in KINDS} == set(LOGICAL)
    assert HELD.keys() == KINDS.keys()


def _ends() -> list[tuple[str, Any, bool]]:
    """The last value that a logical type holds on either side, and the first beyond."""
    first, last = (
        (end - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
        for end in (dt.datetime.min, dt.datetime.max)
    )
    found: list[tuple[str, Any, bool]] = []
    for logical, step in (("millis", 1000), ("micros", 1)):
        for name in (f"timestamp-{logical}", f"local-timestamp-{logical}"):
            ends = -(-first // step), last // step
            found += [
                (name, ends[0], True),
                (name, ends[1], True),
                (name, ends[0] - 1, False),
                (name, ends[1] + 1, False),
            ]
        day = 86_400_000_000 // step
        found += [(f"time-{logical}", number, 0 <= number < day) for number in (-1, 0, day - 1, day)]
    for name in ("timestamp-nanos", "local-timestamp-nanos"):
        found += [
            (name, number, -(2**63) <= number < 2**63)
            for number in (-(2**63) - 1, -(2**63), 2**63 - 1, 2**63)
        ]
    days = [(end - dt.date(1970, 1, 1)).days for end in (dt.date.min, dt.date.max)]
    found += [
        ("date", days[0], True),
        ("date", days[1], True),
        ("date", days[0] - 1, False),
        ("date", days[1] + 1, False),
    ]
    for name in ("decimal", "decimal, fixed"):
        found += [(name, Decimal(text), held) for text, held in (
            ("9999.99", True), ("-9999.99", True), ("10000", False), ("0.001", False), ("1E+3", True), ("1E+4", False),
            ("0E+400000000", True), ("1E+400000000", False), ("1E-400000000", False), ("NaN", False), ("-Infinity", False),
            ("sNaN", False))]  # fmt: skip
        found += [(name, 9999, True), (name, 10_000, False), (name, 10**400, False)]
    found += [
        ("timestamp-micros", dt.datetime.min.replace(tzinfo=OTHER_ZONE), False),
        ("timestamp-millis", dt.datetime.max.replace(tzinfo=dt.timezone(-dt.timedelta(hours=1))), False),
        ("timestamp-nanos", dt.datetime.max.replace(tzinfo=dt.UTC), False),
    ]
    return found


@pytest.mark.parametrize(("name", "value", "held"), _ends(), ids=str)
def test_what_readers_could_not_read_is_refused(name: str, value: Any, held: bool) -> None:
    read = written_and_read(KINDS[name], value)
    assert (read is not REFUSED) is held
    if isinstance(value, Decimal) and held:
        assert read == value


@pytest.mark.parametrize(
    "name", [name for name in KINDS if name not in ("uuid, fixed", "big-decimal", "duration")]
)
def test_bytes_beyond_what_a_logical_type_holds_are_refused_with_the_reason(name: str) -> None:
    kind = KINDS[name]
    base = kind["type"] if isinstance(kind["type"], str) else kind
    beyond: Any = {
        "int": 2**31 - 1,
        "long": 2**63 - 1,
        "string": "not one",
        "bytes": b"\x7f" * 9,
        "fixed": b"\x7f" * 3,
    }
    plain = {name: part for name, part in kind.items() if name != "logicalType"}
    payload = parsed(x=plain).encode({"x": beyond[base]})
    if "nanos" in name:
        assert parsed(x=kind).decode(payload) == {"x": 2**63 - 1}
        return
    with pytest.raises(DecodeError, match=r"not what A is written as: out of the range of .* at byte 0"):
        parsed(x=kind).decode(payload)


@pytest.mark.parametrize("kind", ["float", "double"])
def test_whole_numbers_are_never_rounded(kind: str) -> None:
    bits = {"float": 24, "double": 53}[kind]
    for number in (2**bits, 2**bits + 2, -(2**bits), 2 ** (bits + 40)):
        assert is_same(written_and_read(kind, number), float(number))
    for number in (2**bits + 1, -(2**bits) - 1, 2 ** (bits + 40) + 1, 10**400):
        assert written_and_read(kind, number) is REFUSED
    for number in (math.inf, -0.0, 0.5):
        assert is_same(written_and_read(kind, number), number)


MS, DATE, MONEY = (
    on("long", "timestamp-millis"),
    on("int", "date"),
    on("bytes", "decimal", precision=20, scale=0),
)
SHORT = {"type": "record", "name": "Short", "fields": [{"name": "a", "type": "float"}]}
LONG = {"type": "record", "name": "Long", "fields": [
    {"name": "a", "type": "double"}, {"name": "b", "type": "int", "default": 3}]}  # fmt: skip
TEXTS = {"type": "record", "name": "Texts", "fields": [{"name": "a", "type": "string"}]}


@pytest.mark.parametrize(
    ("union", "value", "expected"),
    [
        ([DATE, "string"], "2020-01-01", "2020-01-01"),
        ([MS, "string"], "hello", "hello"),
        ([MONEY, "string"], "12", "12"),
        (["null", "float", "int"], 2**24 + 1, 2**24 + 1),
        (["double", "long"], 2**53 + 1, 2**53 + 1),
        (["double", MONEY], 2**53 + 1, Decimal(2**53 + 1)),
        (["float", "double"], 0.1, 0.1),
        (["float", "string"], 16777217, REFUSED),
        (["float", DATE], 16777217, REFUSED),
        (["int", "double"], 2**40, float(2**40)),
        (["int", MS], 2**40, REFUSED),
        ([DATE, MS], 12, REFUSED),
        (["null", MS], 12, dt.datetime(1970, 1, 1, 0, 0, 0, 12_000, dt.UTC)),
        ([DATE, MS], MOMENT, MOMENT),
        ([MS, DATE], DAY, DAY),
        ([on("int", "time-millis"), on("long", "time-micros")], dt.time(1, 2, 3, 4), dt.time(1, 2, 3, 4)),
        (["null", "boolean", "int"], True, True),
        (["int", "long"], True, REFUSED),
        ([SHORT, LONG], {"a": 0.5}, {"a": 0.5}),
        ([LONG, SHORT], {"a": 0.5}, {"a": 0.5}),
        ([SHORT, LONG], {"a": 0.1, "b": 4}, {"a": 0.1, "b": 4}),
        ([LONG, SHORT], {"a": 0.1}, {"a": pytest.approx(0.1)}),
        ([LONG, TEXTS], {"a": 0.1}, {"a": 0.1, "b": 3}),
        ([SHORT, TEXTS], {"a": "x"}, {"a": "x"}),
        ([{"type": "map", "values": "float"}, LONG], {"a": 0.1, "b": 4}, {"a": 0.1, "b": 4}),
        ([SHORT, TEXTS], ("Texts", {"a": "x"}), {"a": "x"}),
        (["bytes", {"type": "fixed", "name": "Two", "size": 2}], bytearray(b"ab"), b"ab"),
    ],
    ids=str,
)
def test_which_type_of_a_union_holds_a_value(union: Any, value: Any, expected: Any) -> None:
    read = written_and_read(union, value)
    assert read == expected
    assert type(read) is type(expected)


def test_what_is_wrong_with_a_value_of_a_union_is_said_where_only_one_type_could_hold_it() -> None:
    definition = parsed(x=["null", "int", SHORT])
    assert definition.broken_writing({"x": 2**31}) == ["x: out of the range of int"]
    assert definition.broken_writing({"x": {"a": "y"}}) == ["x.a: type should be a number"]
    assert definition.broken_writing({"x": b""}) == ["x: type should be null or int or Short"]


# -- depth

SHAPES = {
    "optional": (["null", "A"], lambda inner: inner, None),
    "list": ({"type": "array", "items": "A"}, lambda inner: [inner], []),
    "mapping": ({"type": "map", "values": "A"}, lambda inner: {"k": inner}, {}),
    "list of optionals": ({"type": "array", "items": ["null", "A"]}, lambda inner: [inner], []),
    "optional list": (["null", {"type": "array", "items": "A"}], lambda inner: [inner], None),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_what_nests_is_written_as_deep_as_it_is_read(shape: str) -> None:
    """And everything else that is done with it on the way gets as deep."""
    kind, around, end = SHAPES[shape]
    definition, newer = parsed(x=kind), parsed(x=kind)
    deepest, value = 0, {"x": end}
    for depth in range(1, MAX_LEVELS + 10):
        value = {"x": around(value)}
        if depth % 40 and depth < MAX_LEVELS // 4:
            continue
        try:
            payload = definition.encode(value)
        except BrokenError as error:
            assert "nested too deeply" in str(error)  # noqa: PT017 - only from some depth on
            break
        deepest = depth
        read = definition.decode(payload)
        assert definition.broken_reading(read) == []
        assert repr(newer.adopted(newer.completed(read), definition)) == repr(value)
    assert MAX_LEVELS // 4 < deepest < MAX_LEVELS


def test_types_that_look_alike_are_not_looked_at_again_and_again() -> None:
    """Each of three could be what is wrong at a depth of 60: 3 to the power of 60 ways lead there."""
    right = {"name": "right", "type": ["null", "string"]}

    def node(name: str, *others: Any) -> Any:
        return {
            "type": "record",
            "name": name,
            "fields": [{"name": "left", "type": ["null", *others]}, right],
        }

    third = node("N3", "N1", "N2", "N3")
    definition = parsed(x=[node("N1", "N1", node("N2", "N1", "N2", third), "N3"), "N2", "N3"])
    value: Any = {"left": None, "right": 1.5}
    for _ in range(60):
        value = {"left": value, "right": None}
    for _ in range(2):  # what was found of one piece of data says nothing of the next
        assert definition.broken_writing({"x": value})
    fine: Any = {"left": None, "right": "x"}
    for _ in range(60):
        fine = {"left": fine, "right": None}
    assert definition.decode(definition.encode({"x": fine})) == {"x": fine}
