"""Reading: whatever the bytes, no exception, no mutation, bounded values."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail.wire import CORRELATION_ALIASES, WIRE_HEADERS, is_structured, read_headers, read_structured
from flowtrail.wire.tracecontext import span_context_of

NAMES = st.one_of(
    st.sampled_from([header.name for header in WIRE_HEADERS] + list(CORRELATION_ALIASES) + ["other"]),
    st.text(max_size=8),
)
VALUES = st.one_of(st.none(), st.binary(max_size=300), st.text(max_size=40).map(str.encode))
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=12)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.binary(max_size=8), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.tuples(inner, inner), st.dictionaries(st.text(max_size=4), inner)
    ),
    max_leaves=8,
)


@pytest.mark.slow
@given(HEADERS)
@settings(max_examples=300)
def test_any_headers_read_without_exception_or_mutation(headers: list[tuple[str, bytes | None]]) -> None:
    before = copy.deepcopy(headers)
    envelope = read_headers(headers)
    assert headers == before
    for header in WIRE_HEADERS:
        for value in vars(envelope).values():
            if isinstance(value, str):
                assert value.isprintable()
                assert len(value.encode()) <= 8192
        assert header.max_bytes > 0
    assert span_context_of(envelope) is None or span_context_of(envelope).is_valid
    assert envelope.time is None or envelope.time.tzinfo is not None


@pytest.mark.slow
@given(ANYTHING)
@settings(max_examples=200)
def test_anything_that_a_client_may_call_headers(headers: Any) -> None:
    read_headers(headers)


@pytest.mark.slow
@given(st.one_of(st.binary(max_size=200), ANYTHING))
@settings(max_examples=200)
def test_structured_mode_survives_any_payload(value: Any) -> None:
    envelope = read_headers([("content-type", b"application/cloudevents+json")])
    assert is_structured(envelope)
    read_structured(envelope, value)


@given(
    traceparent=st.one_of(st.binary(max_size=80), st.from_regex(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-.."))
)
def test_any_traceparent(traceparent: bytes) -> None:
    context = span_context_of(read_headers([("traceparent", traceparent)]))
    assert context is None or (context.is_valid and context.is_remote)


def test_every_field() -> None:
    envelope = read_headers(
        [
            ("ce_specversion", b"1.0"),
            ("ce_id", b"e1"),
            ("ce_type", b"OrderPlaced"),
            ("ce_source", b"/orders"),
            ("ce_time", b"2026-01-02T03:04:05.678Z"),
            ("ce_subject", b"o-1"),
            ("ce_sequence", b"7"),
            ("ce_correlationid", b"c1"),
            ("ce_causationid", b"e0"),
            ("ce_dataschema", b"OrderPlaced/2"),
            ("content-type", b"application/json"),
        ]
    )
    assert (envelope.id, envelope.type, envelope.source) == ("e1", "OrderPlaced", "/orders")
    assert (envelope.subject, envelope.sequence) == ("o-1", 7)
    assert (envelope.correlation_id, envelope.causation_id) == ("c1", "e0")
    assert (envelope.dataschema, envelope.content_type) == ("OrderPlaced/2", "application/json")
    assert envelope.time == datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    assert envelope.dropped == ()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff\xfe", "encoding"),
        (b"x" * 1_000_000, "length"),
        (b"a\nb", "value"),
        (b"", "value"),
    ],
)
def test_unusable_values_are_dropped_with_a_reason(value: bytes, reason: str) -> None:
    envelope = read_headers([("ce_id", value), ("ce_type", b"T")])
    assert envelope.id is None
    assert envelope.type == "T"
    assert envelope.dropped == (reason,)


def test_a_megabyte_of_baggage_is_dropped() -> None:
    assert read_headers([("baggage", b"a=" + b"b" * 1_000_000)]).dropped == ("length",)


def test_the_last_usable_duplicate_wins() -> None:
    headers = [("ce_id", b"first"), ("ce_id", b"second"), ("ce_id", b"\xff")]
    envelope = read_headers(headers)
    assert envelope.id == "second"
    assert sorted(envelope.dropped) == ["duplicate", "encoding"]


@pytest.mark.parametrize("sequence", [b"-1", b"1.5", b"\xd9\xa3", b"9" * 19, b"x"])
def test_a_sequence_is_a_plain_number(sequence: bytes) -> None:
    envelope = read_headers([("ce_sequence", sequence)])
    assert envelope.sequence is None
    assert envelope.dropped == ("value",)


@pytest.mark.parametrize("alias", CORRELATION_ALIASES)
def test_other_peoples_correlation_headers(alias: str) -> None:
    assert read_headers([(alias, b"theirs")]).correlation_id == "theirs"
    assert read_headers([(alias, b"theirs"), ("ce_correlationid", b"ours")]).correlation_id == "ours"


def test_own_aliases_and_their_order() -> None:
    headers = [("flow", b"a"), ("process", b'"b"')]
    assert read_headers(headers, ("process", "flow")).correlation_id == "b"
    assert read_headers(headers).correlation_id is None


@pytest.mark.parametrize(
    "traceparent",
    [
        "00-00000000000000000000000000000000-1111111111111111-01",
        "00-11111111111111111111111111111111-0000000000000000-01",
        "ff-11111111111111111111111111111111-1111111111111111-01",
        "00-11111111111111111111111111111111-1111111111111111-01-more",
        "00-1111111111111111111111111111111_-1111111111111111-01",
        "00-11111111111111111111111111111111-1111111111111111-0١",
    ],
)
def test_invalid_traceparents(traceparent: str) -> None:
    assert span_context_of(read_headers([("traceparent", traceparent.encode())])) is None


def test_a_later_traceparent_version_is_understood() -> None:
    value = b"01-11111111111111111111111111111111-2222222222222222-03-extra"
    context = span_context_of(read_headers([("traceparent", value), ("tracestate", b"a=1,b=2")]))
    assert context is not None
    assert (context.trace_id, context.span_id, int(context.trace_flags)) == (
        int("1" * 32, 16),
        int("2" * 16, 16),
        3,
    )
    assert context.trace_state.to_header() == "a=1,b=2"


def test_structured_mode() -> None:
    record = SimpleNamespace(
        headers=[
            ("content-type", b"application/cloudevents+json; charset=utf-8"),
            ("ce_correlationid", b"c"),
        ],
        value=b'{"specversion":"1.0","id":"e","type":"T","source":"/s","sequence":3,"data":{"a":1}}',
    )
    envelope = read_structured(read_headers(record.headers), record.value)
    assert envelope.structured
    assert (envelope.id, envelope.type, envelope.sequence, envelope.data) == ("e", "T", 3, {"a": 1})
    assert envelope.correlation_id == "c"


@pytest.mark.parametrize(
    ("members", "data", "has_data"),
    [
        ({}, None, False),
        ({"data": None}, None, True),
        ({"data": 0}, 0, True),
        ({"data_base64": None}, None, False),
        ({"data": None, "data_base64": None}, None, True),
        ({"data_base64": ""}, b"", True),
    ],
)
def test_null_is_data_and_a_member_that_is_not_there_is_none(
    members: dict[str, Any], data: Any, has_data: bool
) -> None:
    envelope = read_headers([("content-type", b"application/cloudevents+json")])
    read = read_structured(envelope, {"specversion": "1.0", "id": "e", **members})
    assert (read.data, read.has_data) == (data, has_data)


def test_structured_mode_with_binary_data() -> None:
    envelope = read_headers([("content-type", b"application/cloudevents+json")])
    event = {"specversion": "1.0", "id": "e", "data_base64": "AAE=", "datacontenttype": "image/png"}
    read = read_structured(envelope, event)
    assert (read.data, read.content_type) == (b"\x00\x01", "image/png")
