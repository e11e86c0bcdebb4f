"""A service that is killed with `kill -9` while it works: three times, with `FLOWTRAIL_FULL=1` twenty."""

import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from instrumentation.delivery.ground import Ground, ground_of, header, wait_for
from instrumentation.delivery.worker import WORKER, effects_in, nothing_pending, service
from waiting import scaled

pytestmark = [pytest.mark.servers, pytest.mark.slow(12), pytest.mark.timeout(400)]

FULL = os.environ.get("FLOWTRAIL_FULL") == "1"
KILLS = 20 if FULL else 3
CHUNK = 100
EVENTS = KILLS * CHUNK
AFTERWARDS = 12


class Snapshot(NamedTuple):
    """What was committed at some moment, and what had been published a moment later."""

    committed: dict[int, int]
    published: dict[int, int]


def snapshot(ground: Ground, topic: str) -> Snapshot:
    return Snapshot(ground.committed(f"{topic}-by-hand", topic), ground.ends(f"{topic}-direct"))


def test_killed_again_and_again_under_load(kafka: str, topic: Callable[..., str], tmp_path: Path) -> None:
    name = topic("in")
    database = tmp_path / "worker.db"
    # A killed member is missed soon: the next process needn't wait longer for its partitions.
    settings = {"consumer": {"session_timeout_ms": int(scaled(1) * 1000), "heartbeat_interval_ms": 250}}
    command = [sys.executable, WORKER, kafka, str(database), name, "kafka-python", json.dumps(settings)]
    randomly = random.Random(4)
    with ground_of(kafka) as ground:
        ground.create(name, f"{name}-direct", f"{name}-outbox")
        snapshots = []
        for kill in range(KILLS):
            ground.publish(name, range(kill * CHUNK, (kill + 1) * CHUNK))
            before = ground.ends(f"{name}-direct")
            with service(command):
                # Killed in the middle of work: there is some, and it has begun.
                wait_for(lambda seen=before: ground.ends(f"{name}-direct") != seen, "work")  # type: ignore[misc]
                time.sleep(randomly.uniform(0.0, 0.5))
            snapshots.append(snapshot(ground, name))
        # Some work is left for the last process in any case: once that is done, it is up.
        ground.publish(name, range(EVENTS, EVENTS + AFTERWARDS))
        with service(command) as process:
            wait_for(
                lambda: all(ground.caught_up(f"{name}-{group}", name) for group in ("by-hand", "inbox")),
                "both groups",
                120,
            )
            wait_for(lambda: nothing_pending(database), "the outbox")
            process.terminate()
            assert process.wait(scaled(30)) == 0
        check(ground, name, database, snapshots)


def check(ground: Ground, topic: str, database: Path, snapshots: list[Snapshot]) -> None:
    expected = {f"in-{number}" for number in range(EVENTS + AFTERWARDS)}
    where = {(record.partition(), record.offset()): header(record, "ce_id") for record in ground.read(topic)}
    assert set(where.values()) == expected
    direct = ground.read(f"{topic}-direct")
    assert {header(record, "ce_causationid") for record in direct} == expected, "none is lost"
    first_seen: dict[str, list[tuple[int, int]]] = {}
    for record in direct:
        places = first_seen.setdefault(header(record, "ce_causationid"), [])
        places.append((record.partition(), record.offset()))
    for committed, published in snapshots:
        for (partition, offset), event_id in where.items():
            if offset < committed[partition]:
                assert any(at < published[number] for number, at in first_seen[event_id]), "committed early"
    assert effects_in(database) == dict.fromkeys(expected, 1), "with the inbox each happens exactly once"
    relayed = ground.read(f"{topic}-outbox")
    assert {header(record, "ce_causationid") for record in relayed} == expected
    assert {header(record, "ce_correlationid") for record in relayed} == expected
