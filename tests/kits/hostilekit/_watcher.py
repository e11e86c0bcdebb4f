"""A collector's lag on a hostile cluster, and what it says held to what is true."""

import time

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
from flowtrail_collector.lag import LagPoller, LagSettings
from hostilekit._oracle import Oracle
from hostilekit._pairs import Rules
from pagekit import MetricsPage, Series
from waiting import scaled

__all__ = ["RULES", "Watcher", "differences", "told_apart"]

_OWN = "flowtrail_collector_lag_"
RULES = Rules(window=2.0, patience=1.5, read_committed="rc")
_SETTINGS = LagSettings(
    read_committed="^rc", compat=("kafka_exporter",), window_seconds=RULES.window, interval_seconds=0.05,
    keep_failing_seconds=RULES.patience, slow_seconds=0.05, timeout_seconds=30, probes=1000,
)  # fmt: skip
_ABOUT_THE_CLUSTER = ("kafka_brokers", "kafka_broker_info", "kafka_exporter_build_info")


class Watcher:
    """A collector's lag, collected when told to."""

    def __init__(self, bootstrap: str) -> None:
        connection = read_connection(bootstrap, environ={})
        prober = KafkaRecordProber(connection, silence_seconds=scaled(0.3))
        self.poller = LagPoller(KafkaLagSource(connection), _SETTINGS, prober=prober)
        self.cycles = 0

    def collect(self) -> tuple[float, float]:
        """Collect once; between which times."""
        began = time.time()
        self.poller.collect()
        self.cycles += 1
        return began, time.time()

    def learn(self) -> None:
        """What a collector does between two collections."""
        self.poller.collection.widen(time.monotonic() + 30)

    def close(self) -> None:
        self.poller.close()

    def is_stale(self, page: MetricsPage) -> list[str]:
        """What tells that the page isn't that of the last collection, or that something couldn't be read."""
        own = {
            "age_seconds": (0.0, 5.0), "cycles_total": (self.cycles, self.cycles),
            "groups": (len(self.poller.view.readings),) * 2,
        }  # fmt: skip
        found = []
        for family, (low, high) in own.items():
            value = page.one(f"{_OWN}{family}")
            if value is None or not low <= value <= high:
                found.append(f"{family} is {value}")
        return found + [name(series) for series in page.values if series[0] == f"{_OWN}failure"]

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
