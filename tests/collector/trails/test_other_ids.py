"""Flows whose events come from several correlations are one trail with one saga."""

from __future__ import annotations

import pytest

from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.trails.finder import TrailFinder
from flowtrail_collector.trails.sql import TrailReads
from trailkit.fakes import FakeSpans

FLOWS = """
flows:
  returns:
    correlate: subject
    starts: OrderShipped
    completes: MoneyPaidBack
    steps:
      receive: {done: ParcelReceived}
      pay-back: {done: MoneyPaidBack, after: receive}
"""


def event(offset, kind, correlation, order="o-1"):
    texts = {"ce_id": f"e{offset}", "ce_type": kind, "ce_source": "/x", "ce_subject": order}
    if correlation:
        texts["ce_correlationid"] = correlation
    return Incoming("t", 0, offset, 1_000 + offset, None, [(k, v.encode()) for k, v in texts.items()])


@pytest.mark.parametrize("correlations", [("c1", "c2"), ("c1", "c1"), (None, None)])
def test_the_trail_of_such_an_order_has_its_saga(tmp_path, correlations):
    database = SqliteDatabase(tmp_path / "store.sqlite")
    flows, store = parse_flows(FLOWS), SqliteStore(database)
    records = [
        event(0, "OrderShipped", correlations[0]),
        event(1, "ParcelReceived", correlations[1]),
        event(2, "OrderShipped", "c3", "o-2"),
    ]
    Ingest(store, flows).apply(records, [Advance("t", 0, None, 3, 2_000)])
    reads = TrailReads(database, flows)
    finder = TrailFinder(reads, FakeSpans(), flows)
    wanted = ["o-1", "e0", *{name for name in correlations if name}]
    for name in wanted:
        trail = finder.find(name).trail
        assert [(saga.flow, saga.key) for saga in trail.sagas] == [("returns", "o-1")], name
        assert [step.step for step in trail.missing] == ["pay-back"]
    assert len(finder.find("o-1").trail.entries) == 2
    assert [item.event_id for item in reads.events_of_instances(["o-1"], 10)] == ["e0", "e1"]
    database.close()
