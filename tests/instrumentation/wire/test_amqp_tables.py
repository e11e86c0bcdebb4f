"""Tables of AMQP: whatever was sent is read, what was read is sent as it was, and the clients' codecs agree."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pamqp.decode
import pamqp.encode
import pika.data
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowtrail.errors import EncodeError
from flowtrail.wire.amqp_tables import DEEPEST, LAST_SECOND, Long, decoded, encoded
from rabbitkit import MANY, nested, table_of, value_of

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def moments(before: int) -> st.SearchStrategy[datetime]:
    return st.integers(0, before - 1).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


DECIMALS = st.builds(
    lambda number, decimals: Decimal(number).scaleb(-decimals),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 255),
)
# What all of them take, and take for the same: pamqp takes later moments for milliseconds, and cuts long names.
COMMON = st.one_of(
    st.text(max_size=9), st.booleans(), st.none(), st.integers(-(2**31), 2**31 - 1), moments(2**32)
)
# What only we keep as it is.
OURS = st.one_of(
    COMMON,
    moments(LAST_SECOND + 1),
    st.floats(allow_nan=False),
    DECIMALS,
    st.integers(-(2**63), 2**63 - 1).map(Long),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=9),
)


def tables(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    inner = st.recursive(
        values,
        lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(NAMES, below, max_size=3)),
        max_leaves=6,
    )
    return st.dictionaries(NAMES, inner, max_size=5)


@given(tables(OURS))
@example({"price": 19.99, "within": [0.1, {"a": 1e300}], "exact": Decimal("1.50"), "most": Long(1)})
def test_what_is_sent_comes_back(table: dict[str, Any]) -> None:
    found = decoded(encoded(table)[4:])
    assert found == table
    assert encoded(found) == encoded(table), "and kinds are the same"


@given(tables(COMMON))
def test_the_clients_read_what_we_send_and_send_what_we_read(table: dict[str, Any]) -> None:
    ours = encoded(table)
    assert pika.data.decode_table(ours, 0) == (table, len(ours))
    assert pamqp.decode.field_table(ours) == (len(ours), table)
    pieces: list[bytes] = []
    pika.data.encode_table(pieces, table)
    assert decoded(b"".join(pieces)[4:]) == table
    assert decoded(pamqp.encode.field_table(table)[4:]) == table  # type: ignore[arg-type]


@given(st.one_of(MANY.map(lambda pairs: table_of(pairs)[4:]), st.binary(max_size=60)))
@example(table_of([(b"odd", nested("A", 3000))])[4:])
@example(table_of([(b"odd", nested("F", 900))])[4:])
@example(b"\x01a")
@example(b"\xff")
def test_whatever_comes_is_read_and_can_be_sent(content: bytes) -> None:
    found = decoded(content)
    sent = encoded(found)
    assert encoded(decoded(sent[4:])) == sent


ODD: dict[str, tuple[bytes, Any]] = {
    "milliseconds": (value_of("T", struct.pack(">Q", 1_772_000_000_000)), 1_772_000_000_000),
    "before 1970": (value_of("T", struct.pack(">Q", 2**64 - 14_256_000)), -14_256_000),
    "the last moment": (value_of("T", b"\xff" * 8), -1),
    "the last year": (
        value_of("T", struct.pack(">Q", 253_402_300_799)),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ),
    "infinite": (value_of("d", struct.pack(">d", float("inf"))), float("inf")),
    "small and infinite": (value_of("f", struct.pack(">f", float("-inf"))), float("-inf")),
    "a small float": (value_of("f", struct.pack(">f", 0.5)), 0.5),
    "a float": (value_of("d", struct.pack(">d", 19.99)), 19.99),
    "not UTF-8": (value_of("S", b"\xff"), b"\xff"),
    "of unknown kind within": (value_of("A", b"z"), b"z"),
    "a broken table": (value_of("F", b"\x09a"), b"\x09a"),
    "a broken array": (value_of("A", b"I\0"), b"I\0"),
    "a moment within": (value_of("A", value_of("T", b"\xff" * 8)), [-1]),
    "an octet": (value_of("b", b"\xff"), -1),
    "an unsigned octet": (value_of("B", b"\xff"), 255),
    "a short number": (value_of("s", b"\xff\xfe"), -2),
    "an unsigned short number": (value_of("u", b"\xff\xfe"), 65_534),
    "an unsigned number": (value_of("i", b"\xff" * 4), 2**32 - 1),
}


@pytest.mark.parametrize("name", ODD)
def test_what_the_clients_fail_on_is_read(name: str) -> None:
    value, expected = ODD[name]
    raw = table_of([(b"a", value_of("S", b"x")), (b"odd", value), (b"z", value_of("S", b"y"))])[4:]
    assert decoded(raw) == {"a": "x", "odd": expected, "z": "y"}


def test_what_is_no_number_stays_none() -> None:
    found = decoded(table_of([(b"odd", value_of("d", struct.pack(">d", float("nan"))))])[4:])
    assert found["odd"] != found["odd"]
    assert decoded(encoded(found)[4:])["odd"] != 0


@pytest.mark.parametrize("kind", ["A", "F"])
def test_what_is_nested_too_deep_is_bytes_below(kind: str) -> None:
    value, levels = decoded(table_of([(b"odd", nested(kind, 5000))])[4:])["odd"], 0
    while not isinstance(value, bytes):
        value, levels = (value[0] if kind == "A" else value["a"]), levels + 1
    assert levels == DEEPEST


def test_a_table_that_is_cut_off_keeps_what_is_before() -> None:
    raw = table_of([(b"a", value_of("S", b"x")), (b"odd", b"z"), (b"z", value_of("S", b"y"))])[4:]
    assert decoded(raw) == {"a": "x"}


@pytest.mark.parametrize(
    "table",
    [
        {"n" * 256: "v"},
        {"odd": 2**63},
        {"odd": object()},
        {"odd": Decimal("Infinity")},
        {"odd": Decimal(2**31)},
        {"odd": datetime(1969, 1, 1, tzinfo=UTC)},
        {"odd": [{"within": object()}]},
    ],
    ids=["long name", "long number", "object", "endless", "long decimal", "before 1970", "object within"],
)
def test_what_amqp_does_not_have_is_refused_by_name(table: dict[str, Any]) -> None:
    with pytest.raises(EncodeError, match=r"the header '(odd|nnn|within)"):
        encoded(table)
