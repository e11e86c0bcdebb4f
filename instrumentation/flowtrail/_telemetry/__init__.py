"""Spans, metrics and logs about messages."""

from flowtrail._telemetry.batch import BatchItem, ProcessingBatch
from flowtrail._telemetry.definitions import METRICS, Metric
from flowtrail._telemetry.operations import Operation
from flowtrail._telemetry.processing import Processing
from flowtrail._telemetry.sender import Sender
from flowtrail._telemetry.sending import Sending
from flowtrail._telemetry.telemetry import Telemetry

__all__ = [
    "METRICS",
    "BatchItem",
    "Metric",
    "Operation",
    "Processing",
    "ProcessingBatch",
    "Sender",
    "Sending",
    "Telemetry",
]
