"""Spans of time and moments are read and written in one way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.units import convert_span, exact_span, iso_time, iso_time_ms, iso_time_seconds


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 10**9 - 1))
def test_a_flow_file_reads_the_very_span_that_was_written(span_ms: int) -> None:
    flows = parse_flows(f"flows: {{f: {{starts: A, completes: B, within: {exact_span(span_ms)}}}}}")
    assert flows.by_name["f"].within_ms == span_ms


@pytest.mark.parametrize(
    ("number", "unit", "to", "expected"),
    [
        ("1", "w", "d", 7),
        ("1.5", "h", "ms", 5_400_000),
        ("250", "ms", "s", 0.25),
        ("3", "us", "ns", 3_000),
        ("3", "µs", "ns", 3_000),
        ("2", "m", "s", 120),
    ],
)
def test_units(number: str, unit: str, to: str, expected: float) -> None:
    assert convert_span(number, unit, to) == expected


def test_moments_are_utc_in_rfc_3339() -> None:
    assert iso_time(1_000_001_999) == "1970-01-01T00:00:01.000001Z"
    assert iso_time_ms(1_500) == "1970-01-01T00:00:01.500000Z"
    assert iso_time_ms(None) is None
    assert iso_time_ms(253_402_300_799_999) == "9999-12-31T23:59:59.999000Z"
    for late_ms in (253_402_300_800_000, 2**62, 2**63 - 1):
        assert iso_time_ms(late_ms) == "9999-12-31T23:59:59.999999Z"
    assert iso_time_ms(-(2**62)) == "0001-01-01T00:00:00.000000Z"
    assert iso_time_seconds(1.5) == "1970-01-01T00:00:01.500Z"
