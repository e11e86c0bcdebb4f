"""A collector's lag on a hostile cluster, and what it says held to what is true."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
from flowtrail_collector.lag import LagPoller, LagSettings
from flowtrail_collector.lag.ports import Failure, FirstRecord, RecordProber
from hostilekit._memory import Look
from hostilekit._oracle import Oracle
from hostilekit._pairs import Rules
from hostilekit._record import Log, Place
from pagekit import MetricsPage, Series
from waiting import scaled

__all__ = ["RULES", "Watcher", "differences", "told_apart"]

_LOGGER = logging.getLogger("flowtrail_collector.lag")
_OWN = "flowtrail_collector_lag_"
RULES = Rules(window=2.0, patience=1.5, read_committed="rc")
_SETTINGS = LagSettings(
    read_committed="^rc", compat=("kafka_exporter",), window_seconds=RULES.window, interval_seconds=0.05,
    keep_failing_seconds=RULES.patience, slow_seconds=0.05, timeout_seconds=30, probes=1000,
)  # fmt: skip
# What the collector calls the thread that lists share groups.
_LISTS_OTHERS = "flowtrail-groups"
_ABOUT_THE_CLUSTER = ("kafka_brokers", "kafka_broker_info", "kafka_exporter_build_info")


class Listener:
    """Looks at records, and remembers what a broker said nothing about in time, and how often in a row.

    Args:
        prober: looks at them.
    """

    def __init__(self, prober: RecordProber) -> None:
        self._prober = prober
        self.silent: dict[tuple[str, int, int], int] = {}
        self.told: list[tuple[tuple[str, int, int], FirstRecord]] = []

    def first_records(
        self, places: Sequence[tuple[str, int, int]], deadline: float
    ) -> tuple[Mapping[tuple[str, int, int], FirstRecord], Sequence[Failure]]:
        found, failures = self._prober.first_records(places, deadline)
        self.told += found.items()
        for place in places:
            times = self.silent.pop(place, 0)
            if place not in found:
                self.silent[place] = times + 1
        return found, failures

    def close(self) -> None:
        self._prober.close()


class Unlisted(logging.Handler):
    """Hears when share groups couldn't be listed: a machine that is busy may not connect in time."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard = False

    def emit(self, record: logging.LogRecord) -> None:
        self.heard |= "are not listed" in record.msg


class Watcher:
    """A collector's lag, collected when told to."""

    def __init__(self, bootstrap: str) -> None:
        connection = read_connection(bootstrap, environ={})
        # Short, whatever the machine: each transaction under way takes it in each cycle.
        self._listener = Listener(KafkaRecordProber(connection, silence_seconds=0.3))
        source = KafkaLagSource(connection, others_seconds=0)
        self.poller = LagPoller(source, _SETTINGS, prober=self._listener)
        self._unlisted = Unlisted()
        _LOGGER.addHandler(self._unlisted)
        _LOGGER.setLevel(logging.DEBUG)
        self.cycles = 0

    def collect(self) -> Look:
        """Collect once."""
        began, silent = time.time(), dict(self._listener.silent)
        unlisted, self._unlisted.heard = self._unlisted.heard, False
        self.poller.collect()
        # Nobody is new, and no state is, where the list of groups itself didn't come in time.
        unlisted |= any(failure.name == "groups" for failure in self.poller.collection.failures.present)
        self.cycles += 1
        return Look(began, time.time(), silent, unlisted=unlisted)

    def learn(self, logs: Mapping[Place, Log] = MappingProxyType({})) -> list[str]:
        """What a collector does between two collections; what it was told then that isn't so, held to these logs."""
        self._listener.told.clear()
        self.poller.collection.widen(time.monotonic() + 30)
        for thread in threading.enumerate():
            if thread.name == _LISTS_OTHERS:
                thread.join(scaled(20))
        return [
            f"{topic!r} {partition}: {told} is told of {offset}, the log starts at {log.start} and ends at {log.end}"
            for (topic, partition, offset), told in self._listener.told
            if (log := logs.get((topic, partition))) is not None
            and not log.compacted
            and (
                any(log.entries[at].kind == "record" for at in range(offset, min(told.offset, log.end)))
                or (told.exists and log.entries[told.offset].kind in ("aborted", "marker"))
            )
        ]

    def close(self) -> None:
        _LOGGER.removeHandler(self._unlisted)
        self.poller.close()

    def is_stale(self, page: MetricsPage, leaderless: set[str], *, just_lost: bool) -> list[str]:
        """What tells that the page isn't that of the last collection, or that more couldn't be read than has to be.

        Args:
            page: what is shown.
            leaderless: topics of which a partition has no leader.
            just_lost: a broker may just have gone.
        """
        own = {
            "age_seconds": (0.0, scaled(5.0)), "cycles_total": (self.cycles, self.cycles),
            "groups": (len(self.poller.view.readings),) * 2,
        }  # fmt: skip
        found = []
        for family, (low, high) in own.items():
            value = page.one(f"{_OWN}{family}")
            if value is None or not low <= value <= high:
                found.append(f"{family} is {value}")
        told = [dict(series[1]) for series in page.values if series[0] == f"{_OWN}failure"]
        known = {
            each["name"] for each in told if each["scope"] == "topic" and "has no leader" in each["reason"]
        }
        others = [each for each in told if each["name"] not in known]
        if just_lost:
            others = [each for each in others if each["name"] != "groups"]
        missing = [f"{topic!r} has no leader, and nobody says so" for topic in leaderless - known]
        return found + missing + [f"failure: {each}" for each in others]

    def page(self, *, openmetrics: bool = False) -> MetricsPage:
        return MetricsPage(self.poller.metrics.text(openmetrics).decode())


