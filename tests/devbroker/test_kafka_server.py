"""The real Kafka that tests start: it keeps its data over stop, kill and restart."""

from collections.abc import Callable

import pytest
from kafka import KafkaConsumer, KafkaProducer

from servers import KafkaServer
from waiting import scaled


@pytest.mark.slow(20)
def test_data_and_port_survive_stop_and_kill(kafka_server: Callable[..., KafkaServer]) -> None:
    server = kafka_server()
    address = server.bootstrap_servers
    for end in (server.stop, server.kill):
        producer = KafkaProducer(bootstrap_servers=address, acks="all")
        producer.send("kept", b"value").get(timeout=scaled(30))
        producer.close()
        end()
        assert not server.running
        server.start()
        assert server.bootstrap_servers == address
    consumer = KafkaConsumer(
        "kept", bootstrap_servers=address, auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    assert [next(consumer).value for _ in range(2)] == [b"value", b"value"]
    consumer.close()
