"""Runs collections against a simulated cluster, as the poller would, on simulated time."""

import time
from collections.abc import Callable

from flowtrail_collector.lag import LagCollection, LagPoller, LagSettings, LagView, TimestampLog
from flowtrail_collector.lag.model import GroupReading
from lagkit._cluster import SimulatedCluster


class Watch:
    """A collection on a simulated cluster."""

    def __init__(self, cluster: SimulatedCluster, *, probing: bool = True, **settings: object) -> None:
        self.cluster = cluster
        self.settings = LagSettings(**settings)  # type: ignore[arg-type]
        self.timestamps = TimestampLog()
        self.collection = LagCollection(
            cluster,
            self.settings,
            self.timestamps,
            prober=cluster if probing else None,
            clock=cluster.clock,
        )
        self.readings: dict[str, GroupReading] = {}

    def collect(self) -> dict[str, GroupReading]:
        """One collection at the present moment, and what the poller does after it."""
        self.readings = {reading.group: reading for reading in self.collection.run()}
        self.collection.widen(time.monotonic() + 10)
        return self.readings

    def run(self, seconds: float, tick: Callable[[float], None] = lambda now: None) -> None:
        """Let time pass: `tick` every 0.1 s, samples and collections when they are due."""
        cluster, settings = self.cluster, self.settings
        steps = round(seconds * 10)
        for step in range(1, steps + 1):
            cluster.now += 0.1
            tick(cluster.now)
            if step % round(settings.interval_seconds * 10) == 0:
                self.collect()
            elif step % round(settings.sample_seconds * 10) == 0:
                self.collection.sample()

    def lag(self, group: str, topic: str, partition: int = 0) -> int | None:
        reading = self.readings[group]
        return reading.lags[reading.pairs.index((topic, partition))]

    def waited(self, group: str, topic: str, partition: int = 0) -> float | None:
        reading = self.readings[group]
        return reading.seconds[reading.pairs.index((topic, partition))]

    def status(self, group: str) -> str | None:
        status = self.readings[group].status
        return None if status is None else status.name.lower()


def explore(poller: LagPoller) -> None:
    """Learn all there is to learn about arrival times before the start; the next collection uses it."""
    poller.collection.widen(time.monotonic() + 600)


def pair_lag(view: LagView, group: str, topic: str, partition: int) -> int | None:
    """A group's lag at one partition; None if it isn't known."""
    reading = view.reading(group)
    if reading is None or (topic, partition) not in reading.pairs:
        return None
    return reading.lags[reading.pairs.index((topic, partition))]
