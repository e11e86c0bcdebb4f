"""A collector killed at any moment counts as if nothing had happened: real processes, real brokers."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from flowtrail_collector.errors import StoreError
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from sagakit.load import FLOWS, WAIT_SECONDS, Services, counted
from waiting import Deadline, scaled

pytestmark = pytest.mark.servers

KILLS = 20 if os.environ.get("FLOWTRAIL_FULL", "") not in ("", "0") else 6


@contextlib.contextmanager
def collector(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-m", "sagakit", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stdout.readline() == "started\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def stored(path):
    """What the store says; on a busy machine a collector that writes may keep it longer than SQLite waits."""
    deadline = Deadline(WAIT_SECONDS)
    while True:
        try:
            database = SqliteDatabase(path)
            try:
                return counted(SqliteStore(database))
            finally:
                database.close()
        except StoreError:
            if deadline.passed:
                raise


@pytest.mark.slow(25)
def test_killed_at_random_moments(broker, topic, tmp_path):
    seed = random.randrange(10**6)
    print("seed", seed)
    moments = random.Random(seed + 1)
    topics = [topic("orders"), topic("payments"), topic("orders") + ".dlq"]
    admin = AdminClient({"bootstrap.servers": broker})
    for made in admin.create_topics([NewTopic(name, 3, 1) for name in topics]).values():
        made.result(scaled(WAIT_SECONDS))
    flow_file, store = tmp_path / "flows.yaml", tmp_path / "store.sqlite"
    flow_file.write_text(FLOWS)
    arguments = [broker, str(store), str(flow_file), "|".join(map(re.escape, topics))]
    services = Services(broker, topics, seed)
    services.start()
    for _ in range(KILLS):
        with collector(*arguments) as process:
            time.sleep(moments.uniform(0.05, 1.0))  # the moment of death is what is tested
            process.send_signal(signal.SIGKILL)
    with collector(*arguments) as process:
        services.enough.set()
        services.join(scaled(WAIT_SECONDS))
        expected = services.expected()
        deadline = Deadline(WAIT_SECONDS)
        while stored(store) != expected and not deadline.passed:
            time.sleep(0.1)
        assert stored(store) == expected
        time.sleep(0.5)  # and nothing is counted after that
        process.terminate()
        assert process.wait(WAIT_SECONDS) == 0
    assert stored(store) == expected
    assert services.told >= 400
    print("told", services.told, "expected", dict(expected))
