"""Correlation, traces, metrics, logs, retries and dead letters for event-driven services on Kafka."""

from flowtrail import errors
from flowtrail._batch import Batch, BatchMember
from flowtrail._codec import BytesCodec, Codec, JsonCodec
from flowtrail._context import FlowContext, capture, current_event, extract, inject, restore
from flowtrail._event import Event
from flowtrail._logging import CorrelationFilter, add_flow_context
from flowtrail._retry import Retry
from flowtrail._runtime.publication import Publication
from flowtrail._settings import Timing
from flowtrail._trail import Trail
from flowtrail._version import __version__
from flowtrail.dedupe import MemoryDedupe, SqliteDedupe
from flowtrail.errors import (
    ConfigurationError,
    ContractError,
    DecodeError,
    EncodeError,
    FlowtrailError,
    MissingExtraError,
    PublishError,
)
from flowtrail.outbox import Inbox, Outbox

__all__ = [
    "Batch",
    "BatchMember",
    "BytesCodec",
    "Codec",
    "ConfigurationError",
    "ContractError",
    "CorrelationFilter",
    "DecodeError",
    "EncodeError",
    "Event",
    "FlowContext",
    "FlowtrailError",
    "Inbox",
    "JsonCodec",
    "MemoryDedupe",
    "MissingExtraError",
    "Outbox",
    "Publication",
    "PublishError",
    "Retry",
    "SqliteDedupe",
    "Timing",
    "Trail",
    "__version__",
    "add_flow_context",
    "capture",
    "current_event",
    "errors",
    "extract",
    "inject",
    "restore",
]