def differences(page: MetricsPage, oracle: Oracle) -> list[str]:
    """What is on the page and shouldn't be, isn't and should, or has another value."""
    expected = oracle.figures()
    shown = {series: value for series, value in page.values.items() if is_compared(series)}
    found = [f"{name(series)} is {shown.get(series)}, not {allowed}" for series, allowed in expected.items()
             if shown.get(series) not in allowed]  # fmt: skip
    return found + [
        f"{name(series)} is {value}, not absent" for series, value in shown.items() if series not in expected
    ]


def is_compared(series: Series) -> bool:
    return not series[0].startswith(_OWN) and series[0] not in _ABOUT_THE_CLUSTER


def name(series: Series) -> str:
    return f"{series[0]}{dict(series[1])}"


def told_apart(watcher: Watcher, page: MetricsPage) -> list[str]:
    """Where the API says something else than the page."""
    found = []
    view = watcher.poller.view
    overview = {group["group"]: group for group in view.overview()["groups"]}
    for group, told in overview.items():
        detail = view.detail(group)
        assert detail is not None
        for key, family in {
            "lag": "kafka_consumergroup_group_sum_lag", "max_lag": "kafka_consumergroup_group_max_lag",
            "lag_at_least": "flowtrail_group_lag_at_least", "members": "flowtrail_group_members",
            "partitions_read": "flowtrail_group_partitions", "known_partitions": "flowtrail_group_known_partitions",
            "orphaned_commits": "flowtrail_group_orphaned_commits", "lag_seconds": "kafka_consumergroup_group_max_lag_seconds",
            "uncommitted_partitions": "flowtrail_group_uncommitted_partitions",
        }.items():  # fmt: skip
            if told[key] != page.one(family, group=group):
                found.append(f"{group!r} {key}: {told[key]}, {page.one(family, group=group)} on the page")
        for row in detail["groups"][0]["partitions"]:
            where = {"topic": row["topic"], "partition": str(row["partition"])}
            mine = {"group": group, **where}
            for value, series in (
                (row["end"], page.one("kafka_partition_latest_offset", **where)),
                (row["offset"], page.one("kafka_consumergroup_group_offset", **mine)),
                (
                    row["lag"] if row["offset"] is not None else None,
                    page.one("kafka_consumergroup_group_lag", **mine),
                ),
            ):
                if value != series and not (group.startswith("rc") and value == row["end"]):
                    found.append(f"{mine}: {value}, {series} on the page")
    return found
