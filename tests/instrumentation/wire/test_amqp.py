"""CloudEvents in AMQP messages: written one way, read in every spelling, and passed on whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.errors import EncodeError
from flowtrail.wire import names, read_headers
from flowtrail.wire.amqp import AmqpMessage, Parts, from_amqp, own_table, sent_at, table_of, to_amqp
from flowtrail.wire.read_table import read_table

NOW_MS = 1_800_000_000_123
SPELLINGS = ("cloudEvents_", "cloudEvents:", "ce-", "ce_", "cloudevents_", "CE-")
ATTRIBUTES = (
    "id",
    "type",
    "source",
    "subject",
    "time",
    "sequence",
    "correlationid",
    "causationid",
    "dataschema",
)

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
own_names = st.text("abcdefghijklmnop.-", min_size=1, max_size=12).filter(lambda name: name[:3] != "ce-")
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**62), 2**62), texts, st.binary(max_size=20),
    st.datetimes(timezones=st.just(UTC)), st.floats(allow_nan=False),
)  # fmt: skip
tables = st.dictionaries(
    st.one_of(own_names, st.tuples(st.sampled_from(SPELLINGS), st.sampled_from(ATTRIBUTES)).map("".join)),
    st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(own_names, inner, max_size=3)
    ),
    max_size=8,
)


def sent(headers: list[tuple[str, bytes | None]], key: bytes | None = None) -> AmqpMessage:
    return to_amqp(key, b"{}", headers, NOW_MS)


def read(message: AmqpMessage) -> Parts:
    return from_amqp(message.routing_key, message.table, message.properties, message.body)


@given(
    st.dictionaries(own_names | st.sampled_from([f"ce_{name}" for name in ATTRIBUTES]), st.none() | st.binary(max_size=30)),
    st.none() | st.binary(min_size=1),
)  # fmt: skip
def test_a_record_comes_back_as_it_was_sent(headers: dict[str, bytes | None], key: bytes | None) -> None:
    parts = read(to_amqp(key, b"value", headers.items(), NOW_MS))
    assert (parts.key, parts.value, parts.timestamp_ms) == (key, b"value", NOW_MS)
    ours = [header for header in parts.headers if header[0] != "amqp.routing_key"]
    assert dict(ours) == headers
    assert len(ours) == len(headers)


_short = st.binary(min_size=1, max_size=40)
_PROPERTIES = (
    "correlation_id",
    "reply_to",
    "message_id",
    "type",
    "app_id",
    "content_encoding",
    "content_type",
)


@given(_short, st.dictionaries(st.sampled_from(_PROPERTIES), _short))
def test_what_others_wrote_beside_the_table_is_passed_on_byte_for_byte(
    routing_key: bytes, properties: dict[str, bytes]
) -> None:
    parts = from_amqp(
        as_pika(routing_key), {"mine": "x"}, {n: as_pika(v) for n, v in properties.items()}, b"v"
    )
    forwarded = to_amqp(None, parts.value, parts.headers, NOW_MS)
    assert (forwarded.routing_key, forwarded.table) == (as_pika(routing_key), {
        "mine": "x", "amqp.routing_key": as_pika(routing_key), "timestamp_in_ms": NOW_MS,
    })  # fmt: skip
    assert {name: forwarded.properties[name] for name in properties} == {
        name: as_pika(value) for name, value in properties.items()
    }
    only = to_amqp(None, parts.value, parts.headers, NOW_MS, text_only=True)
    strings = (only.routing_key, *(only.properties[name] for name in properties if name in only.properties))
    assert all(isinstance(each, str) for each in strings)
    again = dict(read(only).headers)
    assert {name: again[_header(name)] for name in properties} == properties


def as_pika(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _header(field: str) -> str:
    return "content-type" if field == "content_type" else f"amqp.{field}"


@given(tables)
def test_what_others_wrote_is_passed_on_with_its_types(table: dict[str, Any]) -> None:
    """A dead letter keeps `x-death`, numbers and byte arrays as they came, under the names that they had."""
    parts = from_amqp("some.key", table, {}, b"value")
    forwarded = to_amqp(parts.key, parts.value, parts.headers, NOW_MS)
    kept = {name: value for name, value in forwarded.table.items() if name in table}
    clashing = {name for name in table if sum(map(_same(name), table)) > 1}
    assert {name: kept[name] for name in table if name not in clashing} == {
        name: value for name, value in table.items() if name not in clashing
    }


def _same(name: str) -> Any:
    def canonical(text: str) -> str:
        lower = text.lower()
        for prefix in ("cloudevents_", "cloudevents:", "ce-", "ce_"):
            if lower.startswith(prefix):
                return text[len(prefix) :]
        return f"/{text}"

    return lambda other: canonical(other) == canonical(name)


@given(st.dictionaries(st.text(max_size=30), scalars), st.dictionaries(st.sampled_from(
    ["content_type", "correlation_id", "message_id", "timestamp", "type", "priority", "expiration", "user_id"]
), scalars), scalars)  # fmt: skip
def test_reading_never_fails(table: dict[str, Any], properties: dict[str, Any], routing_key: Any) -> None:
    parts = from_amqp(routing_key, table, properties, b"")
    read_headers(parts.headers)
    assert all(isinstance(name, str) for name, _ in parts.headers)


_texts = st.one_of(st.sampled_from(["", "e1", "é", "a\n", "x" * 257, "7", "00-1"]), st.text(max_size=5))


@given(st.dictionaries(
    st.one_of(st.sampled_from(["traceparent", "mine", "Content-Type", "X-Correlation-ID", "timestamp_in_ms"]),
              st.tuples(st.sampled_from(SPELLINGS), st.sampled_from([*ATTRIBUTES, "odd"])).map("".join)),
    st.one_of(_texts, st.integers(), st.none(), st.binary(max_size=3)),
), st.one_of(st.none(), st.sampled_from(["application/json", "application/cloudevents+json", ""])))  # fmt: skip
def test_the_short_way_reads_what_the_long_one_does(table: dict[str, Any], content_type: str | None) -> None:
    short = read_table(table, content_type)
    if short is not None:
        properties = {} if content_type is None else {"content_type": content_type}
        assert vars(short) == vars(read_headers(from_amqp("", table, properties, b"{}").headers))


def test_the_short_way_is_taken_for_what_is_written_here() -> None:
    ours = [("ce_id", b"e1"), ("ce_correlationid", b"e1"), ("ce_specversion", b"1.0"), ("ce_source", b"/a"),
            ("ce_time", b"2026-03-01T12:00:00Z"), ("traceparent", b"00-1")]  # fmt: skip
    table = own_table(ours, NOW_MS)
    assert table == table_of(ours, NOW_MS) == to_amqp(None, b"", ours, NOW_MS).table
    assert read_table({**table, "mine": 7, "x-death": []}, None) is not None
    assert sent_at(table, None) == NOW_MS
    assert sent_at({}, 7) == 7000


@pytest.mark.parametrize("case", [str, str.upper, str.capitalize])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_read(spelling: str, case: Callable[[str], str]) -> None:
    table = {f"{spelling}{case(name)}": f"{name}-1" for name in ATTRIBUTES if name != "sequence"}
    envelope = read_headers(from_amqp("", table, {"content_type": "application/json"}, b"{}").headers)
    assert (envelope.id, envelope.type, envelope.source, envelope.subject) == (
        "id-1",
        "type-1",
        "source-1",
        "subject-1",
    )
    assert (envelope.correlation_id, envelope.causation_id) == ("correlationid-1", "causationid-1")
    assert (envelope.dataschema, envelope.time_text) == ("dataschema-1", "time-1")
    assert envelope.content_type == "application/json"


@pytest.mark.parametrize("other", SPELLINGS[1:])
def test_of_two_spellings_the_binding_s_own_counts(other: str) -> None:
    for table in (
        {f"{other}id": "no", "cloudEvents_id": "yes"},
        {"cloudEvents_id": "yes", f"{other}id": "no"},
    ):
        assert read_headers(from_amqp("", table, {}, b"").headers).id == "yes"


def test_what_is_written() -> None:
    message = sent(
        [
            ("ce_id", b"e1"), ("ce_type", b"OrderPlaced"), ("ce_correlationid", b"flow"), ("content-type", b"text/x"),
            ("traceparent", b"00-1"), ("raw", b"\xff"),
        ],
        key=b"order-1",
    )  # fmt: skip
    assert message.routing_key == "OrderPlaced"
    assert message.table == {
        "cloudEvents_id": "e1", "cloudEvents_type": "OrderPlaced", "cloudEvents_correlationid": "flow",
        "cloudEvents_partitionkey": "order-1", "traceparent": "00-1", "raw": b"\xff", "timestamp_in_ms": NOW_MS,
    }  # fmt: skip
    assert message.properties == {
        "content_type": "text/x", "correlation_id": "flow", "message_id": "e1", "delivery_mode": 2,
        "timestamp": NOW_MS // 1000,
    }  # fmt: skip


def test_properties_that_are_taken_stay_what_they_are() -> None:
    headers = from_amqp(
        "", {}, {"correlation_id": "rpc-7", "message_id": "m", "reply_to": "q", "priority": 3}, b""
    ).headers
    assert read_headers(headers).correlation_id == "rpc-7", "nothing else says which flow it is"
    again = sent([*headers, ("ce_correlationid", b"flow"), ("ce_id", b"e1")])
    assert {name: again.properties[name] for name in ("correlation_id", "message_id", "reply_to", "priority")} == {
        "correlation_id": "rpc-7", "message_id": "m", "reply_to": "q", "priority": 3,
    }  # fmt: skip
    assert read_headers(read(again).headers).correlation_id == "flow"


def test_what_would_harm_a_forwarded_message_is_kept_as_a_header() -> None:
    """An expiry would delete a dead letter, and a server refuses somebody else's user."""
    headers = from_amqp("", {}, {"expiration": "1000", "user_id": "shop"}, b"").headers
    again = sent(list(headers))
    assert not {"expiration", "user_id"} & set(again.properties)
    assert (again.table["amqp.expiration"], again.table["amqp.user_id"]) == ("1000", "shop")


