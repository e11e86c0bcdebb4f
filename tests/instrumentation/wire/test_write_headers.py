"""Writing: ours exactly once, theirs untouched, whatever they are."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail.errors import EncodeError
from flowtrail.wire import WIRE_HEADERS, read_headers, write_headers
from flowtrail.wire.names import MAX_BYTES
from flowtrail.wire.write import clean_text
from instrumentation.support import Lab, record

OUR_NAMES = [header.name for header in WIRE_HEADERS]
HEADERS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(OUR_NAMES), st.text(max_size=5)),
        st.one_of(st.none(), st.binary(max_size=60)),
    ),
    max_size=10,
)
TEXT = st.text(max_size=400)
LAB = Lab()


@pytest.mark.slow
@given(headers=HEADERS, forward=st.booleans(), typed=st.booleans())
@settings(max_examples=200, deadline=None)
def test_whatever_the_caller_sends(
    headers: list[tuple[str, bytes | None]], forward: bool, typed: bool
) -> None:
    before = copy.deepcopy(headers)
    sending = LAB.telemetry.sending("t", type="T" if typed else None, headers=headers, forward=forward)
    sending.done()
    assert headers == before
    assert sending.headers is not headers
    written = [name for name, _ in sending.headers]
    assert written.count("traceparent") == 1
    for name in ("ce_id", "ce_correlationid"):
        assert written.count(name) == 1 or forward
    kept = [item for item in headers if item[0] not in OUR_NAMES]
    assert [item for item in sending.headers if item[0] not in OUR_NAMES] == kept
    envelope = read_headers(sending.headers)
    assert envelope.traceparent is not None
    assert forward or (envelope.id, envelope.correlation_id) == (sending.event_id, sending.correlation_id)


@pytest.mark.slow
@given(
    said=st.fixed_dictionaries(
        {"type": TEXT}, optional=dict.fromkeys(("id", "subject", "dataschema", "source"), TEXT)
    ),
    sequence=st.integers(-2, 2**63 + 2),
)
@settings(max_examples=300, deadline=None)
def test_what_is_written_is_read_as_it_was_said_or_refused(said: dict[str, Any], sequence: int) -> None:
    try:
        sending = LAB.telemetry.sending("t", sequence=sequence, **said)
    except EncodeError:
        assert sequence not in range(2**63) or any(
            not text.isprintable() or not 0 < len(text.encode()) <= MAX_BYTES[f"ce_{name}"]
            for name, text in said.items()
            if name != "source"
        )
        return
    envelope = read_headers(sending.headers)
    assert envelope.dropped == ()
    assert envelope.sequence == sequence
    assert envelope.time is not None
    assert envelope.source
    for name, text in said.items():
        assert name == "source" or getattr(envelope, name) == text


@pytest.mark.slow
@given(headers=HEADERS)
@settings(max_examples=100, deadline=None)
def test_a_chain_of_services_keeps_the_flow(headers: list[tuple[str, bytes | None]]) -> None:
    first = LAB.telemetry.sending("a", type="A", headers=headers)
    with LAB.telemetry.processing(record(first.headers)):
        second = LAB.telemetry.sending("b", type="B")
    with LAB.telemetry.processing(record(second.headers)):
        third = LAB.telemetry.sending("c", type="C")
    assert third.correlation_id == second.correlation_id == first.correlation_id
    assert (second.causation_id, third.causation_id) == (first.event_id, second.event_id)


@pytest.mark.slow
@given(value=st.one_of(TEXT, st.integers(), st.none()), limit=st.integers(1, 64))
def test_clean_text_is_short_printable_utf8(value: Any, limit: int) -> None:
    written = clean_text(value, limit)
    assert len(written) <= limit
    assert written.decode().isprintable()


def test_no_headers_and_odd_headers() -> None:
    ours: list[tuple[str, bytes | None]] = [("ce_id", b"1")]
    assert write_headers(None, ours) == ours
    assert write_headers({"a": b"1", "ce_id": b"0"}, ours) == [("a", b"1"), ("ce_id", b"1")]
    assert write_headers([5, ("b", b"2")], ours) == [5, ("b", b"2"), ("ce_id", b"1")]
