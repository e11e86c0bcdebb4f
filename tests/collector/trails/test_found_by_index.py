"""A trail is found by looking up what is its own: no table that grows is read whole, whatever the id is of."""

from __future__ import annotations

import pytest

from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.trails.finder import TrailFinder
from flowtrail_collector.trails.sql import TrailReads
from sagakit import Happening, core

TRACE = f"{7:032x}"
IDS = {
    "order id": "order-1", "correlation id": "f1", "event id": "f1-OrderPlaced", "trace id": TRACE, "nothing": "who",
}  # fmt: skip
SMALL = ("CONSTANT", "positions", "span_resources")


def plans_of(database, ask):
    """How SQLite finds what is asked for: a line for each table of each statement."""
    asked = []
    with database.read() as connection:
        connection.set_trace_callback(asked.append)
    ask()
    with database.read() as connection:
        connection.set_trace_callback(None)
        texts = {text for text in asked if text.lstrip().startswith(("SELECT", "WITH"))}
        return {text: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")] for text in texts}


@pytest.mark.parametrize("wanted", IDS.values(), ids=IDS.keys())
def test_no_table_is_read_whole(wanted, tmp_path):
    with core(tmp_path) as made:
        made.read(
            Happening("OrderPlaced", 0, flow=f"f{number}", subject=f"order-{number}") for number in range(3)
        )
        reads = TrailReads(made.database, made.flows)
        finder = TrailFinder(reads, SqlSpans(made.database), made.flows)
        plans = plans_of(made.database, lambda: finder.find(wanted))
    assert plans
    whole = {
        text: lines
        for text, plan in plans.items()
        if (lines := [line for line in plan if line.startswith("SCAN") and line.split()[1] not in SMALL])
    }
    assert whole == {}
