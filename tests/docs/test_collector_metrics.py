"""docs/collector.md has every metric that no other page has."""

from __future__ import annotations

import re
from pathlib import Path

from flowtrail_collector.events.metrics import TopicMetrics
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.runtime.metrics import CollectorMetrics
from flowtrail_collector.spans.metrics import SpanMetrics
from flowtrail_collector.spans.queue import SpanQueue
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.topology.metrics import TopologyMetrics
from tools.docs.blocks import ROOT


def test_every_metric_is_explained_and_no_other(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "store.sqlite")
    sources = (
        CollectorMetrics(SqliteStore(database), partitions=lambda: 1),
        SpanMetrics(SpanQueue(SqlSpans(database))),
        TopologyMetrics(dict),
        TopicMetrics(list),
    )
    suffix = {"counter": "_total", "info": "_info"}
    exported = {
        family.name + suffix.get(family.type, "") for source in sources for family in source.families()
    }
    database.close()
    page = (ROOT / "docs" / "collector.md").read_text(encoding="utf-8")
    table = page.split("## Metrics\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == exported
