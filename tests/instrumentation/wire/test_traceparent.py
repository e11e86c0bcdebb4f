"""`traceparent` as W3C writes it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, TraceFlags

from flowtrail.wire.tracecontext import Unrecorded, format_traceparent, trace_headers, traceparent_text

IDS = st.tuples(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255))


@given(IDS)
def test_every_span_is_written_in_hexadecimal_digits(ids: tuple[int, int, int]) -> None:
    trace_id, span_id, flags = ids
    expected = f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"
    for found in (SpanContext(trace_id, span_id, False, TraceFlags(flags)), Unrecorded(*ids)):
        assert traceparent_text(found) == expected
        assert format_traceparent(found) == expected.encode()


def test_ids_that_are_too_long_or_none_are_not_written() -> None:
    for trace_id, span_id in ((0, 1), (1, 0), (2**128, 1), (1, 2**64)):
        assert trace_headers(SpanContext(trace_id, span_id, False), Context()) == []
