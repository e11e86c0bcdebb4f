"""What the parts of a running trail share."""

from __future__ import annotations

from dataclasses import dataclass

from flowtrail._codec import Codec
from flowtrail._runtime.invoke import Invoker
from flowtrail._runtime.publisher import Publisher
from flowtrail._settings import Timing
from flowtrail._telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Services:
    """What the members of all groups share.

    Attributes:
        telemetry: Spans, metrics, logs, clock.
        publisher: Publishes retries and dead letters.
        codec: Makes data of bytes.
        invoker: Calls handlers.
        timing: How long things may take.
    """

    telemetry: Telemetry
    publisher: Publisher
    codec: Codec
    invoker: Invoker
    timing: Timing
