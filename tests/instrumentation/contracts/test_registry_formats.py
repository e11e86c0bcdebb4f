"""Avro and Protobuf beside JSON Schema in a real Apicurio Registry, on the wire as Confluent's serializers have it."""

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import message_factory

from contractkit import DIALECTS, Dialect, FieldKind
from flowtrail import Trail
from flowtrail.contracts import Contracts, RegistrySource, RegistryUnavailableError, SchemaError
from flowtrail.contracts._formats import FORMATS
from flowtrail.errors import ContractError, DecodeError
from flowtrail.testing import Harness
from flowtrail.wire import Record
from servers._apicurio import ApicurioServer
from waiting import scaled

pytestmark = [pytest.mark.servers, pytest.mark.slow]

ORDER_ID, TOTAL = FieldKind("order_id", "text", 1), FieldKind("total", "whole", 2)
CURRENCY = FieldKind("currency", "text", 4, default=("",))
V1, V2 = (ORDER_ID, TOTAL), (ORDER_ID, TOTAL, CURRENCY)
PLACED = {"order_id": "7", "total": 3}
UPCAST = {**PLACED, "currency": ""}


Connect = Callable[..., RegistrySource]


def new_type() -> str:
    return f"OrderPlaced{uuid.uuid4().hex[:8]}"


def register(source: RegistrySource, dialect: Dialect, type: str, *versions: Any) -> None:
    for number, fields in enumerate(versions, 1):
        definition = FORMATS[dialect.name].parse(type, dialect.text(type, fields), type)
        assert source.register(type, definition) == number


def framed(contracts: Contracts, type: str, data: Any) -> bytes:
    packed = contracts.pack(type, 1, data)
    assert packed is not None
    return packed.value


def test_what_is_published_comes_back_upcast(registry: str, connect: Connect, dialect: Dialect) -> None:
    type = new_type()
    register(connect(registry), dialect, type, V1, V2)
    trail = Trail("billing", client="confluent", contracts=Contracts(connect(registry), framing="confluent"))
    got: list[Any] = []
    trail.consumer("orders", group="g", dead_letter=True)(lambda event: got.append(event.data))
    with Harness(trail) as harness:
        trail.publish("orders", PLACED, type=type, version=1)
        harness.run()
        assert not harness.dead_letters()
    assert got == [UPCAST]


def theirs(
    dialect: Dialect, client: SchemaRegistryClient, type: str
) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    """Confluent's serializer and deserializer, in their usual settings, for version 1."""
    text = dialect.text(type, V1)
    context = SerializationContext("orders", MessageField.VALUE)
    settings = {"auto.register.schemas": True, "subject.name.strategy": lambda *_: type}
    if dialect.name == "avro":
        write: Any = AvroSerializer(client, text, conf=settings)
        read: Any = AvroDeserializer(client)
    elif dialect.name == "json":
        write = JSONSerializer(text, client, conf=settings)
        read = JSONDeserializer(text)
    else:
        definition = FORMATS["protobuf"].parse(type, text, type)
        message = message_factory.GetMessageClass(definition.descriptor)  # type: ignore[attr-defined]
        plain = ProtobufSerializer(message, client, conf={**settings, "use.deprecated.format": False})
        back = ProtobufDeserializer(message, conf={"use.deprecated.format": False})

        def write(data: Any, context: Any) -> bytes:
            return bytes(plain(message(**data), context))

        def read(value: bytes, context: Any) -> Any:
            found = back(value, context)
            return {field.name: getattr(found, field.name) for field in found.DESCRIPTOR.fields}

    return (lambda data: bytes(write(data, context))), (lambda value: read(value, context))


@pytest.fixture
def confluents(registry: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry, "timeout": scaled(10)}) as client:
        yield client


def test_confluents_serializers_and_ours_read_each_other(
    registry: str, connect: Connect, confluents: SchemaRegistryClient, dialect: Dialect
) -> None:
    type = new_type()
    write, read = theirs(dialect, confluents, type)
    value = write(PLACED)  # registers the schema in its own way, in Protobuf as a descriptor
    contracts = Contracts(connect(registry), framing="confluent")
    assert read(framed(contracts, type, PLACED)) == PLACED
    assert value[0] == 0
    # As their producers send it: without headers of ours.
    if dialect.name == "json":
        assert framed(contracts, type, PLACED)[:5] == value[:5]
    unpacked = contracts.unpack(type, None, None, value)
    assert unpacked is not None
    assert (unpacked.data, unpacked.version) == (PLACED, "1")


