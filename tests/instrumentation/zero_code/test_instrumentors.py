"""The instrumentors on real clients, with both brokers."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import aiokafka
import confluent_kafka
import kafka as kafka_python
import pytest
from opentelemetry.trace import get_current_span

from flowtrail._context import current_event
from flowtrail._wrap import leave_alone, wrap_producer
from flowtrail.instrumentor import AIOKafkaInstrumentor, ConfluentKafkaInstrumentor, KafkaPythonInstrumentor
from instrumentation.fakes import FakeConsumer, FakeProducer, kafka_record
from instrumentation.support import Lab, header
from waiting import scaled

Topics = Callable[..., str]


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Everything instrumented, reporting to one lab."""
    lab = Lab()
    instrumentors: list[Any] = [
        KafkaPythonInstrumentor(),
        ConfluentKafkaInstrumentor(),
        AIOKafkaInstrumentor(),
    ]
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=lab.provider, registry=lab.registry, service="lab")
    yield lab
    for instrumentor in instrumentors:
        instrumentor.uninstrument()


def _handled(lab: Lab) -> None:
    """What a handler sees while it runs."""
    assert get_current_span().name.startswith("process ")  # type: ignore[attr-defined]
    assert current_event() is not None


def _one_trace(lab: Lab, topic: str, messages: int) -> None:
    sends = [span for span in lab.spans if span.name == f"send {topic}"]
    handled = [span for span in lab.spans if span.name == f"process {topic}"]
    assert len(sends) == len(handled) == messages
    parents = {span.parent.span_id for span in handled if span.parent}
    assert parents == {span.context.span_id for span in sends if span.context}
    for span in handled:
        assert span.attributes is not None
        assert span.attributes["messaging.consumer.group.name"] == topic


@pytest.mark.parametrize("way", ["iterate", "poll"])
def test_kafka_python(lab: Lab, broker: str, topic: Topics, way: str) -> None:
    name = topic()
    with kafka_python.KafkaProducer(bootstrap_servers=broker) as producer:
        for _ in range(3):
            producer.send(name, b"v", key=b"k")
        producer.flush()
    consumer = kafka_python.KafkaConsumer(
        name, bootstrap_servers=broker, group_id=name, auto_offset_reset="earliest", enable_auto_commit=False
    )
    seen = 0
    while seen < 3:
        if way == "iterate":
            next(consumer)
            _handled(lab)
            seen += 1
            continue
        for records in consumer.poll(timeout_ms=500).values():
            for _ in records:
                _handled(lab)
                seen += 1
    consumer.commit()
    consumer.close()
    _one_trace(lab, name, 3)
    assert "commit" in {span.name for span in lab.spans}


@pytest.mark.parametrize("way", ["poll", "consume"])
def test_confluent(lab: Lab, broker: str, topic: Topics, way: str) -> None:
    name = topic()
    reports: list[Any] = []
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": broker, "on_delivery": lambda error, message: reports.append(error)}
    )
    for _ in range(3):
        producer.produce(name, b"v", key=b"k")
    assert producer.flush(scaled(20)) == 0
    assert reports == [None] * 3
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": broker, "group.id": name, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([name])
    seen = 0
    while seen < 3:
        if way == "poll":
            message = consumer.poll(1)
            if message is not None and message.error() is None:
                _handled(lab)
                seen += 1
            continue
        for message in consumer.consume(3, 1):
            if message.error() is None:
                _handled(lab)
                seen += 1
    consumer.close()
    _one_trace(lab, name, 3)


async def _aiokafka(lab: Lab, broker: str, name: str, way: str) -> None:
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=broker) as producer:
        await asyncio.gather(*[producer.send_and_wait(name, b"v", key=b"k") for _ in range(3)])
    consumer = aiokafka.AIOKafkaConsumer(
        name, bootstrap_servers=broker, group_id=name, auto_offset_reset="earliest"
    )
    async with consumer:
        seen = 0
        while seen < 3:
            if way == "getone":
                await consumer.getone()
                _handled(lab)
                seen += 1
            elif way == "iterate":
                async for _ in consumer:
                    _handled(lab)
                    seen += 1
                    if seen == 3:
                        break
            else:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for _ in records:
                        _handled(lab)
                        seen += 1
    _one_trace(lab, name, 3)


