"""Collects lag in the background, for as long as the collector lives."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from flowtrail_collector.conditions import Starting
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.lag.collection import LagCollection
from flowtrail_collector.lag.metrics.exposition import CycleFigures, LagPage
from flowtrail_collector.lag.model import GroupReading
from flowtrail_collector.lag.ports import Failure, LagSource, RecordProber
from flowtrail_collector.lag.timestamps import TimestampLog
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.settings import LagSettings

__all__ = ["LagPoller"]

logger = logging.getLogger("flowtrail_collector.lag")


class LagPoller:
    """A part of the collector that keeps lag figures fresh.

    Args:
        source: reads groups, topics and offsets.
        settings: what is looked at, and how often.
        prober: looks at single records, to learn when they were written; None to do without.
        timestamps: real record timestamps that a tail reports.
        clock: seconds since the epoch.

    Attributes:
        collection: reads and works out the figures.
        metrics: shows them at `/metrics`.
        view: shows them to API and pages.
    """

    name = "lag"

    def __init__(
        self,
        source: LagSource,
        settings: LagSettings | None = None,
        *,
        prober: RecordProber | None = None,
        timestamps: TimestampLog | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings or LagSettings()
        self._settings.validate()
        self._clock = clock
        self.collection = LagCollection(source, self._settings, timestamps, prober=prober, clock=clock)
        self._sample_duration = 0.0
        self._problem: str | None = Starting("hasn't collected lag yet")
        self._cycles = 0
        self._collected_at = 0.0
        self._readings: list[GroupReading] = []
        self._duration = 0.0
        self.metrics = LagPage(
            granularity=self._settings.granularity, compat=self._settings.compat, clock=clock
        )
        self.view = LagView(self._settings.interval_seconds)

    @property
    def problem(self) -> str | None:
        """Why there are no fresh figures; None while there are."""
        return self._problem

    def run(self, stop: threading.Event) -> None:
        """Collect until `stop` is set."""
        try:
            while not stop.is_set():
                due = time.monotonic() + self._settings.interval_seconds
                self.collect()
                self._between(stop, due)
        finally:
            self.close()

    def close(self) -> None:
        """Release connections."""
        self.collection.close()

    def _between(self, stop: threading.Event, due: float) -> None:
        """Learn more about arrivals until the next collection is due."""
        if self._problem is not None:
            stop.wait(max(0.05, due - time.monotonic()))
            return
        if self.collection.widen(due):
            # The first figures lack waits of before the start: they come as soon as they are known.
            return
        while True:
            pause = max(self._settings.sample_seconds, 20 * self._sample_duration)
            left = due - time.monotonic()
            if stop.wait(max(0.01, min(pause, left))) or left <= pause * 1.5:
                stop.wait(max(0.0, due - time.monotonic()))
                return
            began = time.perf_counter()
            self.collection.sample()
            self._sample_duration = time.perf_counter() - began

    def collect(self) -> list[GroupReading]:
        """Collect once; a cluster that can't be reached leaves the last page, whose age then grows."""
        began = time.perf_counter()
        try:
            readings = self.collection.run()
        except ServiceUnreachableError as error:
            self._problem = str(error)
            self.collection.failures.update([Failure("cluster", "metadata", str(error))])
            self.metrics.note(self._figures())
            self.view.fail(self.collection.failures.present)
            return []
        self._problem = None
        self._cycles += 1
        self._collected_at = self._clock()
        self._readings = readings
        failures = self.collection.failures.present
        self.metrics.publish(readings, self.collection.table, self._figures(), self.collection.topics)
        self.view.publish(readings, self._collected_at, failures)
        self._duration = time.perf_counter() - began
        return readings

    def _figures(self) -> CycleFigures:
        failures = self.collection.failures
        return CycleFigures(
            ended_at=self._collected_at,
            duration=self._duration,
            cycles=self._cycles,
            groups=len(self._readings),
            pairs=sum(len(reading.pairs) for reading in self._readings),
            errors=dict(failures.totals),
            failing=failures.failing,
            failures=failures.present,
        )