def test_an_id_alone_says_which_version_it_was(registry: str, connect: Connect, dialect: Dialect) -> None:
    type = new_type()
    register(connect(registry), dialect, type, V1, V2)
    value = framed(Contracts(connect(registry), framing="confluent"), type, PLACED)
    trail = Trail("billing", client="confluent", contracts=Contracts(connect(registry)))
    got: list[Any] = []
    trail.consumer("orders", group="g", dead_letter=True)(lambda event: got.append(event.data))
    with Harness(trail) as harness:
        harness.deliver_raw("orders", value, headers=[("ce_type", type.encode())])
    assert got == [UPCAST]


def test_dataschema_may_be_the_registrys_address(registry: str, connect: Connect, dialect: Dialect) -> None:
    type = new_type()
    register(connect(registry), dialect, type, V1)
    contracts = Contracts(connect(registry), framing="cloudevents")
    packed = contracts.pack(type, 1, PLACED)
    value = packed.value if packed is not None else b'{"order_id": "7", "total": 3}'
    trail = Trail("billing", client="confluent", contracts=contracts)
    got: list[Any] = []
    trail.consumer("orders", group="g", dead_letter=True)(lambda event: got.append(event.data))
    where = f"{registry}/subjects/{type}/versions/1"
    headers = [("ce_type", type), ("ce_dataschema", where), ("content-type", dialect.content_type)]
    with Harness(trail) as harness:
        harness.deliver_raw("orders", value, headers=[(name, text.encode()) for name, text in headers])
    assert got == [PLACED]


def test_an_id_that_the_registry_does_not_know_is_a_dead_letter(registry: str, connect: Connect) -> None:
    trail = Trail("billing", client="confluent", contracts=Contracts(connect(registry)))
    trail.consumer("orders", group="g", dead_letter=True)(lambda event: event.data)
    with Harness(trail) as harness:
        harness.deliver_raw("orders", b"\x00\x7f\xff\xff\xffabc", headers=[("ce_type", b"OrderPlaced")])
        (letter,) = harness.dead_letters()
    reason = dict(letter.headers)["dlq.error.message"]
    assert reason == b"the registry knows no schema of id 2147483647"


def test_nothing_is_asked_in_the_steady_state(registry: str, connect: Connect, dialect: Dialect) -> None:
    type = new_type()
    register(connect(registry), dialect, type, V1, V2)
    source = connect(registry)
    contracts = Contracts(source, framing="confluent")
    asked: list[str] = []
    plain = source._client.ask

    def noting(what: str, call: Callable[[], Any]) -> Any:
        asked.append(what)
        return plain(what, call)

    source._client.ask = noting  # type: ignore[method-assign]
    for number in range(50):
        value = framed(contracts, type, PLACED)
        unpacked = contracts.unpack(type, "1" if number % 2 else None, dialect.content_type, value)
        assert unpacked is not None
        assert contracts.read(type, unpacked.version, unpacked.data, unpacked=unpacked.fits) == (UPCAST, "2")
        if number < 2:
            asked.clear()
    assert asked == []


def test_a_breaking_registration_is_refused(registry: str, connect: Connect, dialect: Dialect) -> None:
    type, source = new_type(), connect(registry)
    register(source, dialect, type, V1)
    source._client.api.set_compatibility(subject_name=type, level="BACKWARD")
    broken = FORMATS[dialect.name].parse(
        type, dialect.text(type, (ORDER_ID, FieldKind("total", "text", 2))), type
    )
    with pytest.raises(ContractError, match="409, incompatible"):
        source.register(type, broken)
    assert source.versions(type) == [1]


def test_a_registry_that_is_away(registry_server: Callable[[], ApicurioServer], connect: Connect) -> None:
    server = registry_server()
    types = {name: new_type() for name in DIALECTS}
    for name, type in types.items():
        register(connect(server.url), DIALECTS[name], type, V1)
    contracts = Contracts(connect(server.url, timeout_seconds=2), framing="confluent")
    values = {type: framed(contracts, type, PLACED) for type in types.values()}
    for type, value in values.items():
        contracts.unpack(type, None, None, value)
    server.kill()
    for type, value in values.items():
        assert framed(contracts, type, PLACED) == value
        unpacked = contracts.unpack(type, None, None, value)
        assert unpacked is not None
        assert unpacked.data == PLACED
    with pytest.raises(RegistryUnavailableError, match="schema of id 424242"):
        contracts.unpack(
            next(iter(types.values())), None, None, b"\x00" + (424242).to_bytes(4, "big") + b"abc"
        )
    started = time.monotonic()
    with pytest.raises(RegistryUnavailableError, match="a moment ago"):
        contracts.unpack("Other", None, None, b"\x00" + (424243).to_bytes(4, "big") + b"abc")
    assert time.monotonic() - started < scaled(0.5)


