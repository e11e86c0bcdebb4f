"""Puts lag together."""

from __future__ import annotations

from dataclasses import dataclass

from flowtrail_collector.lag.poller import LagPoller
from flowtrail_collector.lag.ports import LagSource, RecordProber
from flowtrail_collector.lag.settings import LagSettings
from flowtrail_collector.lag.timestamps import TimestampLog
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.lag.web import lag_routes
from flowtrail_collector.runtime.slices import Wired
from flowtrail_collector.settings import CollectorConfig

__all__ = ["Lag", "lag_settings", "wire"]


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

    def group_names(self) -> list[str] | None:
        """The groups there are; None until they were first listed."""
        if self.view.collected_at is None:
            return None
        return [reading.group for reading in self.view.readings]


def lag_settings(config: CollectorConfig) -> LagSettings:
    """What the poller needs of the settings."""
    return LagSettings(
        interval_seconds=config.lag_interval_seconds,
        compat=config.compat,
        groups=config.lag.groups,
        topics=config.lag.topics,
        read_committed=config.lag.read_committed,
        granularity=config.lag.granularity,
        window_seconds=config.lag.window_seconds,
        probes=config.lag.probes,
    )


def wire(source: LagSource, prober: RecordProber, settings: LagSettings) -> Lag:
    """Put it together.

    Args:
        source: Offsets of the broker.
        prober: Looks at single records.
        settings: What is watched, and how it is told.
    """
    timestamps = TimestampLog()
    poller = LagPoller(source, settings, prober=prober, timestamps=timestamps)
    wired = Wired(parts=[poller], sources_for_all=[poller.metrics], routes=lag_routes(poller.view))
    return Lag(poller.view, timestamps, wired)
