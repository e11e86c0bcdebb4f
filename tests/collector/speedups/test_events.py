"""Rows that are read in C are those that Python reads."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from flowtrail_collector.events.model import EventRow
from flowtrail_collector.events.reading import (
    Incoming,
    plain_reader,
    read_envelope,
    read_event,
    read_plain_event,
)
from headerkit import TIMES, USUAL_PARENTS, USUALLY_WRITTEN, headers_near_the_usual, whole_headers

MOMENTS = st.one_of(st.none(), st.sampled_from([-5, 0, 1, 1_767_323_045_000, 2**62, 2**63 - 1]))
KEYS = st.one_of(st.none(), st.sampled_from([b"", b"k", b"\xff" * 300, "ä".encode() * 200, "text", 7]))


@pytest.mark.slow
@given(headers_near_the_usual(), MOMENTS, KEYS, st.booleans())
@settings(max_examples=1_500, deadline=None)
def test_a_row_is_the_one_that_python_reads(
    compiled: ModuleType, headers: Any, timestamp_ms: int | None, key: Any, dead_letter: bool
) -> None:
    record = Incoming("orders", 3, 41, timestamp_ms, key, headers, dead_letter)
    row = plain_reader(compiled)(record)
    event("left to the long way" if row is None else "read the short way")
    if row is not None:
        plain = read_plain_event(record)
        # What is empty there and absent here is read by the careful way, which the plain one agrees with.
        assert row == (read_event(record, read_envelope(record)) if plain is None else plain)
        assert [type(value) for value in row] == [type(value) for value in plain or row]
        assert type(row) is EventRow


def _moments() -> st.SearchStrategy[str]:
    """Texts that are nearly moments: each part may be one that no calendar has."""
    parts = [
        st.sampled_from([1969, 1970, 1999, 2000, 2024, 2026, 2100, 2200, 2201, 9999]),
        st.integers(0, 13), st.integers(0, 32), st.integers(0, 25), st.integers(0, 60), st.integers(0, 61),
    ]  # fmt: skip
    form = "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}".format
    ends = st.sampled_from(["Z", ".5Z", "+00:00", "z", ""])
    decimals = st.integers(0, 999_999).map(".{:06d}Z".format) | st.integers(0, 999).map(".{:03d}Z".format)
    return st.builds("{}{}".format, st.builds(form, *parts), ends | decimals)


@pytest.mark.slow
@given(_moments() | TIMES, MOMENTS)
@example("2026-01-02T03:04:05.001000Z", None)
@example("2000-02-29T00:00:00Z", None)
@example("2100-02-29T00:00:00Z", None)
@settings(max_examples=1_500, deadline=None)
def test_a_moment_is_the_one_that_python_reads(
    compiled: ModuleType, moment: str, timestamp_ms: int | None
) -> None:
    record = Incoming("t", 0, 0, timestamp_ms, None, [*whole_headers(), ("ce_time", moment.encode())])
    assert plain_reader(compiled)(record) == read_plain_event(record)


@pytest.mark.slow
@given(USUAL_PARENTS | st.text("0123456789abcdefA-_+ ", min_size=1, max_size=60))
@settings(max_examples=800, deadline=None)
def test_a_trace_context_is_the_one_that_python_reads(compiled: ModuleType, parent: str) -> None:
    record = Incoming("t", 0, 0, 1, None, [*whole_headers(), ("traceparent", parent.encode())])
    assert plain_reader(compiled)(record) == read_plain_event(record)


@pytest.mark.parametrize("name", [None, *USUALLY_WRITTEN])
def test_what_flowtrail_writes_is_read_in_c(compiled: ModuleType, name: str | None) -> None:
    more = USUALLY_WRITTEN if name is None else {name: USUALLY_WRITTEN[name]}
    record = Incoming("orders", 0, 0, 1, b"k", [*whole_headers(), *more.items()])
    row = plain_reader(compiled)(record)
    assert row is not None
    assert row == read_plain_event(record)


HEADERS: list[Any] = [
    None, (), "text", 7, [("ce_id",)], [("ce_id", b"a", b"b")], [["ce_id", b"a"]], [(b"ce_id", b"a")], [7], [None],
    [("ce_id", b"a")] * 2, [(f"h{number}", b"x") for number in range(1_000)], [("\ud800", b"x")], [("", b"")],
]  # fmt: skip


@pytest.mark.parametrize("headers", HEADERS, ids=[str(number) for number in range(len(HEADERS))])
@pytest.mark.parametrize("beside", [False, True])
def test_odd_headers_are_left_to_python(compiled: ModuleType, headers: Any, beside: bool) -> None:
    pairs = [*whole_headers(), *headers] if beside and isinstance(headers, list) else headers
    row = plain_reader(compiled)(Incoming("t", 0, 0, 1, None, pairs))
    assert row is None or row == read_plain_event(Incoming("t", 0, 0, 1, None, pairs))


@pytest.mark.parametrize("record", [None, (), ("t", 0, 0, 1, None, whole_headers()), object()])
def test_what_is_no_record_is_left_to_python(compiled: ModuleType, record: Any) -> None:
    assert plain_reader(compiled)(record) is None


def test_classes_with_other_fields_are_refused(compiled: ModuleType) -> None:
    with pytest.raises(TypeError, match="other fields"):
        compiled.EventReader(Incoming, EventRow, None, None)
    with pytest.raises(TypeError, match="other fields"):
        compiled.RecordReader(EventRow, None)
