"""A redrive on a real broker whose collector is killed (SIGKILL) while it is at it."""

from __future__ import annotations

import os

import pytest

from flowtrail_collector.dead_letters.redriver import BATCH
from redrivekit.killing import LETTERS, KilledRedrive
from servers._process import wait_for

pytestmark = [pytest.mark.servers, pytest.mark.slow]

FULL = bool(os.environ.get("FLOWTRAIL_FULL"))
COUNT, KILLS, RATE = (100_000, 5, 0.0) if FULL else (3_000, 2, 1_000.0)


@pytest.fixture
def killed(kafka, tmp_path):
    killed = KilledRedrive(kafka, tmp_path)
    killed.collector.start()
    yield killed
    killed.collector.kill()


@pytest.mark.timeout(1_200 if FULL else 180)
def test_everything_arrives_and_of_each_kill_at_most_a_batch_twice(killed):
    killed.bury(COUNT)
    outcome = killed.run(COUNT, KILLS, rate=RATE)
    assert outcome.kills == KILLS, outcome.kill_points
    assert outcome.arrived.keys() == set(range(COUNT))
    assert outcome.arrived.total() - COUNT <= KILLS * BATCH
    assert outcome.changed == []
    assert outcome.job["state"] == "done"
    assert (outcome.job["redriven"], outcome.job["left"], outcome.job["refused"]) == (COUNT, 0, 0)
    assert killed.pending() == 0


@pytest.mark.skipif(not FULL, reason="FLOWTRAIL_FULL runs it on PostgreSQL as well")
def test_the_same_on_postgresql(kafka, postgres, tmp_path):
    killed = KilledRedrive(kafka, tmp_path, postgres)
    killed.collector.start()
    try:
        killed.bury(20_000)
        outcome = killed.run(20_000, KILLS)
        assert outcome.arrived.keys() == set(range(20_000))
        assert outcome.arrived.total() - 20_000 <= KILLS * BATCH
        assert outcome.job["redriven"] == 20_000
    finally:
        killed.collector.kill()


def test_one_that_keeps_failing_ends_in_quarantine(killed):
    for replays in range(4):
        # a consumer gives it up again each time, with the count of replays that it brought along
        killed.bury(1, replays)
        assert wait_for(lambda: killed.pending() == 1, 30)
        job = killed.post(f"{LETTERS}/redrive", {"all": True})
        assert wait_for(lambda job_id=job["id"]: killed.job(job_id)["state"] == "done", 30)
    assert killed.job(job["id"])["quarantined"] == 1
    replays = [dict(record.headers())["dlq.replays"] for record in killed.records(killed.source)]
    assert replays == [b"1", b"2", b"3"]
    (last,) = killed.records(f"{killed.source}.quarantine")
    headers = dict(last.headers())
    assert (headers["ce_id"], headers["dlq.replays"], headers["dlq.error.type"]) == (
        b"event-0", b"3", b"ValueError",
    )  # fmt: skip
