"""Edits on a real Kafka whose collector is killed (SIGKILL): nothing is lost, nothing goes unedited, all is audited."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error

import pytest
from confluent_kafka import Producer

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.mover import KafkaRecordMover
from flowtrail_collector.dead_letters.sql.edits import SqlEdits
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
from redrivekit import dead, keep, own_headers, states
from redrivekit.edit_points import POINTS, database_at
from redrivekit.killing import LETTERS, PARTITIONS, KilledRedrive
from servers._process import wait_for
from waiting import scaled

pytestmark = [pytest.mark.servers, pytest.mark.slow(60)]

ORIGINAL, NEW = b'{"total_cents": -5}', '{"total_cents": 5}'
KILLS, EDITS = 5, 30


@pytest.fixture(params=["sqlite", "postgres"])
def store(request, tmp_path):
    """Where a collector is told to keep what it knows."""
    if request.param == "sqlite":
        return str(tmp_path / "store.sqlite")
    return request.getfixturevalue("postgres")


@pytest.fixture
def mover(kafka):
    mover = KafkaRecordMover(read_connection(kafka))
    yield mover
    mover.close()


def run(edits):
    """How each edit ended, killed and then begun again."""
    command = [sys.executable, "-m", "redrivekit.edit_points", json.dumps(edits)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, timeout=scaled(120), check=True, env=environment, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def test_killed_at_each_point_it_arrives_edited_and_is_audited_once(kafka, mover, topic, store):
    source, letters = topic("orders"), topic("dlq")
    for name in (source, letters):
        mover.make_topic(name, 1)
    headers = own_headers(source=source)
    producer = Producer({"bootstrap.servers": kafka})
    for n in range(len(POINTS)):
        producer.produce(letters, ORIGINAL, b"order-%d" % n, 0, timestamp=1_000 + n, headers=headers)
    assert producer.flush(scaled(20)) == 0
    database = database_at(store)
    rows = [dead(n, topic=letters, timestamp_ms=1_000 + n) for n in range(len(POINTS))]
    keep(database, [row._replace(source_topic=source) for row in rows])
    database.close()
    asked = [
        {
            "store": store, "kafka": kafka, "topic": letters, "offset": n, "value": NEW, "key": f"new-{n}",
            "headers": {"ce_id": f"edited-{n}"}, "reason": f"reason {n}", "point": point,
        }
        for n, point in enumerate(POINTS)
    ]  # fmt: skip
    ends = dict(zip(POINTS, run(asked), strict=True))
    assert ends == {point: [-signal.SIGKILL, 0] for point in POINTS}
    database = database_at(store)
    jobs, edits = SqlRedrive(database), SqlEdits(database)
    end = 2 * len(POINTS)
    arrived = mover.read([(source, 0, n) for n in range(end)], 20).values()
    for n, point in enumerate(POINTS):
        place = (letters, 0, n)
        found = [
            (record.key, record.value) for record in arrived if ("ce_id", b"edited-%d" % n) in record.headers
        ]
        copies = {1, 2} if point in ("after publish", "before settle") else {1}
        assert len(found) in copies, point
        assert set(found) == {(b"new-%d" % n, b'{"total_cents":5}')}, point
        (moved,) = jobs.audit(10, place=place)
        assert (moved.action, moved.actor, moved.note) == (
            "redriven", "ann", f"edited key, value, header ce_id: reason {n}",
        )  # fmt: skip
        (edit,) = edits.edits(place)
        assert (edit.job, edit.actor, edit.reason) == (moved.job, "ann", f"reason {n}")
        assert '-  "total_cents": -5\n+  "total_cents": 5' in edit.diff
        assert jobs.replacement(edit.job) is None
        assert [line.action for line in jobs.writes(100) if line.detail.startswith(edit.job)] == ["edit"]
        (original,) = mover.read([place], 20).values()
        assert (original.value, original.key) == (ORIGINAL, b"order-%d" % n)
    assert not [record for record in arrived if record.value == ORIGINAL]
    assert set(states(database).values()) == {"redriven"}
    database.close()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_collector_killed_five_times_loses_no_edit(kafka, store, tmp_path, processes):
    site = KilledRedrive(kafka, tmp_path, store, ["--show-payloads", "--processes", str(processes)])
    site.collector.start()
    try:
        site.bury(EDITS)
        assert wait_for(lambda: site.pending() == EDITS, 60)
        chance = random.Random(5)
        edited: list[int] = []
        killer = threading.Thread(target=_kill, args=(site, chance, edited))
        killer.start()
        for n in range(EDITS):
            _edit(site, n)
            edited.append(n)
        killer.join(scaled(120))
        assert not killer.is_alive()
        assert wait_for(lambda: site.pending() == 0, 60)
        arrived = {n: [] for n in range(EDITS)}
        for record in site.records(site.source):
            headers = dict(record.headers())
            arrived[int(headers["ce_id"].removeprefix(b"event-"))].append(record.value())
        for n, values in arrived.items():
            assert set(values) == {b'{"order":"%d","mended":true}' % n}, n
        assert sum(map(len, arrived.values())) <= EDITS + KILLS
        audit = site.get(f"{LETTERS}/audit?limit=1000")
        assert sorted(line["note"] for line in audit["moved"]) == sorted(
            f"edited value: mend {n}" for n in range(EDITS)
        )
        edits = [line["detail"] for line in audit["writes"] if line["action"] == "edit"]
        assert sorted(text.rpartition(": ")[2] for text in edits) == sorted(f"mend {n}" for n in range(EDITS))
    finally:
        site.collector.kill()


def _kill(site, chance, edited):
    """Five times, at moments spread over the edits and a little after; of two processes sometimes only the reader."""
    for n in range(KILLS):
        goal = (n + chance.random()) * EDITS / KILLS
        assert wait_for(lambda goal=goal: len(edited) >= goal, 300)
        time.sleep(chance.random() * 0.2)  # anywhere in an edit
        writer, *reader = site.pids()
        with contextlib.suppress(ProcessLookupError):  # one that is just being replaced
            os.kill(reader[0] if reader and n % 2 else writer, signal.SIGKILL)
        if reader and n % 2:
            continue
        site.collector.kill()
        site.collector.start()


def _edit(site, n):
    """Edit one as somebody would who gets no answer: look whether it counts, and ask again if not."""
    place = f"{site.dlq}/{n % PARTITIONS}/{n // PARTITIONS}"
    body = {"value": json.dumps({"order": str(n), "mended": True}), "reason": f"mend {n}", "by": "ann"}

    def asked():
        try:
            if not site.post(f"{LETTERS}/{place}/payload", {"by": "ann"})["edits"]:
                site.post(f"{LETTERS}/{place}/edit", body)
        except urllib.error.HTTPError as error:
            if error.code != 503:  # it has only begun, and Kafka hasn't answered yet
                raise AssertionError(error.read()) from None
            return False
        except (OSError, ValueError, http.client.HTTPException):  # killed
            return False
        return True

    assert wait_for(asked, 60), place
