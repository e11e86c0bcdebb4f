"""`flowtrail_dlq_*` and `flowtrail_redrive_*`."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flowtrail_collector.dead_letters.model.letter import Selection
from flowtrail_collector.dead_letters.model.redrive import Action
from flowtrail_collector.dead_letters.ports import Moved, Order
from flowtrail_collector.dead_letters.redrive_metrics import RedriveMetrics
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
from flowtrail_collector.metrics.exposition import Exposition
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from redrivekit import DLQ, dead, keep

NAMES = ("topic", "source_topic", "group")


@pytest.fixture
def store(tmp_path):
    database = SqliteDatabase(tmp_path / "store.sqlite")
    keep(database, [dead(n) for n in range(4)])
    yield SqlRedrive(database)
    database.close()


def samples(store):
    text = b"".join(Exposition([RedriveMetrics(store)]).page().chunks()).decode()
    return {
        (sample.name, *(sample.labels.get(name) for name in NAMES if sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_became_of_dead_letters(store):
    job = store.add_job(Order(), 0)
    letters = store.next_letters(job, 4)
    moved = [
        Moved(letters[0], Action.REDRIVEN, "orders", 0, 0, 1),
        Moved(letters[1], Action.QUARANTINED, "orders.quarantine", 0, 0, 3),
    ]
    store.settle(job, moved, {}, letters[1].place, 1)
    store.dismiss(Order(Selection(offset=2), actor="me"), "note", 2)
    labels = (DLQ, "orders", "billing")
    assert samples(store) == {
        ("flowtrail_dlq_redriven_total", *labels): 1,
        ("flowtrail_dlq_quarantined_total", *labels): 1,
        ("flowtrail_dlq_dismissed_total", *labels): 1,
        ("flowtrail_redrive_jobs",): 1,
        ("flowtrail_redrive_remaining",): 2,
    }


def test_series_are_bounded(store, monkeypatch):
    monkeypatch.setattr("flowtrail_collector.dead_letters.redrive_metrics._MAX_SERIES", 2)
    counts = {(DLQ, f"topic-{n}", "group", "redriven"): n for n in range(1, 6)}
    monkeypatch.setattr(store, "redriven_counts", lambda: counts)
    found = {key: value for key, value in samples(store).items() if key[0].endswith("redriven_total")}
    assert len(found) == 3
    assert sum(found.values()) == 15
