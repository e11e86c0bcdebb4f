"""A quiet topic that ends with a transaction holds up nothing in another one, alone or in a group."""

from __future__ import annotations

import time

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.tail import KafkaTail
from flowtrail_collector.runtime.supervisor import Supervisor
from sagakit import Happening, core
from waiting import scaled, until

pytestmark = [pytest.mark.slow(6), pytest.mark.servers]
WHOLE = ("OrderPlaced", "StockReserved", "PaymentCompleted", "OrderShipped")
ORDERS = 5


def create(servers, topic, **settings):
    admin = AdminClient({"bootstrap.servers": servers})
    config = {name.replace("_", "."): str(value) for name, value in settings.items()}
    admin.create_topics([NewTopic(topic, 1, 1, config=config)])[topic].result(scaled(40))


def write(producer, topic, flow, kinds=WHOLE):
    """The events of an order, an hour old."""
    at_ms = int(time.time() * 1000) - 3_600_000
    for step, kind in enumerate(kinds):
        producer.produce(
            topic, b"{}", flow, headers=Happening(kind, 0, flow=flow).headers, timestamp=at_ms + step * 100
        )


def transactions(servers, topic, *ends):
    """A transaction for each end, with an order in it, `commit` or `abort`."""
    producer = Producer({"bootstrap.servers": servers, "transactional.id": topic})
    producer.init_transactions(scaled(40))
    for number, end in enumerate(ends):
        producer.begin_transaction()
        write(producer, topic, f"{topic}-{end}-{number}")
        assert producer.flush(scaled(40)) == 0
        getattr(producer, f"{end}_transaction")(scaled(40))


class Followed:
    """A collector's core with a tail on two topics, in their threads."""

    def __init__(self, made, servers, quiet, plain, group):
        self._made = made
        tail = KafkaTail(
            read_connection(servers), made.ingest, made.store, topics=f"{quiet}|{plain}",
            dead_letter_topics="none", group=group,
        )  # fmt: skip
        self._errors = []
        self._parts = [tail, made.sweeper]
        self._supervisor = Supervisor(self._parts, on_error=lambda part, error: self._errors.append(error))

    def __enter__(self):
        self._supervisor.start()
        return self

    def __exit__(self, *_):
        assert self._supervisor.stop(scaled(20)) == []
        assert self._errors == []

    def ended(self):
        return {
            labels[2]: count
            for labels, count in self._made.counters().items()
            if labels[:2] == ("ended", "orders")
        }


@pytest.mark.parametrize("group", [None, "workers"])
@pytest.mark.parametrize(
    ("ends", "more"),
    [(("commit",), 1), (("abort",), 0), (("commit", "abort", "commit", "abort", "abort"), 2)],
    ids=["committed", "aborted", "both"],
)
def test_a_quiet_topic_that_ends_with_a_transaction_holds_nothing_up(
    kafka, topic, tmp_path, ends, more, group
):
    quiet, plain = topic("quiet"), topic("plain")
    create(kafka, quiet)
    create(kafka, plain)
    transactions(kafka, quiet, *ends)
    producer = Producer({"bootstrap.servers": kafka})
    for number in range(ORDERS):
        write(producer, plain, f"{plain}-{number}")
    assert producer.flush(scaled(40)) == 0
    with core(tmp_path) as made:
        made.now_ms = int(time.time() * 1000)
        with Followed(made, kafka, quiet, plain, group and topic(group)) as found:
            until(lambda: found.ended() == {"completed": ORDERS + more}, found.ended, 60)
    # Begun again where it ended, behind the marker.
    for number in range(ORDERS):
        write(producer, plain, f"{plain}-again-{number}")
    assert producer.flush(scaled(40)) == 0
    with core(tmp_path) as made:
        made.now_ms = int(time.time() * 1000)
        with Followed(made, kafka, quiet, plain, group and topic(group)) as found:
            until(lambda: found.ended() == {"completed": 2 * ORDERS + more}, found.ended, 60)
        assert made.store.positions()[quiet, 0].next_offset == len(ends) * (len(WHOLE) + 1)
