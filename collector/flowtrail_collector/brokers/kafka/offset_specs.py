"""Which offset of a partition the brokers are asked for."""

from __future__ import annotations

from typing import Any

from confluent_kafka import admin

from flowtrail_collector.lag.ports import Spec

__all__ = ["offset_spec"]

# The client has no types for it.
_OFFSET_SPEC: Any = admin.OffsetSpec


def offset_spec(spec: Spec) -> Any:
    """The client's word for it."""
    if isinstance(spec, float):
        return _OFFSET_SPEC.for_timestamp(int(spec * 1000))
    if spec == "earliest":
        return _OFFSET_SPEC.earliest()
    return _OFFSET_SPEC.max_timestamp() if spec == "newest" else _OFFSET_SPEC.latest()
