"""A traced consumer hands over what a plain one does, is called as it was, and knows its group."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import aiokafka
import confluent_kafka
import kafka as kafka_python
import pytest
from confluent_kafka import avro
from confluent_kafka.serialization import StringDeserializer

from flowtrail._wrap import wrap_consumer
from flowtrail.errors import ConfigurationError
from flowtrail.instrumentor import AIOKafkaInstrumentor, ConfluentKafkaInstrumentor, KafkaPythonInstrumentor
from instrumentation.fakes import FakeConfluentConsumer
from instrumentation.support import Lab
from instrumentation.transparency.forms import Form, forms, parameters_in_c, parameters_of
from instrumentation.transparency.producers import SCHEMA, SUBCLASSES, Registry
from waiting import scaled, until

WAYS = ("plain", "wrapped", "instrumented")


def _avro_consumer(kind: type[Any], settings: dict[str, Any], registry: Registry) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return kind(settings, schema_registry=registry)


CONFLUENT: dict[str, tuple[Callable[[], type[Any]], Callable[..., Any]]] = {
    "Consumer": (lambda: confluent_kafka.Consumer, lambda kind, settings, _: kind(settings)),
    "DeserializingConsumer": (
        lambda: confluent_kafka.DeserializingConsumer,
        lambda kind, settings, _: kind({**settings, "value.deserializer": StringDeserializer()}),
    ),
    "AvroConsumer": (lambda: avro.AvroConsumer, _avro_consumer),
}


@pytest.fixture
def lab() -> Lab:
    """Where everything is reported."""
    return Lab()


@pytest.fixture(autouse=True)
def _instrumented(request: pytest.FixtureRequest, lab: Lab) -> Iterator[None]:
    instrumentors: list[Any] = []
    if request.node.name.endswith("-instrumented]"):
        instrumentors = [KafkaPythonInstrumentor(), ConfluentKafkaInstrumentor(), AIOKafkaInstrumentor()]
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=lab.provider, registry=lab.registry, service="lab")
    yield
    for instrumentor in instrumentors:
        instrumentor.uninstrument()


@pytest.fixture
def around(request: pytest.FixtureRequest, lab: Lab) -> Any:
    """Wraps a consumer, or leaves it to the instrumentation, as the test's `way` says."""
    if request.node.callspec.params["way"] == "wrapped":
        return lambda consumer: wrap_consumer(lab.telemetry, consumer)
    return lambda consumer: consumer


def _avro_value(registry: Registry, text: str) -> bytes:
    serializer = avro.MessageSerializer(registry)
    value: bytes = serializer.encode_record_with_schema("t", SCHEMA, {"text": text})
    return value


def _fill(servers: str, topic: str, value: bytes) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": servers})
    producer.produce(topic, value)
    assert producer.flush(scaled(20)) == 0


def _said(lab: Lab, topic: str, group: str, way: str) -> None:
    """The handling was traced once, with its group; a plain consumer's wasn't."""
    groups = [
        (span.attributes or {}).get("messaging.consumer.group.name")
        for span in lab.spans
        if span.name == f"process {topic}"
    ]
    assert groups == ([] if way == "plain" else [group])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", SUBCLASSES)
