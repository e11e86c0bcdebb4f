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


@pytest.mark.parametrize("followed", [False, True])
@pytest.mark.parametrize("late_events", [0, -1])  # -1: as the version before left it
def test_of_one_that_simply_completed_the_row_is_as_if_it_were_written_whole(
    tmp_path, followed, late_events
) -> None:
    database = SqliteDatabase(tmp_path / "store.sqlite")
    store, before = SqliteStore(database), replace(BEFORE, followed=followed)
    neighbours = [replace(BEFORE, key=key) for key in ("j", "l")]
    with store.unit() as unit:
        unit.save_sagas([neighbours[0], before, neighbours[1]])
    with database.transaction() as connection:
        connection.execute("UPDATE sagas SET late_events = ?", (late_events,))
    with store.unit() as unit:
        due = unit.due_sagas(7, 9, (), others=True)
        (after,) = (
            replace(saga, outcome=Outcome.COMPLETED, started_ms=3, ended_ms=9, waiting=(),
                    waiting_since_ms=None, next_deadline_ms=None) for saga in due if saga.key == "k"
        )  # fmt: skip
        unit.complete_sagas([after])
        with pytest.raises(KeyError):  # nothing is written of what wasn't due
            unit.complete_sagas([replace(after, key="unknown")])
    with database.read() as connection:
        completed = connection.execute("SELECT * FROM sagas WHERE key LIKE 'k%'").fetchall()
        others = connection.execute("SELECT key, outcome FROM sagas WHERE key NOT LIKE 'k%'").fetchall()
    assert sorted(others) == [("j", "open"), ("l", "open")]
    with store.unit() as unit:
        unit.save_sagas([after])
    with database.read() as connection:
        assert connection.execute("SELECT * FROM sagas WHERE key LIKE 'k%'").fetchall() == completed
    database.close()
