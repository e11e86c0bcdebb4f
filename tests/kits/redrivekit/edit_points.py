"""Edits of dead letters, each in a process that kills itself (SIGKILL) at a point of it: `edit_points.py EDITS-AS-JSON`.

Begun again without a point it goes on with what is in the store, as a collector does. The processes are forks of this
one, which has no threads and no connections: importing everything takes much longer than an edit.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.mover import KafkaRecordMover
from flowtrail_collector.dead_letters.mending.change import Change
from flowtrail_collector.dead_letters.mending.desk import MendingDesk
from flowtrail_collector.dead_letters.redriver import Redriver
from flowtrail_collector.dead_letters.sql.edits import SqlEdits
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
from flowtrail_collector.events.contracts import RegisteredContracts
from flowtrail_collector.store.open import open_store
from flowtrail_collector.store.sql import Database

POINTS = (
    "before begin", "after begin", "before next_letters", "before read", "after read", "before publish",
    "after publish", "before settle", "after settle", "before end_job", "after end_job",
)  # fmt: skip
"""Before or after which call of the store or the broker it dies."""


class _Killed:
    """What it is given, but it dies before or after one call."""

    def __init__(self, inner: Any, point: str | None) -> None:
        self._inner = inner
        self._when, _, self._name = (point or "").partition(" ")

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name != self._name:
            return found

        def call(*values: Any, **named: Any) -> Any:
            if self._when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            found(*values, **named)
            os.kill(os.getpid(), signal.SIGKILL)

        return call


def database_at(store: str) -> Database:
    """What a file's path or the URL of a PostgreSQL database names."""
    return open_store(store if "://" in store else Path(store)).database


def edit(asked: dict[str, Any], point: str | None) -> None:
    """Edit the dead letter unless that has begun, and redrive until nothing is left."""
    database = database_at(asked["store"])
    store: Any = _Killed(SqlRedrive(database), point)
    edits: Any = _Killed(SqlEdits(database), point)
    connection, place = read_connection(asked["kafka"]), (asked["topic"], 0, asked["offset"])
    if not edits.edits(place):
        desk = MendingDesk(store, edits, KafkaRecordMover(connection), RegisteredContracts(None))
        change = Change(asked["reason"], asked["value"], key=[asked["key"]], headers=asked["headers"])
        desk.send(place, change, "ann", "127.0.0.1")
    mover: Any = _Killed(KafkaRecordMover(connection), point)
    redriver = Redriver(store, mover)
    while (job := store.next_job()) is not None:
        redriver._do(job, threading.Event())
    database.close()


def ended(asked: dict[str, Any], point: str | None) -> int:
    """How an edit in a process of its own ended: an exit code, or a signal's number below zero."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            edit(asked, point)
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    print(json.dumps([[ended(one, one["point"]), ended(one, None)] for one in json.loads(sys.argv[1])]))