def test_a_cut_frame_is_not_taken_for_another_thing(
    registry: str, connect: Connect, dialect: Dialect
) -> None:
    type = new_type()
    register(connect(registry), dialect, type, V1)
    contracts = Contracts(connect(registry), framing="confluent")
    value = framed(contracts, type, PLACED)
    for cut in (value[:5], value[:-1]):  # after Protobuf's index, nothing is an empty message
        with pytest.raises(DecodeError):
            contracts.unpack(type, None, None, cut)


def test_there_is_a_word_for_a_schema_of_another_kind(registry: str, connect: Connect) -> None:
    source = connect(registry)
    with pytest.raises(SchemaError, match="type XML"):
        source._defined(
            "A/1", "A", type("Schema", (), {"references": (), "schema_type": "XML", "schema_str": ""})()
        )


def test_the_first_event_on_a_loop_is_written_as_it_was_then(
    registry: str, connect: Connect, dialect: Dialect
) -> None:
    """Nobody waits for the registry on a loop, so the payload is made later."""
    type = new_type()
    register(connect(registry), dialect, type, V1)
    trail = Trail("billing", client="confluent", contracts=Contracts(connect(registry)))

    async def publish() -> None:
        for _ in range(2):  # the second has its contract at hand
            data = dict(PLACED)
            acknowledged = trail.publish("orders", data, type=type, version=1)
            data["total"] = 99
            await acknowledged

    with Harness(trail) as harness:
        asyncio.run(publish())
        events = harness.published("orders")
    assert [event.data for event in events] == [PLACED, PLACED]
    said = {dict(event.headers)["content-type"] for event in events}
    assert said == {dialect.content_type.encode()}


def test_a_block_on_a_loop_asks_the_registry_beside_it(
    registry: str, connect: Connect, dialect: Dialect
) -> None:
    type = new_type()
    register(connect(registry), dialect, type, V1, V2)
    value = framed(Contracts(connect(registry), framing="confluent"), type, PLACED)
    source = connect(registry)
    trail = Trail("billing", client="confluent", contracts=Contracts(source))
    asked_by: list[int] = []
    plain = source._client.ask

    def noting(what: str, call: Callable[[], Any]) -> Any:
        asked_by.append(threading.get_ident())
        return plain(what, call)

    source._client.ask = noting  # type: ignore[method-assign]

    async def handle() -> Any:
        record = Record("orders", 0, 0, None, b"k", value, [("ce_type", type.encode())])
        async with trail.process(record) as event:
            return event.data

    assert asyncio.run(handle()) == UPCAST
    assert asked_by
    assert threading.get_ident() not in asked_by


def test_framed_json_is_held_to_its_contract(registry: str, connect: Connect) -> None:
    type = new_type()
    register(connect(registry), DIALECTS["json"], type, V1)
    start = framed(Contracts(connect(registry), framing="confluent"), type, PLACED)[:5]
    trail = Trail("billing", client="confluent", contracts=Contracts(connect(registry)))
    trail.consumer("orders", group="g", dead_letter=True)(lambda event: event.data)
    with Harness(trail) as harness:
        harness.deliver_raw("orders", start + b'{"order_id": 5}', headers=[("ce_type", type.encode())])
        (letter,) = harness.dead_letters()
    assert b"order_id: type should be string" in (dict(letter.headers)["dlq.error.message"] or b"")


@pytest.mark.parametrize("other", list(DIALECTS.values()), ids=list(DIALECTS))
def test_a_type_keeps_its_format(registry: str, connect: Connect, dialect: Dialect, other: Dialect) -> None:
    """Apicurio takes a text of another format, keeps it under the first one's, and nobody can read it."""
    if other.name == dialect.name:
        return
    type, source = new_type(), connect(registry)
    register(source, dialect, type, V1)
    definition = FORMATS[other.name].parse(type, other.text(type, V2), type)
    with pytest.raises(ContractError, match="a type keeps its format in a registry") as raised:
        source.register(type, definition)
    assert f"{registry} has version 1 as {dialect.registry_type}" in str(raised.value)
    assert connect(registry).versions(type) == [1]
