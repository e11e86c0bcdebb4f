"""The tail on brokers that go away and topics that are recreated."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from devbroker import DevBroker, Settings
from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.tail import KafkaTail
from flowtrail_collector.conditions import Condition, PartState
from flowtrail_collector.runtime.supervisor import Supervisor
from sagakit import Core, Happening, core
from waiting import Deadline, scaled, until

pytestmark = pytest.mark.slow
WAIT_SECONDS = 40.0
# A process that reads everything, and a worker that reads what its group gives it.
ALONE_OR_IN_A_GROUP = pytest.mark.parametrize("group", [None, "workers"])


@contextlib.contextmanager
def following(made: Core, servers, topics, **settings):
    """A tail in its thread, restarted by a supervisor as in the collector."""
    tail = KafkaTail(
        read_connection(servers),
        made.ingest,
        made.store,
        topics=topics,
        dead_letter_topics=rf"(?:{topics}).*\.dlq",  # other tests' too would count
        **settings,
    )
    errors = []
    supervisor = Supervisor([tail, made.sweeper], on_error=lambda part, error: errors.append(error))
    supervisor.start()
    try:
        yield tail
    finally:
        assert supervisor.stop(scaled(20)) == []
        assert errors == []


def publish(servers, topic, *happenings, partition=0):
    producer = Producer({"bootstrap.servers": servers})
    for happening in happenings:
        producer.produce(topic, partition=partition, headers=happening.headers)
    assert producer.flush(scaled(WAIT_SECONDS)) == 0


def create(servers, topic, partitions=1):
    admin = AdminClient({"bootstrap.servers": servers})  # kept until the answer is there
    (made,) = admin.create_topics([NewTopic(topic, partitions, 1)]).values()
    made.result(scaled(WAIT_SECONDS))


def placed(*numbers):
    return [Happening("OrderPlaced", 0, flow=f"f{n}") for n in numbers]


def started(made):
    return made.counters().get(("started", "orders"), 0)


@pytest.fixture
def made(tmp_path):
    with core(tmp_path) as opened:
        opened.now_ms = int(time.time() * 1000)
        yield opened


def test_topics_are_followed_as_they_appear(broker, topic, made):
    name = topic("orders")
    with following(made, broker, f"{re.escape(name)}.*") as tail:
        until(lambda: Condition.of(tail.problem).state is PartState.RUNNING)
        create(broker, name, 2)
        publish(broker, name, *placed(1))
        publish(broker, name, *placed(2), partition=1)
        create(broker, f"{name}.dlq")
        died = Happening("OrderPlaced", 0, flow="f1").headers
        producer = Producer({"bootstrap.servers": broker})
        producer.produce(f"{name}.dlq", headers=[*died, ("dlq.topic", name.encode())])
        assert producer.flush(scaled(WAIT_SECONDS)) == 0
        until(lambda: started(made) == 2)
        until(lambda: tail.dead_letter_depths() == {f"{name}.dlq": 1})
        assert ("duplicate_events", "orders") not in made.counters()


@ALONE_OR_IN_A_GROUP
def test_a_pattern_that_fits_no_topic_is_said_until_one_does(devbroker, topic, made, caplog, group):
    name = topic("orders")
    idle = f"follows no topic of events: none fits --topics {name}: correct it, or publish once"
    with following(made, devbroker, name, group=group and topic(group)) as tail:
        until(lambda: tail.problem == idle, lambda: tail.problem)
        assert Condition.of(tail.problem).state is PartState.RUNNING
        create(devbroker, f"{name}.dlq")
        publish(devbroker, f"{name}.dlq", *placed(1))
        until(lambda: tail.dead_letter_depths() == {f"{name}.dlq": 1})
        assert tail.problem == idle
        create(devbroker, name)
        publish(devbroker, name, *placed(2))
        until(lambda: started(made) == 1)
        until(lambda: tail.problem is None)
    assert caplog.text.count(idle) == 1


@ALONE_OR_IN_A_GROUP
def test_records_larger_than_an_answer_may_be_are_read_in_every_partition(broker, topic, made, group):
    name = topic("large")
    create(broker, name, 3)
    producer = Producer({"bootstrap.servers": broker})
    for number, happening in enumerate(placed(*range(6))):
        producer.produce(name, b"x" * 900_000, partition=number % 3, headers=happening.headers)
    assert producer.flush(scaled(WAIT_SECONDS)) == 0
    with following(made, broker, name, group=group):
        until(lambda: started(made) == 6)


@pytest.mark.parametrize(("start", "expected"), [("earliest", 2), ("latest", 1), (3_600.0, 2), (0.0, 1)])
def test_where_to_start_in_a_topic_that_was_there(devbroker, topic, made, start, expected):
    name = topic("orders")
    create(devbroker, name)
    publish(devbroker, name, *placed(1))
    time.sleep(0.01)  # the next millisecond
    with following(made, devbroker, name, start=start) as tail:
        until(lambda: tail.problem is None and made.store.positions())
        publish(devbroker, name, *placed(2))
        until(lambda: started(made) == expected)


def test_a_broker_that_goes_away_is_one_line_in_the_log(topic, made, caplog):
    name = topic("orders")
    caplog.set_level(logging.INFO, "flowtrail_collector")
    same = Settings(cluster_id="one")
    with DevBroker(settings=same) as broker:
        servers = broker.bootstrap_servers
        create(servers, name)
        publish(servers, name, *placed(1))
        stack = contextlib.ExitStack()
        tail = stack.enter_context(following(made, servers, name))
        until(lambda: started(made) == 1)
    with stack:
        until(lambda: tail.problem is not None, "the problem to show")
        time.sleep(2)  # long enough for several attempts
        with DevBroker(port=int(servers.rpartition(":")[2]), settings=same):
            create(servers, name)
            publish(servers, name, *placed(2))
            until(lambda: started(made) == 2, "what was written after the restart")
            until(lambda: tail.problem is None)
            warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    down = [line for line in warnings if "Kafka broker" in line]
    assert len(down) == 1, warnings
    assert servers in down[0]


def test_a_killed_kafka_loses_nothing(kafka_server, topic, made):
    server = kafka_server()
    name = topic("orders")
    create(server.bootstrap_servers, name)
    with following(made, server.bootstrap_servers, name) as tail:
        publish(server.bootstrap_servers, name, *placed(1))
        until(lambda: started(made) == 1)
        server.kill()
        until(lambda: tail.problem is not None)
        server.restart()
        publish(server.bootstrap_servers, name, *placed(2))
        until(lambda: started(made) == 2)
        until(lambda: tail.problem is None)


@ALONE_OR_IN_A_GROUP
def test_a_topic_made_anew_is_read_from_its_beginning(broker, topic, made, group):
    name, group = topic("orders"), group and topic(group)
    create(broker, name)
    publish(broker, name, *placed(*range(5)))
    admin = AdminClient({"bootstrap.servers": broker})
    with following(made, broker, name, group=group):
        until(lambda: started(made) == 5)
        admin.delete_topics([name])[name].result(scaled(WAIT_SECONDS))
        recreate(broker, name)
        publish(broker, name, *placed(5, 6))
        until(lambda: started(made) == 7, "the new topic's events")
    assert made.store.positions()[name, 0].next_offset == 2
    assert ("duplicate_events", "orders") not in made.counters()


def recreate(servers, name):
    """Deleting a topic takes the broker a moment."""
    deadline = Deadline(WAIT_SECONDS)
    while True:
        try:
            return create(servers, name)
        except Exception:
            assert not deadline.passed
            time.sleep(0.1)


def test_a_topic_made_anew_while_the_collector_was_down(broker, topic, made):
    name = topic("orders")
    create(broker, name)
    publish(broker, name, *placed(*range(5)))
    with following(made, broker, name):
        until(lambda: started(made) == 5)
    admin = AdminClient({"bootstrap.servers": broker})
    admin.delete_topics([name])[name].result(scaled(WAIT_SECONDS))
    recreate(broker, name)
    publish(broker, name, *placed(5, 6))
    with following(made, broker, name):
        until(lambda: started(made) == 7, "the new topic's events")


@ALONE_OR_IN_A_GROUP
def test_records_that_retention_took_are_skipped_with_a_warning(kafka, topic, made, caplog, group):
    name, group = topic("orders"), group and topic(group)
    create(kafka, name)
    publish(kafka, name, *placed(1))
    with following(made, kafka, name, group=group):
        until(lambda: started(made) == 1)
    publish(kafka, name, *placed(2, 3, 4))
    admin = AdminClient({"bootstrap.servers": kafka})
    for deleted in admin.delete_records([TopicPartition(name, 0, 3)]).values():
        deleted.result(scaled(WAIT_SECONDS))
    with following(made, kafka, name, group=group):
        until(lambda: started(made) == 2, "the one that is left")
    assert "offset 1 is gone, continuing at 3" in caplog.text


@ALONE_OR_IN_A_GROUP
def test_stopping_and_starting_again_many_times_reads_everything_once(devbroker, topic, made, group):
    name, group = topic("orders"), group and topic(group)
    create(devbroker, name, 3)
    stop = threading.Event()
    published = []

    def write():
        while not stop.is_set():
            number = len(published)
            publish(devbroker, name, *placed(number), partition=number % 3)
            published.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(5):
        with following(made, devbroker, name, group=group):
            seen = started(made)
            until(lambda seen=seen: started(made) > seen)
    stop.set()
    writer.join()
    with following(made, devbroker, name, group=group):
        until(lambda: started(made) == len(published))
    assert ("duplicate_events", "orders") not in made.counters()


@ALONE_OR_IN_A_GROUP
def test_what_comes_together_is_written_together_up_to_a_limit(devbroker, topic, made, group, monkeypatch):
    reading = "flowtrail_collector.brokers.kafka.tail.reading"
    portion, most = 50, 400
    for limit, value in {"_PORTION": portion, "_BATCH": most, "_GROWING_SECONDS": scaled(60)}.items():
        monkeypatch.setattr(f"{reading}.{limit}", value)
    written, write = [], made.ingest.write

    def noting(batch, advances):
        write(batch, advances)
        written.append(batch.records.total())

    monkeypatch.setattr(made.ingest, "write", noting)
    name, group = topic("orders"), group and topic(group)
    create(devbroker, name, 3)
    for partition in range(3):
        publish(devbroker, name, *placed(*range(partition, 3_000, 3)), partition=partition)
    with following(made, devbroker, name, group=group):
        until(lambda: started(made) == 3_000)
        assert portion < max(written) <= most
        publish(devbroker, name, *placed(3_000))
        until(lambda: started(made) == 3_001)
    assert sum(written) == 3_001
    assert ("duplicate_events", "orders") not in made.counters()
