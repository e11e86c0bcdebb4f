"""Wrapped clients on a real Kafka: everything that isn't traced reaches the client itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiokafka
import confluent_kafka
import kafka as kafka_python
import pytest

from flowtrail._wrap import wrap_consumer, wrap_producer
from instrumentation.support import Lab
from waiting import scaled

pytestmark = [pytest.mark.servers, pytest.mark.slow]

COUNT = 4


def test_kafka_python(kafka: str, topic: Callable[..., str]) -> None:
    lab, name = Lab(), topic()
    with wrap_producer(lab.telemetry, kafka_python.KafkaProducer(bootstrap_servers=kafka)) as producer:
        for number in range(COUNT):
            producer.send(name, str(number).encode(), partition=0)
        producer.flush()
        assert producer.partitions_for(name) == {0, 1, 2}
    plain = kafka_python.KafkaConsumer(
        bootstrap_servers=kafka, group_id=name, auto_offset_reset="earliest", enable_auto_commit=False
    )
    with wrap_consumer(lab.telemetry, plain) as consumer:
        place = kafka_python.TopicPartition(name, 0)
        consumer.assign([place])
        assert consumer.assignment() == {place}
        assert [next(consumer).offset for _ in range(COUNT)] == list(range(COUNT))
        consumer.seek(place, 1)
        assert next(consumer).offset == 1, "seek in the middle of iterating"
        consumer.pause(place)
        assert consumer.paused() == {place}
        assert consumer.poll(timeout_ms=200) == {}
        consumer.resume(place)
        assert next(consumer).value == b"2"
        consumer.commit()
        assert consumer.committed(place) == 3
        assert consumer.position(place) == 3
        assert consumer.end_offsets([place]) == {place: COUNT}
        consumer.config["client_id"]  # an attribute, not a method
    offsets = [
        span.attributes["messaging.kafka.offset"]  # type: ignore[index]
        for span in lab.spans
        if span.name == f"process {name}"
    ]
    assert offsets == [0, 1, 2, 3, 1, 2], "one span for each that was handled"


def test_confluent(kafka: str, topic: Callable[..., str]) -> None:
    lab, name = Lab(), topic()
    producer = wrap_producer(lab.telemetry, confluent_kafka.Producer({"bootstrap.servers": kafka}))
    assert producer.list_topics(timeout=scaled(10)).brokers
    for number in range(COUNT):
        producer.produce(name, str(number), partition=0)
    assert len(producer) == COUNT
    assert producer.flush(scaled(20)) == 0
    settings = {"bootstrap.servers": kafka, "group.id": name, "enable.auto.commit": False}
    consumer = wrap_consumer(lab.telemetry, confluent_kafka.Consumer(settings))
    place = confluent_kafka.TopicPartition(name, 0, 0)
    consumer.assign([place])
    assert [found.topic for found in consumer.assignment()] == [name]
    assert [consumer.poll(20).offset() for _ in range(COUNT)] == list(range(COUNT))
    consumer.seek(confluent_kafka.TopicPartition(name, 0, 1))
    assert consumer.poll(20).offset() == 1
    consumer.pause([place])
    assert consumer.poll(0.2) is None
    consumer.resume([place])
    again = consumer.poll(20)
    assert again.value() == b"2"
    consumer.commit(message=again, asynchronous=False)  # type: ignore[call-overload] # it came
    (committed,) = consumer.committed([place], timeout=scaled(10))
    assert committed.offset == 3
    assert consumer.get_watermark_offsets(place, timeout=scaled(10)) == (0, COUNT)
    assert consumer.consumer_group_metadata() is not None
    consumer.close()


def test_aiokafka(kafka: str, topic: Callable[..., str]) -> None:
    asyncio.run(use_aiokafka(kafka, topic()))


async def use_aiokafka(kafka: str, name: str) -> None:
    lab = Lab()
    plain_producer: Any = aiokafka.AIOKafkaProducer(bootstrap_servers=kafka)
    async with wrap_producer(lab.telemetry, plain_producer) as producer:
        assert 0 in await producer.partitions_for(name)
        for number in range(COUNT):
            await producer.send_and_wait(name, str(number).encode(), partition=0)
    plain: Any = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=kafka, group_id=name, auto_offset_reset="earliest", enable_auto_commit=False
    )
    place = aiokafka.TopicPartition(name, 0)
    async with wrap_consumer(lab.telemetry, plain) as consumer:
        consumer.assign([place])
        assert consumer.assignment() == {place}
        assert [(await consumer.getone()).offset for _ in range(COUNT)] == list(range(COUNT))
        consumer.seek(place, 1)
        assert (await consumer.getone()).offset == 1
        consumer.pause(place)
        assert consumer.paused() == {place}
        assert await consumer.getmany(timeout_ms=200) == {}
        consumer.resume(place)
        async for record in consumer:
            assert record.value == b"2"
            break
        await consumer.commit()
        assert await consumer.committed(place) == 3
        assert await consumer.position(place) == 3
        assert await consumer.end_offsets([place]) == {place: COUNT}
    offsets = [
        span.attributes["messaging.kafka.offset"]  # type: ignore[index]
        for span in lab.spans
        if span.name == f"process {name}"
    ]
    assert offsets == [0, 1, 2, 3, 1, 2]
