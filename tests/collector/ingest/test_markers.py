"""What the end of a partition holds besides records: markers, aborted records, an open transaction."""

from __future__ import annotations

import contextlib
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.tail import KafkaTail
from flowtrail_collector.runtime.supervisor import Supervisor
from sagakit import Happening, core
from waiting import scaled, until

pytestmark = pytest.mark.slow(5)
HOUR_MS = 3_600_000
ORDERS = """
flows:
  orders:
    starts: OrderPlaced
    steps:
      ship: {done: OrderShipped, within: 10m}
    completes: OrderShipped
    within: 10m
"""


def create(servers, name, **configs):
    admin = AdminClient({"bootstrap.servers": servers})  # kept until the answer is there
    settings = {key.replace("_", "."): value for key, value in configs.items()}
    (made,) = admin.create_topics([NewTopic(name, 1, 1, config=settings)]).values()
    made.result(scaled(40))


def write(producer, topic, happening, at_ms, key=None):
    producer.produce(topic, happening.value(), key=key, timestamp=at_ms, headers=happening.headers)
    assert producer.flush(scaled(40)) == 0


class Transactions:
    """One producer's transactions, each with one record that is an hour old."""

    def __init__(self, servers, topic):
        self._producer = Producer({"bootstrap.servers": servers, "transactional.id": topic})
        self._producer.init_transactions(scaled(40))
        self._topic = topic

    def open(self, happening=None, at_ms=None):
        self._producer.begin_transaction()
        at_ms = at_ms or int(time.time() * 1000) - HOUR_MS
        write(self._producer, self._topic, happening or Happening("Noted", 0, flow="quiet"), at_ms, b"key")

    def end(self, commit):
        (self._producer.commit_transaction if commit else self._producer.abort_transaction)(scaled(40))

    def whole(self, *, commit):
        self.open()
        self.end(commit)


class Beside:
    """A topic with transactions, and a plain one beside it with an order that is finished, ten minutes ago."""

    def __init__(self, servers, name, folder, group=None, **configs):
        self._servers, self._folder, self._group = servers, folder, group
        self.transactional, self.plain = f"{name}-tx", f"{name}-plain"
        self._pattern = f"{name}-(tx|plain)"
        create(servers, self.transactional, **configs)
        create(servers, self.plain)
        self.transactions = Transactions(servers, self.transactional)
        self.finished = 0

    def finish(self):
        """Write an order that is finished."""
        self.finished += 1
        producer = Producer({"bootstrap.servers": self._servers})
        at_ms = int(time.time() * 1000) - 10 * 60_000
        for type_ in ("OrderPlaced", "OrderShipped"):
            write(producer, self.plain, Happening(type_, 0, flow=f"f{self.finished}"), at_ms)

    @contextlib.contextmanager
    def collected(self):
        """What a collector makes of it."""
        with core(self._folder, ORDERS) as made:
            made.ingest._time_seconds = time.time
            tail = KafkaTail(
                read_connection(self._servers), made.ingest, made.store,
                topics=self._pattern, dead_letter_topics="none", group=self._group,
            )  # fmt: skip
            errors = []
            supervisor = Supervisor([tail, made.sweeper], on_error=lambda part, error: errors.append(error))
            supervisor.start()
            try:
                yield made
            finally:
                assert supervisor.stop(scaled(20)) == []
            assert errors == []

    def settle(self, made):
        until(lambda: made.ended() == {"completed": self.finished}, lambda: (made.ended(), made.kinds()))


@pytest.fixture(params=[None, "workers"], ids=["alone", "in a group"])
def beside(request, kafka, topic, tmp_path):
    return Beside(kafka, topic("ends"), tmp_path, request.param and topic(request.param))


ENDS = {
    "committed": [True],
    "aborted": [False],
    "several markers": [True, False, True, True],
    "many aborted": [False] * 15,
}


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS.keys())
def test_markers_at_the_end_hold_nothing(beside, ends):
    for commit in ends:
        beside.transactions.whole(commit=commit)
    beside.finish()
    with beside.collected() as made:
        beside.settle(made)
        # And those that come while it is being read.
        for commit in ends:
            beside.transactions.whole(commit=commit)
        beside.finish()
        beside.settle(made)


def watermark_ms(made, topic):
    position = made.store.positions().get((topic, 0))
    return position.watermark_ms if position else 0


def moved_on(made, topic, since_ms):
    until(lambda: watermark_ms(made, topic) > since_ms, made.store.positions)


@pytest.mark.parametrize("commit", [True, False], ids=["committed", "aborted"])
def test_what_is_in_an_open_transaction_is_waited_for(beside, commit):
    beside.transactions.whole(commit=True)
    placed_ms = int(time.time() * 1000) - 20 * 60_000
    producer = Producer({"bootstrap.servers": beside._servers})
    write(producer, beside.plain, Happening("OrderPlaced", 0, flow="split"), placed_ms)
    beside.transactions.open(Happening("OrderShipped", 0, flow="split"), placed_ms + 60_000)
    with beside.collected() as made:
        began_ms = int(time.time() * 1000)
        moved_on(made, beside.plain, began_ms + 2_000)  # its end was looked at more than once
        assert watermark_ms(made, beside.transactional) < placed_ms
        assert made.kinds() == {"open": 1}, "timed out if the transaction weren't waited for"
        beside.transactions.end(commit)
        moved_on(made, beside.transactional, began_ms)
        outcome = "completed" if commit else "timed_out"
        until(lambda: made.ended() == {outcome: 1}, lambda: (made.ended(), made.kinds()))


def test_a_store_that_stands_before_a_marker_goes_on_behind_it(beside):
    beside.transactions.whole(commit=True)
    beside.finish()
    with beside.collected() as made:
        beside.settle(made)
    with core(beside._folder, ORDERS) as made, made.database.transaction() as connection:
        connection.execute(
            "UPDATE positions SET next_offset = 1, watermark_ms = 1 WHERE topic = ?", (beside.transactional,)
        )
    beside.finish()
    with beside.collected() as made:
        beside.settle(made)
        assert made.store.positions()[beside.transactional, 0].next_offset == 2


def test_a_restart_stays_behind_a_marker(beside):
    beside.transactions.whole(commit=True)
    for _ in range(2):
        beside.finish()
        with beside.collected() as made:
            beside.settle(made)


def offsets_left(servers, topic):
    """The offsets that a reader of everything is given."""
    consumer = Consumer({
        "bootstrap.servers": servers, "group.id": topic, "enable.partition.eof": True,
        "isolation.level": "read_uncommitted",
    })  # fmt: skip
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    while (message := consumer.poll(scaled(20))) is not None and not message.error():
        found.append(message.offset())
    consumer.close()
    return found


def test_a_compacted_end_holds_nothing(kafka_server, topic, tmp_path):
    kafka = kafka_server({"log.cleaner.backoff.ms": "200", "log.cleaner.min.cleanable.ratio": "0.01"})
    servers = kafka.bootstrap_servers
    beside = Beside(
        servers, topic("ends"), tmp_path,
        cleanup_policy="compact", segment_ms="100", max_compaction_lag_ms="100",
    )  # fmt: skip
    for _ in range(5):
        beside.transactions.whole(commit=True)
        time.sleep(0.15)  # a segment has to be closed before it can be compacted
    beside.transactions.whole(commit=False)
    until(lambda: len(offsets_left(servers, beside.transactional)) < 4, timeout_seconds=60)
    beside.finish()
    with beside.collected() as made:
        beside.settle(made)
