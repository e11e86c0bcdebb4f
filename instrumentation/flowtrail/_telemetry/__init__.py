"""Spans, metrics and logs about messages."""

from flowtrail._telemetry.batch import BatchItem, ProcessingBatch
from flowtrail._telemetry.definitions import METRICS, Metric
from flowtrail._telemetry.message_tracer import MessageTracer
from flowtrail._telemetry.outgoing import OutgoingMessage
from flowtrail._telemetry.processing import Decode, Processing
from flowtrail._telemetry.revisit import Revisit, step_out_of_ended
from flowtrail._telemetry.telemetry import Telemetry

__all__ = [
    "METRICS",
    "BatchItem",
    "Decode",
    "MessageTracer",
    "Metric",
    "OutgoingMessage",
    "Processing",
    "ProcessingBatch",
    "Revisit",
    "Telemetry",
    "step_out_of_ended",
]
