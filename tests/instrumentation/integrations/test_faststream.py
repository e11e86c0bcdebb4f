"""FastStream's two Kafka brokers with the middleware: one flow, one trace, nothing committed too early."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import faststream.confluent
import faststream.kafka
import pytest
from kafka import KafkaConsumer, KafkaProducer

import flowtrail
from flowtrail.integrations.faststream import FlowtrailMiddleware, current_batch
from flowtrail.testing import Capture, MemoryBroker, MemoryClient
from waiting import Deadline, scaled

BROKERS = {"aiokafka": faststream.kafka.KafkaBroker, "confluent": faststream.confluent.KafkaBroker}
Make = Callable[[], Any]


@dataclass
class PaymentCompleted:
    cents: int


class Lab:
    """A trail on memory, beside a FastStream broker on a real one."""

    def __init__(self, servers: str, kind: str) -> None:
        self.servers = servers
        self.kind = kind
        self.capture = Capture("billing", 0)
        self.memory = MemoryBroker()
        self.trail = flowtrail.Trail(
            "billing",
            tracer_provider=self.capture.tracer_provider,
            registry=self.capture.registry,
            client=MemoryClient(self.memory),
        )
        self.broker = BROKERS[kind](servers, middlewares=[FlowtrailMiddleware(self.trail)])

    def subscriber(self, topic: str, group: str, **settings: Any) -> Any:
        return self.broker.subscriber(topic, group_id=group, auto_offset_reset="earliest", **settings)

    def send(self, topic: str, value: bytes = b'{"cents": 5}', **headers: str) -> None:
        producer = KafkaProducer(bootstrap_servers=self.servers)
        pairs = [(name, text.encode()) for name, text in headers.items()]
        producer.send(topic, value, key=b"o-1", headers=pairs).get(timeout=scaled(20))
        producer.close()

    def read(self, topic: str, count: int = 1) -> list[Any]:
        consumer = KafkaConsumer(topic, bootstrap_servers=self.servers, auto_offset_reset="earliest")
        found: list[Any] = []
        deadline = Deadline(30)
        while len(found) < count and not deadline.passed:
            for records in consumer.poll(timeout_ms=100).values():
                found += records
        consumer.close()
        assert len(found) == count
        return found

    def span(self, name: str) -> Any:
        (found,) = [span for span in self.capture.spans if span.name == name]
        return found

    def handled(self, topic: str) -> bool:
        return any(span.name == f"process {topic}" for span in self.capture.spans)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.capture.start()
        async with self.broker:
            await self.broker.start()
            yield
        self.capture.stop()


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = Deadline(30)
    while not condition():
        assert not deadline.passed, what
        await asyncio.sleep(0.02)


@pytest.fixture(params=BROKERS)
def lab(request: pytest.FixtureRequest, broker: str) -> Lab:
    return Lab(broker, request.param)


HEADERS: dict[str, Any] = {
    "ce_id": "e-1",
    "ce_type": "OrderPlaced",
    "ce_correlationid": "flow-1",
    "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01",
}


def test_what_a_handler_publishes_belongs_to_its_event(lab: Lab, topic: Callable[..., str]) -> None:
    orders, payments, mails, group = topic("orders"), topic("payments"), topic("mails"), topic("billing")
    seen: list[Any] = []

    @lab.broker.publisher(payments)
    @lab.subscriber(orders, group)
    async def charge(body: dict[str, int], message: Annotated[Any, faststream.Context()]) -> PaymentCompleted:
        seen.append((flowtrail.current_event(), body, message.correlation_id))
        await lab.broker.publish({"to": "me"}, mails, key=b"o-1", headers={"ce_type": "MailSent"})
        lab.trail.publish("ledger", {}, type="Booked", subject="o-1")
        return PaymentCompleted(body["cents"])

    lab.send(orders, **HEADERS)

    async def main() -> None:
        async with lab.running():
            await until(lambda: lab.handled(orders), "the handling")

    asyncio.run(main())
    ((event, body, correlation_id),) = seen
    assert (event.id, event.type, event.correlation_id, body) == (
        "e-1",
        "OrderPlaced",
        "flow-1",
        {"cents": 5},
    )
    assert correlation_id == "flow-1"

    process = lab.span(f"process {orders}")
    assert f"{process.context.trace_id:032x}" == "ab" * 16
    assert f"{process.parent.span_id:016x}" == "cd" * 8
    assert process.attributes["messaging.consumer.group.name"] == group
    written = [*lab.read(payments), *lab.read(mails), *lab.memory.records("ledger")]
    for record, kind in zip(written, ("PaymentCompleted", "MailSent", "Booked"), strict=True):
        headers = {name: value.decode() for name, value in record.headers}
        assert len(headers) == len(record.headers)
        assert (headers["ce_type"], headers["ce_source"]) == (kind, "/billing")
        assert (headers["ce_correlationid"], headers["ce_causationid"]) == ("flow-1", "e-1")
        assert headers["traceparent"].startswith(f"00-{'ab' * 16}-")
        assert headers.get("correlation_id", "flow-1") == "flow-1"
        send = lab.span(f"send {record.topic}")
        assert f"{send.context.span_id:016x}" == headers["traceparent"].split("-")[2]
        assert send.parent.span_id == process.context.span_id
    assert dict(written[1].headers)["ce_subject"] == b"o-1"
    logged = {(log.name, log.__dict__.get("event_id")) for log in lab.capture.logs}
    assert ("flowtrail.consume", "e-1") in logged
    labels = {"messaging_destination_name": orders, "messaging_consumer_group_name": group}
    assert lab.capture.metric("messaging_client_consumed_messages_total", **labels) == 1


def test_outside_a_handler_faststreams_correlation_id_is_the_flows(
    lab: Lab, topic: Callable[..., str]
) -> None:
    orders = topic("orders")

    async def main() -> None:
        async with lab.running():
            await lab.broker.publish(PaymentCompleted(1), orders, key=b"o-1", correlation_id="mine")
            await lab.broker.publish({"no": "event"}, orders, key=b"\xff")

    asyncio.run(main())
    records = sorted(lab.read(orders, 2), key=lambda record: record.key)
    event, plain = (dict(record.headers) for record in records)
    assert event["ce_correlationid"] == event["correlation_id"] == b"mine"
    assert (event["ce_type"], event["ce_subject"]) == (b"PaymentCompleted", b"o-1")
    assert "ce_causationid" not in event
    assert plain["ce_correlationid"] == plain["correlation_id"]
    assert (plain["ce_specversion"], plain["ce_source"]) == (b"1.0", b"/billing")
    assert {"ce_id", "ce_time"} <= plain.keys()
    assert not {"ce_type", "ce_subject"} & plain.keys()


def test_a_handler_that_raises_has_failed(lab: Lab, topic: Callable[..., str]) -> None:
    orders = topic("orders")

    @lab.subscriber(orders, topic("billing"))
    async def charge(body: dict[str, int]) -> None:
        raise LookupError("no such order")

    lab.send(orders, **HEADERS)

    async def main() -> None:
        async with lab.running():
            await until(lambda: lab.handled(orders), "the handling")

    asyncio.run(main())
    process = lab.span(f"process {orders}")
    assert not process.status.is_ok
    assert process.attributes["error.type"] == "LookupError"
    assert process.end_time is not None


def test_a_publication_of_the_trail_that_fails_fails_the_handling(
    lab: Lab, topic: Callable[..., str]
) -> None:
    orders = topic("orders")
    lab.memory.refuse("ledger")

    @lab.subscriber(orders, topic("billing"))
    async def charge(body: dict[str, int]) -> None:
        lab.trail.publish("ledger", {}, type="Booked")

    lab.send(orders, **HEADERS)

    async def main() -> None:
        async with lab.running():
            await until(lambda: lab.handled(orders), "the handling")

    asyncio.run(main())
    assert lab.span(f"process {orders}").attributes["error.type"] == "flowtrail.errors.PublishError"


def test_in_a_batch_each_event_has_its_own_flow(lab: Lab, topic: Callable[..., str]) -> None:
    orders, archived = topic("orders"), topic("archived")
    sizes: list[int] = []

    @lab.subscriber(orders, topic("archive"), batch=True)
    async def archive(bodies: list[dict[str, int]]) -> None:
        batch = current_batch()
        assert batch is not None
        sizes.append(len(batch))
        for body, member in zip(bodies, batch, strict=True):
            with member as event:
                await lab.broker.publish(body, archived, key=b"o-1", headers={"ce_type": f"After-{event.id}"})

    for number in range(3):
        lab.send(orders, ce_id=f"e-{number}", ce_type="OrderPlaced", ce_correlationid=f"flow-{number}")

    async def main() -> None:
        async with lab.running():
            await until(lambda: sum(sizes) == 3, "three events")
        assert current_batch() is None

    asyncio.run(main())
    headers = [{name: value.decode() for name, value in record.headers} for record in lab.read(archived, 3)]
    ids = [(found["ce_type"], found["ce_causationid"], found["ce_correlationid"]) for found in headers]
    assert ids == [(f"After-e-{number}", f"e-{number}", f"flow-{number}") for number in range(3)]
    assert len({found["ce_id"] for found in headers}) == 3


def test_the_messages_of_a_published_batch_do_not_share_an_id(broker: str, topic: Callable[..., str]) -> None:
    lab, orders = Lab(broker, "aiokafka"), topic("orders")

    async def main() -> None:
        async with lab.running():
            await lab.broker.publish_batch(PaymentCompleted(1), PaymentCompleted(2), topic=orders)

    asyncio.run(main())
    for record in lab.read(orders, 2):
        headers = dict(record.headers)
        assert (headers["ce_type"], headers["ce_source"]) == (b"PaymentCompleted", b"/billing")
        assert {"ce_correlationid", "traceparent"} <= headers.keys()
        assert "ce_id" not in headers


def test_what_is_no_trail_is_refused() -> None:
    with pytest.raises(flowtrail.ConfigurationError, match=r"takes the service's Trail, not str"):
        FlowtrailMiddleware("billing")  # type: ignore[arg-type]