@pytest.mark.parametrize("name", CONFLUENT)
def test_confluents_consumers(
    devbroker: str, topic: Callable[..., str], lab: Lab, around: Any, name: str, how: str, way: str
) -> None:
    where, group, registry = topic(), topic("Billing Service"), Registry()
    text = _avro_value(registry, "VALUE") if name == "AvroConsumer" else b"VALUE"
    _fill(devbroker, where, text)
    find, make = CONFLUENT[name]
    settings = {"bootstrap.servers": devbroker, "group.id": group, "auto.offset.reset": "earliest"}
    consumer = around(make(SUBCLASSES[how](find(), "poll"), settings, registry))
    consumer.subscribe([where])
    message = until(lambda: consumer.poll(timeout=0.2), "the message")
    expected = {"Consumer": b"VALUE", "DeserializingConsumer": "VALUE", "AvroConsumer": {"text": "VALUE"}}
    assert message.value() == expected[name]
    (committed,) = consumer.commit(message=message, asynchronous=False)
    assert (committed.topic, committed.offset) == (where, 1)
    consumer.close()
    _said(lab, where, group, way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("iterating", [False, True], ids=["poll", "iterate"])
@pytest.mark.parametrize("how", [*SUBCLASSES, "own-iteration"])
def test_kafka_pythons_consumers(
    devbroker: str, topic: Callable[..., str], lab: Lab, around: Any, how: str, iterating: bool, way: str
) -> None:
    where, group = topic(), topic("group")
    _fill(devbroker, where, b"VALUE")

    seen: list[int] = []

    class OwnIteration(kafka_python.KafkaConsumer):  # type: ignore[misc]
        def __iter__(self) -> Any:
            while True:
                record = next(self)
                seen.append(record.offset)
                yield record

    base = OwnIteration if how == "own-iteration" else SUBCLASSES[how](kafka_python.KafkaConsumer, "poll")
    settings = {"bootstrap_servers": devbroker, "group_id": group, "auto_offset_reset": "earliest"}
    consumer = around(base(where, **settings))
    if iterating:
        record = next(iter(consumer))
        assert seen == ([0] if how == "own-iteration" else [])
    else:
        ((record,),) = until(lambda: list(consumer.poll(timeout_ms=200).values()), "the record")
    assert record.value == b"VALUE"
    consumer.close()
    _said(lab, where, group, way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", SUBCLASSES)
def test_aiokafkas_consumers(
    devbroker: str, topic: Callable[..., str], lab: Lab, around: Any, how: str, way: str
) -> None:
    where, group = topic(), topic("group")
    _fill(devbroker, where, b"VALUE")

    async def run() -> None:
        kind = SUBCLASSES[how](aiokafka.AIOKafkaConsumer, "getone")
        plain = kind(where, bootstrap_servers=devbroker, group_id=group, auto_offset_reset="earliest")
        consumer = around(plain)
        await consumer.start()
        record = await asyncio.wait_for(consumer.getone(), scaled(30))
        assert record.value == b"VALUE"
        await consumer.stop()

    asyncio.run(run())
    _said(lab, where, group, way)


CALLS = {
    ("kafka", "poll"): parameters_of(kafka_python.KafkaConsumer.poll),
    ("kafka", "commit"): parameters_of(kafka_python.KafkaConsumer.commit),
    ("kafka", "close"): parameters_of(kafka_python.KafkaConsumer.close),
    ("confluent_kafka", "poll"): parameters_in_c("Consumer", "poll"),
    ("confluent_kafka", "consume"): parameters_in_c("Consumer", "consume"),
    ("confluent_kafka", "close"): parameters_in_c("Consumer", "close"),
    ("confluent_kafka", "seek"): parameters_in_c("Consumer", "seek"),
}


@pytest.mark.parametrize(
    ("client", "method", "form"),
    [
        pytest.param(client, method, form, id=f"{client}-{method}-{form}")
        for (client, method), parameters in CALLS.items()
        for form in forms(parameters)
    ],
)
def test_a_consumers_call_arrives_as_it_was_made(lab: Lab, client: str, method: str, form: Form) -> None:
    seen: list[Any] = []

    class Noting:
        def poll(self, *arguments: Any, **named: Any) -> Any:
            seen.append((arguments, named))
            return {} if client == "kafka" else None

        def consume(self, *arguments: Any, **named: Any) -> Any:
            seen.append((arguments, named))
            return []

        commit = close = seek = poll

    Noting.__module__ = client
    values = {parameter.name: object() for parameter in CALLS[client, method]}
    arguments, named = form.of(values)
    getattr(wrap_consumer(lab.telemetry, Noting()), method)(*arguments, **named)
    assert seen == [(arguments, named)]


def test_a_group_that_is_not_known_is_said_once(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "flowtrail"):
        consumer = wrap_consumer(lab.telemetry, FakeConfluentConsumer([]))
        for _ in range(3):
            consumer.poll()
    (line,) = caplog.records
    assert "wrap_consumer(consumer, group=" in line.getMessage()
    caplog.clear()
    wrap_consumer(lab.telemetry, FakeConfluentConsumer([]), group="billing")
    assert caplog.records == []


def test_what_is_no_client_of_the_kind_is_refused(lab: Lab) -> None:
    share = confluent_kafka.ShareConsumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "g"})
    producer = confluent_kafka.Producer({"bootstrap.servers": "127.0.0.1:1"})
    for wrong in (share, producer):
        with pytest.raises(ConfigurationError, match="can't be traced as a consumer"):
            wrap_consumer(lab.telemetry, wrong)
    share.close()