@pytest.mark.parametrize("way", ["iterate", "getone", "getmany"])
def test_aiokafka(lab: Lab, broker: str, topic: Topics, way: str) -> None:
    asyncio.run(_aiokafka(lab, broker, topic(), way))


def test_uninstrument_puts_everything_back() -> None:
    owners: list[tuple[Any, str]] = [
        (kafka_python.KafkaProducer, "send"),
        (kafka_python.KafkaConsumer, "__next__"),
        (kafka_python.KafkaConsumer, "poll"),
        (confluent_kafka, "Producer"),
        (confluent_kafka, "Consumer"),
        (confluent_kafka.SerializingProducer, "produce"),
        (confluent_kafka.DeserializingConsumer, "poll"),
        (aiokafka.AIOKafkaProducer, "send"),
        (aiokafka.AIOKafkaConsumer, "getone"),
    ]
    before = [getattr(owner, name) for owner, name in owners]
    instrumentors: list[Any] = [
        KafkaPythonInstrumentor(),
        ConfluentKafkaInstrumentor(),
        AIOKafkaInstrumentor(),
    ]
    lab = Lab()
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=lab.provider, registry=lab.registry)
    assert all(getattr(owner, name) is not old for (owner, name), old in zip(owners, before, strict=True))
    for instrumentor in instrumentors:
        instrumentor.uninstrument()
    assert [getattr(owner, name) for owner, name in owners] == before


def test_subclasses_and_existing_objects_are_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # The fake's methods take the place of the real client's, so that its subclasses are instrumented.
    monkeypatch.setattr(kafka_python.KafkaProducer, "send", FakeProducer.send)
    monkeypatch.setattr(kafka_python.KafkaConsumer, "poll", FakeConsumer.poll)
    lab = Lab()

    class Audited(kafka_python.KafkaProducer):  # type: ignore[misc]
        def __init__(self) -> None:
            FakeProducer.__init__(self)

        def close(self, *_: Any, **__: Any) -> None:
            pass

        def send(self, topic: str, *arguments: Any, **named: Any) -> Any:
            return super().send("audited-" + topic, *arguments, **named)

    producer = Audited()
    instrumentor: Any = KafkaPythonInstrumentor()
    instrumentor.instrument(tracer_provider=lab.provider, registry=lab.registry)
    try:
        producer.send("orders", b"v")
        FakeProducer.answer(producer)
        assert [span.name for span in lab.spans] == ["send audited-orders"]
        wrap_producer(lab.telemetry, producer).send("orders", b"v")
        FakeProducer.answer(producer)
        assert len(lab.spans) == 2, "a wrapped client isn't traced a second time by the patch"
        alone = Audited()
        leave_alone(alone)
        alone.send("orders", b"v")
        assert header(alone.sent[0][3] or [], "ce_id") is None
    finally:
        instrumentor.uninstrument()
    producer.send("orders", b"v")
    assert producer.sent[-1][3] is None


def test_isinstance_of_confluent_objects_made_before() -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": "127.0.0.1:1"})
    lab = Lab()
    instrumentor: Any = ConfluentKafkaInstrumentor()
    instrumentor.instrument(tracer_provider=lab.provider, registry=lab.registry)
    try:
        assert isinstance(producer, confluent_kafka.Producer)
        assert not isinstance(producer, confluent_kafka.Consumer)

        class Own(confluent_kafka.Producer):
            pass

        assert not isinstance(producer, Own)
        assert isinstance(Own({"bootstrap.servers": "127.0.0.1:1"}), confluent_kafka.Producer)
        assert confluent_kafka.Producer.__name__ == "Producer"
    finally:
        instrumentor.uninstrument()


def test_dependencies_are_named() -> None:
    for kind in (KafkaPythonInstrumentor, ConfluentKafkaInstrumentor, AIOKafkaInstrumentor):
        (requirement,) = kind().instrumentation_dependencies()
        importlib.metadata.distribution(requirement.split()[0])


def test_records_of_a_polled_list_can_be_copied() -> None:
    import copy
    import pickle

    from flowtrail._wrap import wrap_consumer

    lab = Lab()
    consumer = wrap_consumer(lab.telemetry, FakeConsumer([kafka_record(offset=n) for n in range(2)]))
    ((_, records),) = consumer.poll().items()
    assert isinstance(records, list)
    assert len(records) == 2
    assert records[1].offset == 1
    assert [one.offset for one in copy.copy(records)] == [0, 1]
    assert type(pickle.loads(pickle.dumps(records))) is list
