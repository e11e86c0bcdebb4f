"""Producers of every class that people use, and what each is given."""

from __future__ import annotations

import inspect
import warnings
from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiokafka
import confluent_kafka
import kafka as kafka_python
from confluent_kafka import avro
from confluent_kafka.serialization import StringSerializer

from instrumentation.transparency.forms import by_name_only, parameters_in_c, parameters_of

SCHEMA = avro.loads('{"type": "record", "name": "Thing", "fields": [{"name": "text", "type": "string"}]}')
OTHER_SCHEMA = avro.loads(
    '{"type": "record", "name": "Other", "fields": [{"name": "text", "type": "string"}]}'
)

Calls = list[tuple[str, Any, str]]
"""Delivery callbacks that were called: which, the error, the topic."""


class Registry:
    """A schema registry in this process, as the legacy Avro classes ask it."""

    auto_register_schemas = True

    def __init__(self) -> None:
        self._schemas: list[Any] = []

    def register(self, _subject: str, schema: Any) -> int:
        """The schema's number."""
        if schema not in self._schemas:
            self._schemas.append(schema)
        return self._schemas.index(schema) + 1

    def get_by_id(self, number: int) -> Any:
        """A schema."""
        return self._schemas[number - 1]


def noting(calls: Calls, which: str) -> Callable[[Any, Any], None]:
    """A delivery callback that notes its calls."""
    return lambda error, message: calls.append((which, error, message.topic()))


def _confluent(kind: type[Any], servers: str, calls: Calls, **settings: Any) -> Any:
    return kind({
        "bootstrap.servers": servers,
        "on_delivery": noting(calls, "configured"),
        "error_cb": lambda *_: None,  # would do for a delivery callback, too
        "partitioner": "murmur2_random",
        **settings,
    })  # fmt: skip


def _serializing(kind: type[Any], servers: str, calls: Calls) -> Any:
    texts = {"key.serializer": StringSerializer(), "value.serializer": StringSerializer()}
    return _confluent(kind, servers, calls, **texts)


def _avro(kind: type[Any], servers: str, calls: Calls) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        settings = {"bootstrap.servers": servers, "on_delivery": noting(calls, "configured")}
        return kind(
            settings, default_value_schema=SCHEMA, default_key_schema=SCHEMA, schema_registry=Registry()
        )


def handing_on(base: type[Any], method: str) -> type[Any]:
    """A subclass whose method takes whatever comes."""

    def override(self: Any, *arguments: Any, **named: Any) -> Any:
        return getattr(base, method)(self, *arguments, **named)

    async def awaited(self: Any, *arguments: Any, **named: Any) -> Any:
        return await getattr(base, method)(self, *arguments, **named)

    chosen = awaited if inspect.iscoroutinefunction(getattr(base, method)) else override
    return type(f"Own{base.__name__}", (base,), {method: chosen})


def inheriting(base: type[Any], _method: str) -> type[Any]:
    """A subclass that adds nothing to the method, and is an ABC besides."""

    class Abstract(base, ABC):  # type: ignore[misc]
        pass

    return Abstract


def itself(base: type[Any], _method: str) -> type[Any]:
    """The class as the client has it."""
    return base


@dataclass(frozen=True)
class Kind:
    """One of a client's own classes.

    Attributes:
        find: The class as the module has it now (instrumentation puts another into its place).
        method: The method that sends.
        make: Makes a producer of a class, for a broker; delivery callbacks are noted.
        parameters: What the method takes, as the client says.
        values: A value for each, but for topic and callbacks.
    """

    find: Callable[[], type[Any]]
    method: str
    make: Callable[[type[Any], str, Calls], Any]
    parameters: tuple[inspect.Parameter, ...]
    values: Mapping[str, Any]


HEADERS = [("mine", b"1"), ("mine", b"2")]
_BYTES = {"value": b"VALUE", "key": b"KEY", "partition": 1, "headers": HEADERS}
_TEXT = {**_BYTES, "value": "VALUE", "key": "KEY", "timestamp": 1_700_000_000_123}
_RECORD = {**_TEXT, "value": {"text": "VALUE"}, "key": {"text": "KEY"}}
_IN_C = parameters_in_c("Producer", "produce")

KINDS = {
    "KafkaProducer": Kind(
        lambda: kafka_python.KafkaProducer,
        "send",
        lambda kind, servers, _: kind(bootstrap_servers=servers),
        tuple(parameters_of(kafka_python.KafkaProducer.send)),
        {**_BYTES, "timestamp_ms": 1_700_000_000_123},
    ),
    "AIOKafkaProducer": Kind(
        lambda: aiokafka.AIOKafkaProducer,
        "send",
        lambda kind, servers, _: kind(bootstrap_servers=servers),
        tuple(parameters_of(aiokafka.AIOKafkaProducer.send)),
        {**_BYTES, "timestamp_ms": 1_700_000_000_123},
    ),
    "AIOKafkaProducer-waiting": Kind(
        lambda: aiokafka.AIOKafkaProducer,
        "send_and_wait",
        lambda kind, servers, _: kind(bootstrap_servers=servers),
        tuple(parameters_of(aiokafka.AIOKafkaProducer.send_and_wait)),
        {**_BYTES, "timestamp_ms": 1_700_000_000_123},
    ),
    "Producer": Kind(lambda: confluent_kafka.Producer, "produce", _confluent, tuple(_IN_C), _TEXT),
    "SerializingProducer": Kind(
        lambda: confluent_kafka.SerializingProducer,
        "produce",
        _serializing,
        tuple(parameters_of(confluent_kafka.SerializingProducer.produce)),
        _TEXT,
    ),
    "AvroProducer": Kind(
        lambda: avro.AvroProducer,
        "produce",
        _avro,
        tuple(by_name_only([parameter.name for parameter in _IN_C] + ["key_schema", "value_schema"])),
        {**_RECORD, "key_schema": SCHEMA, "value_schema": SCHEMA},
    ),
}
SUBCLASSES = {"itself": itself, "handing-on": handing_on, "inheriting": inheriting}
MADE_BEFORE = {
    (name, how): subclass(kind.find(), kind.method)
    for name, kind in KINDS.items()
    for how, subclass in SUBCLASSES.items()
}
"""Classes from before anything was instrumented: a program's imports may come first."""
