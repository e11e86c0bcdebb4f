"""Spans, metrics and logs about messages."""

from flowtrail._telemetry.definitions import METRICS, Metric
from flowtrail._telemetry.processing import Processing
from flowtrail._telemetry.sending import Sending
from flowtrail._telemetry.telemetry import Telemetry

__all__ = ["METRICS", "Metric", "Processing", "Sending", "Telemetry"]
