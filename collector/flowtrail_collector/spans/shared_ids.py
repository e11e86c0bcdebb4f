"""Span ids that a client and its server share, as Zipkin's B3 propagation has it, told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from flowtrail_collector.spans.model import Span, SpanKind

__all__ = ["with_own_ids"]


def with_own_ids(spans: Sequence[Span]) -> list[Span]:
    """The spans, each with an id of its own; one that nobody shares stays as it is.

    As Jaeger's query service does it: the server's span gets a new id, the lowest that is free in its trace, and
    becomes the child of the client's; what was below the shared id is then below the server.
    """
    uses = Counter((span.trace_id, span.span_id) for span in spans)
    if len(uses) == len(spans):
        return list(spans)
    calling = {(span.trace_id, span.span_id) for span in spans if span.kind is SpanKind.CLIENT}
    renamed: dict[tuple[str, str], str] = {}
    found: list[Span] = []
    for span in spans:
        key = (span.trace_id, span.span_id)
        if span.kind is SpanKind.SERVER and uses[key] > 1 and key in calling:
            own = _free(span.trace_id, uses)
            renamed[key] = own
            found.append(replace(span, span_id=own, parent_span_id=span.span_id))
        else:
            found.append(span)
    return [
        replace(span, parent_span_id=parent)
        if (parent := renamed.get((span.trace_id, span.parent_span_id or ""))) and parent != span.span_id
        else span
        for span in found
    ]


def _free(trace_id: str, uses: Counter[tuple[str, str]]) -> str:
    number = 1
    while uses[trace_id, f"{number:016x}"]:
        number += 1
    uses[trace_id, f"{number:016x}"] += 1
    return f"{number:016x}"
