"""The decisions of the SDK's built-in samplers, known without asking them."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    StaticSampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import SpanContext, TraceFlags

Drops = Callable[[SpanContext | None, int], bool]
"""Whether a span is dropped, by the span context above it and its trace id."""


def decision_of(sampler: Sampler) -> Drops | None:
    """A built-in sampler as a function that says whether it drops; None for any other sampler.

    The rules are those of the OpenTelemetry specification, "Trace SDK", built-in samplers.
    """
    if type(sampler) is StaticSampler:
        verdict = getattr(sampler, "_decision", None)
        if verdict is Decision.DROP:
            return lambda _parent, _trace_id: True
        return (lambda _parent, _trace_id: False) if verdict is Decision.RECORD_AND_SAMPLE else None
    if type(sampler) is TraceIdRatioBased:
        bound, limit = sampler.bound, sampler.TRACE_ID_LIMIT
        return lambda _parent, trace_id: trace_id & limit >= bound
    if type(sampler) is ParentBased:
        return _parent_based(sampler)
    return None


def drops_unsampled(sampler: Sampler) -> bool:
    """Whether it drops every span below a remote one that isn't sampled."""
    if type(sampler) is ParentBased:
        sampler = getattr(sampler, "_remote_parent_not_sampled", sampler)
    return type(sampler) is StaticSampler and getattr(sampler, "_decision", None) is Decision.DROP


def _parent_based(sampler: ParentBased) -> Drops | None:
    parts = [
        getattr(sampler, name, None)
        for name in ("_root", "_local_parent_not_sampled", "_local_parent_sampled",
                     "_remote_parent_not_sampled", "_remote_parent_sampled")
    ]  # fmt: skip
    decisions = [decision_of(part) if part is not None else None for part in parts]
    root, local_off, local_on, remote_off, remote_on = decisions
    if root is None or local_off is None or local_on is None or remote_off is None or remote_on is None:
        return None

    def drops(parent: SpanContext | None, trace_id: int) -> bool:
        if parent is None:
            return root(None, trace_id)
        if parent.trace_flags & TraceFlags.SAMPLED:
            return (remote_on if parent.is_remote else local_on)(parent, trace_id)
        return (remote_off if parent.is_remote else local_off)(parent, trace_id)

    return drops
