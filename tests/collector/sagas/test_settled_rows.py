"""What the sweep decides of an instance is written without writing the instance whole."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.store.sqlite.database import SqliteDatabase

BEFORE = SagaRecord("orders", "k", "order-1", started_ms=1, updated_ms=9, waiting=("charge", "ship"), waiting_since_ms=2,
                    next_deadline_ms=7, events={5: (1, "OrderPlaced", 0), -6: (9, "StockReserved", 5)}, instance=2)  # fmt: skip
DECIDED = {
    "outcome": Outcome.TIMED_OUT, "started_ms": 3, "ended_ms": 8, "waiting": ("ship",), "waiting_since_ms": None,
    "next_deadline_ms": None, "breached": ("charge#0", "ship"), "conflict": True, "not_undone": True,
    "completed_late": True, "repeated_starts": 2, "late_events": 1,
}  # fmt: skip
STAYS = {"flow", "key", "subject", "updated_ms", "events", "instance", "followed"}


def test_every_field_is_either_decided_or_stays() -> None:
    assert {field.name for field in fields(SagaRecord)} == DECIDED.keys() | STAYS


@pytest.mark.parametrize("names", [*([name] for name in DECIDED), list(DECIDED)], ids=lambda names: names[-1])
@pytest.mark.parametrize("followed", [False, True])
def test_what_was_decided_is_read_again_and_the_rest_stays(tmp_path, names, followed) -> None:
    database = SqliteDatabase(tmp_path / "store.sqlite")
    store, before = SqliteStore(database), replace(BEFORE, followed=followed)
    other = replace(BEFORE, key="other")
    after = replace(before, **{name: DECIDED[name] for name in names})
    key = SagaKey("orders", before.row_key)
    with store.unit() as unit:
        unit.save_sagas([before, other])
    with store.unit() as unit:
        unit.settle_sagas([after])
    with store.unit() as unit:
        assert unit.load_sagas([key, SagaKey("orders", "other")]) == {
            key: after,
            SagaKey("orders", "other"): other,
        }
    with database.read() as connection:
        settled = connection.execute("SELECT * FROM sagas ORDER BY key").fetchall()
    with store.unit() as unit:
        unit.save_sagas([after])
    with database.read() as connection:
        assert connection.execute("SELECT * FROM sagas ORDER BY key").fetchall() == settled
    database.close()
