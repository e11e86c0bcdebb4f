"""Three workers on one PostgreSQL: killed, frozen, broker and database restarted, they count as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import sys
import time
import urllib.request
from collections import Counter

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client.parser import text_string_to_metric_families

from flowtrail_collector.ingest.sql.postgres import PostgresStore
from flowtrail_collector.store.postgres.database import PostgresDatabase
from sagakit.load import FLOWS, WAIT_SECONDS, Services, counted
from servers import ManagedProcess, free_port
from servers._process import wait_for
from waiting import scaled

pytestmark = [pytest.mark.servers, pytest.mark.slow(60)]

WORKERS = 3
FULL = os.environ.get("FLOWTRAIL_FULL", "") not in ("", "0")
KILLS = 20 if FULL else 3
PARTITIONS = 6


class Workers:
    """`flowtrail collector run`, several times on one store."""

    def __init__(self, servers, url, topics, folder):
        (folder / "flows.yaml").write_text(FLOWS)
        # The least a broker lets a member have: a test should not wait longer for a dead one to be missed.
        (folder / "client.properties").write_text(f"session.timeout.ms={int(scaled(6) * 1000)}\n")
        self.ports = [free_port() for _ in range(WORKERS)]
        self.processes = [
            self._process(servers, url, topics, folder, number, port)
            for number, port in enumerate(self.ports)
        ]

    def _process(self, servers, url, topics, folder, number, port):
        command = [
            sys.executable, "-m", "flowtrail_collector", "collector", "run",
            "--bootstrap-servers", servers, "--consumer-config", str(folder / "client.properties"),
            "--flows", str(folder / "flows.yaml"), "--store", url, "--listen", f"127.0.0.1:{port}",
            "--topics", "|".join(map(re.escape, topics[:2])), "--dead-letter-topics", re.escape(topics[2]),
            "--sweep-interval", "200ms", "--log-level", "info",
        ]  # fmt: skip
        return ManagedProcess(
            f"worker-{number}", command, ready=lambda: True, output=folder / f"worker-{number}.log"
        )

    def metrics(self):
        """Sums over all workers, by sample name and labels; None while one doesn't answer.

        One that has ended is started again, as whatever runs a service does: it ends when the store or its
        address can't be had in time, which a busy machine may bring about.
        """
        total = {}
        for port, process in zip(self.ports, self.processes, strict=True):
            process.start()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=scaled(10)) as answer:
                    text = answer.read().decode()
            except OSError:
                return None
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    key = (sample.name, *sorted(sample.labels.items()))
                    total[key] = total.get(key, 0) + sample.value
        return total

    def freeze(self, number, seconds):
        """Neither dead nor alive for a while: it wakes up believing that its partitions are its own."""
        process = self.processes[number]._process
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGCONT)


@contextlib.contextmanager
def running(workers):
    try:
        for process in workers.processes:
            process.start()
        yield workers
    finally:
        for process in workers.processes:
            process.kill()


NAMED = {
    "flowtrail_saga_started_total": "started",
    "flowtrail_saga_duplicate_events_total": "duplicates",
    "flowtrail_saga_repeated_starts_total": "repeated",
    "flowtrail_saga_open_instances": "open",
    "flowtrail_saga_partial_instances": "partial",
    "flowtrail_saga_uncompensated_instances": "uncompensated",
    "flowtrail_saga_stuck_instances": "stuck",
}


def exported(metrics):
    """What the workers' metrics add up to, as `counted` names it."""
    found = Counter()
    for (name, *pairs), value in metrics.items():
        labels = dict(pairs)
        if name == "flowtrail_dlq_arrivals_total":
            found["dead letters"] += value
        elif name == "flowtrail_saga_ended_total":
            found[f"{labels['flow']} {labels['outcome']}"] += value
        elif name == "flowtrail_saga_open":
            found[f"{labels['flow']} waits for {labels['step']}"] += value
        elif name in NAMED:
            found[f"{labels['flow']} {NAMED[name]}"] += value
    return +found


def agree(seen, metrics, expected):
    """Whether one worker leads, every partition is read by one, and the sums are as expected."""
    if metrics is None:
        return False
    leaders, partitions = (metrics.get((f"flowtrail_collector_{name}",)) for name in ("leader", "partitions"))
    seen.append((leaders, partitions, exported(metrics)))
    return seen[-1] == (1, 3 * PARTITIONS, expected)


@pytest.mark.timeout(900 if FULL else 180)
def test_counts_equal_ground_truth(kafka_server, postgres, topic, tmp_path):
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    kafka = kafka_server()
    topics = [topic("orders"), topic("payments"), topic("orders") + ".dlq"]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for made in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in topics]).values():
        made.result(scaled(WAIT_SECONDS))
    services = Services(kafka.bootstrap_servers, topics, seed, pause_seconds=0.02)
    services.start()
    with running(Workers(kafka.bootstrap_servers, postgres, topics, tmp_path)) as workers:
        for number in range(KILLS):
            time.sleep(chance.uniform(0.5, 5.0))  # the moment of death is what is tested
            victim = chance.randrange(WORKERS)
            workers.processes[victim].kill()
            if number == KILLS // 2:
                kafka.kill()
                kafka.restart()
            if chance.random() < 0.3:
                time.sleep(chance.uniform(0, 8.0))  # long enough, at times, for the others to take over
            workers.processes[victim].start()
            if number % 7 == 1:
                workers.freeze((victim + 1) % WORKERS, 7.0)
        services.enough.set()
        services.join(scaled(120))
        assert not services.is_alive()
        expected = services.expected()
        database = PostgresDatabase(postgres)
        try:
            store = PostgresStore(database)
            wait_for(lambda: counted(store) == expected, 60)
            assert counted(store) == expected, [process.last_output() for process in workers.processes]
            # One of them leads; a killed leader's lease may have to expire first, a busy machine lets one lapse.
            seen = []
            wait_for(lambda: agree(seen, workers.metrics(), expected), 60)
            assert seen, [process.last_output() for process in workers.processes]
            assert seen[-1] == (1, 3 * PARTITIONS, expected)
            assert counted(store) == expected
        finally:
            database.close()
        print("told", services.told, "expected", dict(expected))