@pytest.mark.parametrize(
    ("properties", "table", "expected"),
    [
        ({}, {}, None),
        ({"timestamp": 1_700_000_000}, {}, 1_700_000_000_000),
        ({"timestamp": datetime.fromtimestamp(1_700_000_000, UTC)}, {}, 1_700_000_000_000),
        ({"timestamp": 1_700_000_000}, {"timestamp_in_ms": 1_700_000_000_250}, 1_700_000_000_250),
        ({"timestamp": "yesterday"}, {"timestamp_in_ms": "now"}, None),
    ],
)
def test_timestamps(properties: dict[str, Any], table: dict[str, Any], expected: int | None) -> None:
    assert from_amqp("", table, properties, b"x").timestamp_ms == expected


def test_a_header_of_the_record_chooses_the_routing_key() -> None:
    assert (
        sent([("ce_type", b"OrderPlaced"), ("amqp.routing_key", b"eu.OrderPlaced")]).routing_key
        == "eu.OrderPlaced"
    )


def test_an_empty_body_says_nothing_without_a_content_type() -> None:
    assert from_amqp("", {}, {}, b"").value is None
    assert from_amqp("", {}, {"content_type": "text/plain"}, b"").value == b""


@pytest.mark.parametrize("headers", [[(names.TYPE, b"x" * 256)], [("n" * 256, b"")]])
def test_names_that_amqp_has_no_room_for_are_refused(headers: list[tuple[str, bytes | None]]) -> None:
    with pytest.raises(EncodeError, match="at most 255 bytes"):
        sent(headers)
