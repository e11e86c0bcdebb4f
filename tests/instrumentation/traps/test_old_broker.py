"""A real Kafka 0.10, whose messages have no headers: traced where that is possible, refused in one line elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import confluent_kafka
import pytest
from kafka import KafkaConsumer, KafkaProducer

import flowtrail
from flowtrail._context import current_event
from flowtrail._wrap import wrap_consumer, wrap_producer
from flowtrail.errors import PublishError
from instrumentation.support import Lab
from servers import OldKafkaServer, UnavailableError, servers_required
from waiting import scaled

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.fetches("kafka-0.10")]


@pytest.fixture(scope="module")
def old_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        server = OldKafkaServer(tmp_path_factory.mktemp("kafka-0.10"))
    except UnavailableError as error:
        if servers_required():
            raise
        pytest.skip(str(error))
    server.start()
    yield server.bootstrap_servers
    server.kill()


@pytest.mark.parametrize("client", ["kafka-python", "confluent", "aiokafka"])
def test_a_trail_says_that_it_needs_headers(client: str, old_kafka: str, topic: Callable[..., str]) -> None:
    trail = flowtrail.Trail("orders", old_kafka, client=client)
    for _ in range(2):
        with pytest.raises(PublishError, match=r"is older than 0\.11 and takes no headers, .* upgrade it"):
            trail.publish(topic(), {"n": 1}, type="OrderPlaced", subject="o-1")
    trail.close()


def test_kafka_python_is_traced_without_headers(old_kafka: str, topic: Callable[..., str]) -> None:
    lab, name = Lab(), topic()
    producer = wrap_producer(lab.telemetry, KafkaProducer(bootstrap_servers=old_kafka))
    producer.send(name, b"v", key=b"k").get(20)
    producer.close()
    consumer = KafkaConsumer(name, bootstrap_servers=old_kafka, group_id=name, auto_offset_reset="earliest")
    traced = wrap_consumer(lab.telemetry, consumer)
    record = next(traced)
    event = current_event()
    assert event is not None
    assert (record.value, list(record.headers)) == (b"v", [])
    assert event.id == f"{name}/{record.partition}/{record.offset}", "its place is its id"
    traced.commit()
    traced.close()
    assert {f"send {name}", f"process {name}"} <= {span.name for span in lab.spans}
    assert all(span.status.is_ok for span in lab.spans)


def test_confluent_is_traced_without_headers(old_kafka: str, topic: Callable[..., str]) -> None:
    lab, name = Lab(), topic()
    producer = wrap_producer(lab.telemetry, confluent_kafka.Producer({"bootstrap.servers": old_kafka}))
    producer.produce(name, b"v", key=b"k")
    assert producer.flush(scaled(20)) == 0
    consumer = wrap_consumer(lab.telemetry,
        confluent_kafka.Consumer({
            "bootstrap.servers": old_kafka,
            "group.id": name,
            "auto.offset.reset": "earliest",
        })
    )  # fmt: skip
    consumer.subscribe([name])
    message = consumer.poll(30)
    event = current_event()
    assert event is not None
    assert (message.value(), message.headers()) == (b"v", None)
    assert event.id == f"{name}/{message.partition()}/{message.offset()}"
    consumer.close()
    assert {f"send {name}", f"process {name}"} <= {span.name for span in lab.spans}
