"""docs/lag.md names every lag metric, status and setting."""

import re
from pathlib import Path

import pytest

from flowtrail_collector.lag.metrics.exposition import CycleFigures, LagPage
from flowtrail_collector.lag.model import Status
from flowtrail_collector.settings import SETTINGS
from lagkit import SimulatedCluster, Watch

DOCS = (Path(__file__).parents[3] / "docs" / "lag.md").read_text(encoding="utf-8")
FIGURES = CycleFigures(1_700_000_000.0, 0.25, 3, 2, 4, {"group": 1}, {"group": 0})


def exported() -> list[str]:
    cluster = SimulatedCluster()
    cluster.topic("orders")
    cluster.produce("orders", count=5)
    cluster.commit("billing", "orders", 0, 2)
    watch = Watch(cluster)
    watch.run(10)
    page = LagPage(compat=["kafka_exporter"])
    page.publish(list(watch.readings.values()), watch.collection.table, FIGURES)
    return re.findall(r"^# TYPE (\S+)", page.text(openmetrics=False).decode(), re.MULTILINE)


@pytest.mark.parametrize("name", exported())
def test_every_metric_is_documented(name: str) -> None:
    assert f"`{name}`" in DOCS


@pytest.mark.parametrize("status", Status)
def test_every_status_is_documented(status: Status) -> None:
    assert f"| {status.value} | `{status.name.lower()}` |" in DOCS


def test_every_option_is_documented() -> None:
    options = [f"--{each.option}" for each in SETTINGS if each.field.startswith(("lag.", "push."))]
    assert "--lag-window" in options
    for option in options:
        assert option in DOCS
