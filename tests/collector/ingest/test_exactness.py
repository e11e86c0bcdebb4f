"""A collector killed at any moment counts as if nothing had happened: real processes, real brokers."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from flowtrail_collector.adapters.sqlite.database import Database
from flowtrail_collector.adapters.sqlite.store import SqliteStore

pytestmark = pytest.mark.servers

FLOWS = """\
flows:
  orders:
    starts: OrderPlaced
    steps:
      reserve: {done: StockReserved, failed: StockReservationFailed, within: 1h, undone: StockReleased}
      charge: {done: PaymentCompleted, failed: PaymentFailed, within: 1h}
    completes: OrderShipped
    cancels: OrderCancelled
    within: 1d
"""
# Within a group any order; the groups one after the other, so that nothing depends on clocks.
STORIES = {
    "completed": [["OrderPlaced", "StockReserved", "PaymentCompleted", "OrderShipped"]],
    "compensated": [["OrderPlaced", "StockReserved"], ["PaymentFailed", "OrderCancelled", "StockReleased"]],
    "failed": [["OrderPlaced", "StockReservationFailed", "OrderCancelled"]],
    "open": [["OrderPlaced", "StockReserved"]],
    "partial": [["StockReserved", "PaymentCompleted"]],
}
KILLS = 6
WAIT_SECONDS = 40


class Services(threading.Thread):
    """Writes the events of many orders, in disorder, some of them twice; knows what should be counted."""

    def __init__(self, servers, topics, seed):
        super().__init__()
        self._random = random.Random(seed)
        self._producer = Producer({"bootstrap.servers": servers, "linger.ms": 5})
        self._topics = topics
        self.enough = threading.Event()
        self.orders = Counter()
        self.duplicates = self.dead_letters = 0

    def run(self):
        pending = []
        while not (self.enough.is_set() and sum(self.orders.values()) >= 200):
            pending.append(self._order())
            if len(pending) > 20:
                self._write_some(pending)
        while pending:
            self._write_some(pending)
        assert self._producer.flush(WAIT_SECONDS) == 0

    def _order(self):
        outcome = self._random.choice(list(STORIES))
        number = sum(self.orders.values())
        self.orders[outcome] += 1
        events = []
        for group in STORIES[outcome]:
            shuffled = self._random.sample(group, len(group))
            events += [(number, kind) for kind in shuffled]
        for _ in range(self._random.choice((0, 0, 1, 2))):
            place = self._random.randrange(len(events))
            events.insert(self._random.randint(place + 1, len(events)), events[place])
            self.duplicates += 1
        return events

    def _write_some(self, pending):
        """A few events of any of the orders under way."""
        for _ in range(10):
            events = self._random.choice(pending) if pending else None
            if events is None:
                break
            number, kind = events.pop(0)
            if not events:
                pending.remove(events)
            headers = {
                "ce_specversion": "1.0",
                "ce_id": f"{number}-{kind}",
                "ce_type": kind,
                "ce_source": "/test",
                "ce_subject": f"order-{number}",
                "ce_correlationid": f"flow-{number}",
            }
            self._producer.produce(self._random.choice(self._topics[:2]), key=str(number), headers=headers)
            if self._random.random() < 0.02:
                self.dead_letters += 1
                died = {**headers, "dlq.topic": self._topics[0], "dlq.error.type": "ValueError"}
                self._producer.produce(self._topics[2], headers=died)
        self._producer.poll(0)
        time.sleep(0.002)


@contextlib.contextmanager
def collector(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-m", "sagakit", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.dirname(__file__)))},
    )
    try:
        assert process.stdout.readline() == "started\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def counted(path):
    database = Database(path)
    try:
        store = SqliteStore(database)
        now, arrivals = store.saga_figures(), store.counters("dlq_arrivals")
    finally:
        database.close()
    kinds = {kind: count for _, kind, count in now.open_by_flow}
    found = {labels[1]: value for (name, labels), value in now.counts.items() if name == "saga_ended"}
    return {
        **{outcome: found.get(outcome, 0) for outcome in ("completed", "compensated", "failed", "timed_out")},
        "started": now.counts.get(("saga_started", ("orders",)), 0),
        "duplicates": now.counts.get(("saga_duplicate_events", ("orders",)), 0),
        "open": kinds.get("open", 0),
        "partial": kinds.get("partial", 0),
        "dead letters": sum(arrivals.values()),
    }


def test_killed_at_random_moments(broker, topic, tmp_path):
    seed = random.randrange(10**6)
    print("seed", seed)
    moments = random.Random(seed + 1)
    topics = [topic("orders"), topic("payments"), topic("orders") + ".dlq"]
    admin = AdminClient({"bootstrap.servers": broker})
    for made in admin.create_topics([NewTopic(name, 3, 1) for name in topics]).values():
        made.result(WAIT_SECONDS)
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
        services.join(WAIT_SECONDS)
        orders = services.orders
        expected = {
            **{
                outcome: orders[outcome]
                for outcome in ("completed", "compensated", "failed", "open", "partial")
            },
            "timed_out": 0,
            "started": sum(orders.values()) - orders["partial"],
            "duplicates": services.duplicates,
            "dead letters": services.dead_letters,
        }
        deadline = time.monotonic() + WAIT_SECONDS
        while counted(store) != expected and time.monotonic() < deadline:
            time.sleep(0.1)
        assert counted(store) == expected
        time.sleep(0.5)  # and nothing is counted after that
        process.terminate()
        assert process.wait(WAIT_SECONDS) == 0
    assert counted(store) == expected
    assert sum(orders.values()) >= 200
