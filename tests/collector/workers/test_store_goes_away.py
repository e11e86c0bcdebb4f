"""A store that can't be written stops the reading, and nothing else; then nothing is missing."""

from __future__ import annotations

import contextlib
import logging
import time

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.tail import KafkaTail
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql.postgres import PostgresStore
from flowtrail_collector.runtime.supervisor import Supervisor
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.store.postgres.database import PostgresDatabase
from sagakit import ORDERS, Happening, core
from servers import PostgresServer, UnavailableError, servers_required
from servers._process import wait_for
from waiting import scaled

WAIT_SECONDS = 40


@pytest.fixture
def postgres_of_its_own(tmp_path):
    try:
        server = PostgresServer(tmp_path / "postgres")
    except UnavailableError as error:
        if servers_required():
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
    server.start()
    yield server
    server.close()


@contextlib.contextmanager
def following(servers, store, topic, flows: Flows, group=None):
    tail = KafkaTail(
        read_connection(servers),
        Ingest(store, flows),
        store,
        topics=topic,
        dead_letter_topics="none",
        group=group,
    )
    errors = []
    supervisor = Supervisor([tail], on_error=lambda part, error: errors.append(error))
    supervisor.start()
    try:
        yield tail
    finally:
        assert supervisor.stop(scaled(20)) == []
    assert errors == []


def create(servers, topic):
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(scaled(WAIT_SECONDS))


def publish(servers, topic, numbers, size=0):
    producer = Producer({"bootstrap.servers": servers})
    for number in numbers:
        headers = Happening("OrderPlaced", 0, flow=f"f{number}", subject=f"{number}-" + "x" * size).headers
        producer.produce(topic, partition=number % 2, headers=headers)
    assert producer.flush(scaled(WAIT_SECONDS)) == 0


def started(store):
    return store.counters("saga_started").get(("saga_started", ("orders",)), 0)


def warnings_in(caplog):
    """The tail's own; collectors of other tests may still look for lag in this process."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name == "flowtrail_collector"
    ]


@pytest.mark.servers
@pytest.mark.slow
def test_a_database_that_is_stopped_and_started(devbroker, postgres_of_its_own, topic, caplog):
    caplog.set_level(logging.INFO, "flowtrail_collector")
    server, name = postgres_of_its_own, topic("orders")
    create(devbroker, name)
    database = PostgresDatabase(server.url)
    store = PostgresStore(database)
    with following(devbroker, store, name, parse_flows(ORDERS), group=topic("workers")) as tail:
        publish(devbroker, name, range(10))
        assert wait_for(lambda: started(store) == 10, WAIT_SECONDS)
        for outage, mode in enumerate(("immediate", "fast")):
            server.stop(mode)
            publish(devbroker, name, range(10 + 10 * outage, 20 + 10 * outage))
            assert wait_for(lambda: (tail.problem or "").startswith("store postgresql://"), WAIT_SECONDS)
            time.sleep(2)  # several attempts
            server.start()
            assert wait_for(lambda: tail.problem is None, WAIT_SECONDS)
            wanted = 20 + 10 * outage
            assert wait_for(lambda wanted=wanted: started(store) == wanted, WAIT_SECONDS)
    assert dict(store.counters("collector_records")) == {("collector_records", ("event",)): 30}
    assert ("saga_duplicate_events", ("orders",)) not in store.counters("saga_")
    database.close()
    warnings = warnings_in(caplog)
    assert len(warnings) == 2, warnings  # one per outage


@pytest.mark.slow
def test_a_full_disk(devbroker, topic, tmp_path, caplog):
    caplog.set_level(logging.INFO, "flowtrail_collector")
    name = topic("orders")
    create(devbroker, name)
    with core(tmp_path) as made, following(devbroker, made.store, name, made.flows) as tail:
        publish(devbroker, name, range(10))
        assert wait_for(lambda: started(made.store) == 10, WAIT_SECONDS)
        with made.database.transaction() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
        # SQLite isn't given one more page: what it says and does is what it does on a full disk.
        made.database._writer.execute(f"PRAGMA max_page_count = {pages}")
        publish(devbroker, name, range(10, 1_500), size=200)
        assert wait_for(lambda: "full" in (tail.problem or ""), WAIT_SECONDS)
        time.sleep(2.5)  # several attempts, each of which takes in what still fits, and only whole batches
        before = started(made.store)
        assert before < 1_500
        positions = made.store.positions()
        assert sum(position.next_offset for position in positions.values()) == before
        made.database._writer.execute("PRAGMA max_page_count = 1000000")
        assert wait_for(lambda: started(made.store) == 1_500, WAIT_SECONDS)
        assert wait_for(lambda: tail.problem is None, WAIT_SECONDS)
        assert ("duplicate_events", "orders") not in made.counters()
    warnings = warnings_in(caplog)
    assert len(warnings) == 1, warnings
