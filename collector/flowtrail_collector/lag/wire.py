"""Puts lag together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flowtrail_collector.lag.poller import LagPoller
from flowtrail_collector.lag.ports import LagSource, RecordProber, RecordTimestamps
from flowtrail_collector.lag.timestamps import TimestampLog
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.lag.web import lag_routes
from flowtrail_collector.runtime.slices import Wired
from flowtrail_collector.settings import LagSettings

__all__ = ["Lag", "wire"]


@dataclass(frozen=True, slots=True)
class Lag:
    """Lag, put together.

    Attributes:
        view: Figures of the last collection.
        timestamps: Where a tail reports the records it reads.
        wired: Parts, metrics and routes. Each worker reads lag, so that each can show it.
    """

    view: LagView
    timestamps: TimestampLog
    wired: Wired


def wire(
    source: Callable[[RecordTimestamps], LagSource], prober: RecordProber | None, settings: LagSettings
) -> Lag:
    """Put it together.

    Args:
        source: Makes what reads the broker's offsets, given where it tells when records were written.
        prober: Looks at single records; None to do without.
        settings: What is watched, and how it is told.
    """
    timestamps = TimestampLog()
    poller = LagPoller(source(timestamps), settings, prober=prober, timestamps=timestamps)
    wired = Wired(parts=[poller], sources_for_all=[poller.metrics], routes=lag_routes(poller.view))
    return Lag(poller.view, timestamps, wired)
