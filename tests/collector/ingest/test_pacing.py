"""While a long backlog is read, no partition is far ahead of another, whatever brokers' answers hold."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.tail import KafkaTail
from flowtrail_collector.brokers.kafka.tail.pacing import _NEAR, _PATIENCE_SECONDS, Pacing
from flowtrail_collector.runtime.supervisor import Supervisor
from sagakit import Happening, core
from waiting import scaled, until

MOST, LOOK, PORTION, BATCH = 200, 20, 50, 100
# The first look only sees where everything is.
BOUND = MOST + 2 * (LOOK + BATCH + PORTION)
STEP = 30
WHOLE = 1_000_000


@st.composite
def brokers(draw):
    """How many records each partition has, which of them give nothing, and how it chooses what to answer with."""
    lengths = draw(st.lists(st.integers(0, 1_000), min_size=1, max_size=5))
    mute = draw(st.sets(st.integers(0, len(lengths) - 1)))
    return (
        lengths,
        mute,
        draw(st.sampled_from(["first", "last", "any"])),
        draw(st.randoms(use_true_random=False)),
    )


@given(brokers())
def test_everything_is_read_and_nothing_far_ahead_whatever_a_broker_answers_with(broker):
    lengths, mute, choice, random = broker
    pacing, at, held = Pacing(MOST), [0] * len(lengths), set()
    now, apart = 0.0, [0]
    ends = {("t", number): length for number, length in enumerate(lengths)}
    pacing.look(dict.fromkeys(ends, 0), ends, held, now)
    while any(at[n] < length for n, length in enumerate(lengths) if n not in mute):
        ready = [n for n, end in enumerate(lengths) if n not in mute and at[n] < end and ("t", n) not in held]
        if ready:
            number = {"first": ready[0], "last": ready[-1], "any": random.choice(ready)}[choice]
            at[number] = min(lengths[number], at[number] + random.randint(1, STEP))
        now += 0.1
        assert now < 2_000, "it goes on"
        held = pacing.look({("t", n): offset for n, offset in enumerate(at)}, ends, held, now)
        behind = [at[n] for n, end in enumerate(lengths) if end - at[n] > _NEAR and n not in mute]
        if behind:
            apart.append(max(at) - min(behind))
    assert max(apart) <= MOST + STEP + _NEAR


def test_one_that_has_nothing_to_give_is_waited_for_once():
    pacing, held, now, waits = Pacing(MOST), set(), 0.0, 0
    at, ends = {("t", 0): 0, ("t", 1): 0}, {("t", 0): WHOLE, ("t", 1): WHOLE}
    while at["t", 0] < 100 * MOST:
        now += 0.1
        if held:
            waits += 1
        else:
            at["t", 0] += STEP
        held = pacing.look(at, ends, held, now)
    assert 0 < waits * 0.1 <= _PATIENCE_SECONDS + 0.2


@pytest.mark.parametrize("left", [0, _NEAR])
def test_one_at_its_end_is_not_waited_for(left):
    pacing, held = Pacing(MOST), set()
    for read in range(0, 50 * MOST, STEP):
        held = pacing.look({("t", 0): read, ("t", 1): 0}, {("t", 0): WHOLE, ("t", 1): left}, held, read)
        assert held == set()


def test_one_that_comes_later_is_as_far_as_the_slowest():
    pacing, held = Pacing(MOST), set()
    held = pacing.look({("t", 0): 0}, {("t", 0): WHOLE}, held, 0)
    held = pacing.look({("t", 0): 900 * MOST}, {("t", 0): WHOLE}, held, 1)
    both = {("t", 0): WHOLE, ("t", 1): WHOLE}
    assert pacing.look({("t", 0): 900 * MOST, ("t", 1): 0}, both, held, 2) == set()
    assert pacing.look({("t", 0): 901 * MOST, ("t", 1): 0}, both, held, 3) == {("t", 0)}


# What keeps an answer from holding some of every partition: how many partitions there are, of how many records of how many
# bytes, the producer's largest batch, and what the user sets.
ANSWERS = {
    "an answer that may hold little": (8, 1_200, 5_000, 50_000, {"fetch.max.bytes": "1000000"}),
    "batches larger than what may come of a partition": (8, 1_200, 5_000, 1_000_000, {}),
    "more partitions than an answer holds": (50, 1_000, 1_000, 50_000, {}),
}


def fill(servers, topic, partitions, records, size, batch):
    """Write the same number of records into each partition."""
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(scaled(40))
    producer = Producer({"bootstrap.servers": servers, "batch.size": batch, "linger.ms": 50})
    headers = Happening("Noted", 0).headers
    for number in range(records * partitions):
        while True:
            try:
                producer.produce(topic, b"x" * size, partition=number % partitions, headers=headers)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(scaled(40)) == 0


@pytest.fixture
def small(monkeypatch):
    """Limits that are small beside the backlogs of these tests."""
    limits = {"_PORTION": PORTION, "_BATCH": BATCH, "_MOST_AHEAD": MOST, "_LOOKS": MOST // LOOK}
    for name, value in limits.items():
        monkeypatch.setattr(f"flowtrail_collector.brokers.kafka.tail.reading.{name}", value)


class Slow:
    """A tail whose store is slower than the client, whose queue is full then: it asks for more when there is room.

    Attributes:
        at: The next offset of each partition.
        apart: By how many records partitions were apart after each batch.
        records: How many were read.
    """

    def __init__(self, made, connection, topic, partitions, group=None):
        self._partitions = partitions
        self._write, made.ingest.write = made.ingest.write, self._write_slowly
        self.at, self.apart, self.records = Counter(), [], 0
        self._errors = []
        tail = KafkaTail(
            connection, made.ingest, made.store, topics=topic, dead_letter_topics="none", group=group
        )
        self._supervisor = Supervisor([tail], on_error=lambda part, error: self._errors.append(error))

    def _write_slowly(self, batch, advances):
        time.sleep(0.005)
        self._write(batch, advances)
        self.records += batch.records.total()
        for advance in advances:
            self.at[advance.partition] = advance.next_offset
        self.apart.append(max(self.at.values()) - min(self.at[number] for number in range(self._partitions)))

    def __enter__(self):
        self._supervisor.start()
        return self

    def __exit__(self, *_):
        assert self._supervisor.stop(scaled(20)) == []
        assert self._errors == []


@pytest.mark.slow(10)
@pytest.mark.parametrize("group", [None, "workers"])
@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS.keys())
def test_over_a_long_backlog_no_partition_starves(kafka, topic, tmp_path, small, group, answers):
    partitions, records, size, batch, tuning = answers
    name = topic("backlog")
    fill(kafka, name, partitions, records, size, batch)
    connection = read_connection(kafka, settings=tuning)
    with core(tmp_path) as made:
        with Slow(made, connection, name, partitions, group and topic(group)) as tail:
            until(lambda: tail.at.total() == records * partitions, lambda: tail.at, 60)
        assert tail.records == records * partitions, "each is read once"
    assert max(tail.apart) <= BOUND


@pytest.mark.slow(5)
def test_a_partition_with_an_open_transaction_holds_up_no_other(kafka, topic, tmp_path, small):
    name = topic("open")
    fill(kafka, name, 2, MOST, 100, 50_000)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": name})
    producer.init_transactions(scaled(40))
    producer.begin_transaction()
    for _ in range(10 * _NEAR):
        producer.produce(name, b"x", partition=0)
    assert producer.flush(scaled(40)) == 0
    plain = Producer({"bootstrap.servers": kafka})
    for _ in range(10 * MOST):
        plain.produce(name, b"x", partition=1, headers=Happening("Noted", 0).headers)
    assert plain.flush(scaled(40)) == 0
    with core(tmp_path) as made, Slow(made, read_connection(kafka), name, 2) as tail:
        until(lambda: tail.at == {0: MOST, 1: 11 * MOST}, lambda: tail.at)
        assert max(tail.apart) > BOUND, "it was waited for"
        producer.commit_transaction(scaled(40))
        until(lambda: tail.at[0] == MOST + 10 * _NEAR + 1, lambda: tail.at)  # behind the marker
