"""From events in a store, once SQLite and once PostgreSQL, to the file that `flowtrail flows learn` writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowtrail_collector.cli import main
from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql.postgres import PostgresStore
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.sagas.flow_file import load_flows
from flowtrail_collector.sagas.learning import sql as learning_reads
from flowtrail_collector.sagas.learning.sql import SqlInstances
from flowtrail_collector.sagas.learning.web import learning_routes
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.store.postgres.database import PostgresDatabase
from flowtrail_collector.web.app import build_app
from orderkit import DEMO_GROUPS, instances
from trailkit.web import served

DEMO = load_flows(Path(__file__).parents[3] / "demo" / "orderflow" / "flows.yaml").by_name["order-fulfilment"]
NOW_SECONDS = 10_000.0


def ingest(database, orders):
    """Everything through the real ingest: records with headers, one topic per service, in order of time."""
    store = PostgresStore(database) if isinstance(database, PostgresDatabase) else SqliteStore(database)
    flow_of = {event.id: events[0].id for events in orders for event in events}
    offsets: dict[str, int] = {}
    records = []
    for event in sorted((event for events in orders for event in events), key=lambda event: event.at_ms):
        offset = offsets[event.topic] = offsets.get(event.topic, -1) + 1
        headers = {
            "ce_specversion": "1.0",
            "ce_id": event.id,
            "ce_type": event.type,
            "ce_source": event.source,
            "ce_subject": f"order-{flow_of[event.id]}",
            "ce_correlationid": flow_of[event.id],
        }
        if event.cause:
            headers["ce_causationid"] = event.cause
        pairs = [(name, value.encode()) for name, value in headers.items()]
        records.append(Incoming(event.topic, 0, offset, event.at_ms, None, pairs))
    advances = [Advance(topic, 0, None, offset + 1, 0) for topic, offset in offsets.items()]
    Ingest(store, Flows()).apply(records, advances)


@pytest.fixture
def url(sql_database):
    ingest(sql_database, list(instances(120)))
    routes = learning_routes(
        SqlInstances(sql_database), lambda: DEMO_GROUPS, time_seconds=lambda: NOW_SECONDS
    )
    with served(build_app(routes, token=None, on_error=lambda part, error: None)) as url:
        yield url


def shape(flow):
    return (
        [(step.done, step.by, step.optional) for step in flow.steps],
        flow.starts,
        flow.completes,
        flow.cancels,
    )


@pytest.mark.slow
def test_the_draft_is_the_demo_s_own_flow(url, tmp_path, capsys):
    file = tmp_path / "flows.yaml"
    assert main(["flows", "learn", "--url", url, "--output", str(file)]) == 0
    assert main(["flows", "check", str(file)]) == 0
    assert " ".join(capsys.readouterr().out.split()).endswith("1 flow, ok")
    (flow,) = load_flows(file).by_name.values()
    assert shape(flow) == shape(DEMO)
    assert main(["flows", "learn", "--url", url, "--output", str(file)]) == 2
    assert "the file already exists" in capsys.readouterr().err
    assert main(["flows", "learn", "--url", url]) == 0
    assert capsys.readouterr().out == file.read_text()


def test_what_is_looked_at_can_be_narrowed(url, capsys):
    assert main(["flows", "learn", "--url", url, "--json", "--instances", "40"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["instances"] == 40
    assert [flow["name"] for flow in found["flows"]] == ["order-placed"]
    # Order n is placed in minute n.
    assert main(["flows", "learn", "--url", url, "--json", "--since", f"{int(NOW_SECONDS - 60 * 100)}s"]) == 0
    assert json.loads(capsys.readouterr().out)["instances"] == 20
    assert main(["flows", "learn", "--url", url, "--since", "1s"]) == 1
    assert "No flow could be found" in capsys.readouterr().out
    assert main(["flows", "learn", "--url", url, "--since", "soon"]) == 2


def test_how_much_is_read_is_bounded(sql_database, monkeypatch):
    ingest(sql_database, list(instances(50, outcomes=["completed"])))
    reader = SqlInstances(sql_database)
    assert [len(events) for events in reader.instances(100)] == [7] * 50
    assert len(reader.instances(100, since_ms=60_000 * 45)) == 5
    monkeypatch.setattr(learning_reads, "_MAX_EVENTS", 25)
    assert [len(events) for events in reader.instances(100)] == [7] * 3
    monkeypatch.setattr(learning_reads, "_WINDOW_ROWS", 14)
    assert [len(events) for events in reader.instances(100)] == [7] * 2
    monkeypatch.setattr(learning_reads, "_MAX_PER_INSTANCE", 6)
    assert reader.instances(100) == []
