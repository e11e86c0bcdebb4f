"""What the parts of a running trail share."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowtrail._runtime.invoke import Invoker
from flowtrail._runtime.publisher import Publisher
from flowtrail._settings import Timing
from flowtrail._telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Services:
    """What the members of all groups share.

    Attributes:
        telemetry: Spans, metrics, logs, clock.
        publisher: Publishes retries and dead letters; knows the client, the codec and the contracts.
        timing: How long things may take.
        invoker: Calls handlers.
    """

    telemetry: Telemetry
    publisher: Publisher
    timing: Timing
    invoker: Invoker = field(default_factory=Invoker)

    def close(self) -> None:
        """Stop the handlers' loop, and wait for publications."""
        self.invoker.close()
        self.publisher.close(self.timing.shutdown_timeout_seconds)
