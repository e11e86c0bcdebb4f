"""OTLP/HTTP traces: decoding requests, and the queue between the web server and the store."""

from __future__ import annotations

from flowtrail_collector.otlp._body import BodyError, decompressed
from flowtrail_collector.otlp._decode import Decoded, from_json, from_protobuf
from flowtrail_collector.otlp._queue import QueueFullError, SpanQueue

__all__ = [
    "BodyError",
    "Decoded",
    "QueueFullError",
    "SpanQueue",
    "decompressed",
    "from_json",
    "from_protobuf",
]
