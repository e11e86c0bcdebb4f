"""The short way to read an event says what the long way says, or leaves it to that."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from flowtrail_collector.events.reading import Incoming, read_envelope, read_event, read_plain_event
from headerkit import USUALLY_WRITTEN, headers_near_the_usual, whole_headers


@pytest.mark.slow
@given(
    headers_near_the_usual(),
    st.one_of(st.none(), st.sampled_from([0, 1, 1_767_323_045_000, 2**62])),
    st.one_of(st.none(), st.sampled_from([b"", b"k", b"\xff" * 300, "ä".encode() * 200])),
)
@settings(max_examples=600, deadline=None)
def test_what_is_read_the_short_way_is_the_same(
    headers: Any, timestamp_ms: int | None, key: bytes | None
) -> None:
    record = Incoming("orders", 3, 41, timestamp_ms, key, headers)
    plain = read_plain_event(record)
    event("left to the long way" if plain is None else "read the short way")
    if plain is not None:
        envelope = read_envelope(record)
        assert envelope.type is not None
        assert plain == read_event(record, envelope)


@pytest.mark.parametrize("name", [None, *USUALLY_WRITTEN])
def test_what_flowtrail_writes_is_read_the_short_way(name: str | None) -> None:
    more = {name: USUALLY_WRITTEN[name]} if name else USUALLY_WRITTEN
    headers = [*whole_headers(), *more.items()]
    assert read_plain_event(Incoming("orders", 0, 0, 1, None, headers)) is not None


@pytest.mark.parametrize("read", ["plainly", "carefully"])
def test_an_event_is_never_its_own_cause(read: str) -> None:
    """A program that passes on the headers it was handed says so of what it publishes."""
    said = {"id": b"e-1", "type": b"t", "source": b"/s", "subject": b"x", "correlationid": b"f-1"}
    for cause, expected in ((b"e-1", None), (b"e-0", "e-0")):
        headers = [(f"ce_{name}", value) for name, value in {**said, "causationid": cause}.items()]
        record = Incoming("orders", 0, 7, 1, None, headers)
        row = read_plain_event(record) if read == "plainly" else read_event(record, read_envelope(record))
        assert row is not None
        assert row.causation_id == expected
