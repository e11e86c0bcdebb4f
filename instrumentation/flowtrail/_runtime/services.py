"""What the parts of a running trail share."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowtrail._runtime.forwarding import Forwarder
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
        forwarder: Publishes to retry and dead letter topics.
    """

    telemetry: Telemetry
    publisher: Publisher
    timing: Timing
    invoker: Invoker = field(default_factory=Invoker)
    forwarder: Forwarder = field(init=False)

    def __post_init__(self) -> None:
        """What is passed on goes through the same publisher."""
        object.__setattr__(self, "forwarder", Forwarder(self.publisher))

    def close(self) -> None:
        """Stop the handlers' loop, and wait for publications."""
        self.invoker.close()
        self.publisher.close(self.timing.shutdown_timeout_seconds)
