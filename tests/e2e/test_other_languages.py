"""One flow through Python, Java, Go and Node: docs/other-languages.md, on a real Kafka with a real collector."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from prometheus_client.parser import text_string_to_metric_families

import flowtrail
from devbroker import DevBroker
from e2e.shop import causal_chain, get_json, trace_id
from servers import ManagedProcess, UnavailableError, answers, free_port, language_command, servers_required
from servers._process import wait_for
from tools.docs.blocks import ROOT, blocks_of
from waiting import scaled

pytestmark = [pytest.mark.servers, pytest.mark.fetches("java", "go", "node")]
FULL = pytest.mark.skipif(
    os.environ.get("FLOWTRAIL_FULL", "") in ("", "0"), reason="the same once more; FLOWTRAIL_FULL=1 runs it"
)

PAGE = {block.file: block.text for block in blocks_of(ROOT / "docs" / "other-languages.md") if block.file}
CHAIN = {
    "OrderPlaced": None,
    "StockReserved": "OrderPlaced",
    "PaymentCompleted": "StockReserved",
    "OrderConfirmed": "PaymentCompleted",
}
SERVICES = {"java": "inventory", "go": "billing", "node": "orders"}
READS = {"java": "orders", "go": "inventory", "node": "payments"}
HANDLES = {"java": "OrderPlaced", "go": "StockReserved", "node": "PaymentCompleted"}
PARTITIONS = 3
SECONDS = 60


class World:
    """The three services, a collector, and a Python service that places orders and sees them confirmed.

    Args:
        servers: The broker.
        folder: Where the store and the logs go.
    """

    def __init__(self, servers: str, folder: Path) -> None:
        self.servers = servers
        self.prefix = f"l{uuid.uuid4().hex[:8]}."
        self.confirmed: list[flowtrail.Event[Any]] = []
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._folder = folder
        self.processes = [self._collector(), *(self._service(language) for language in SERVICES)]

    def topic(self, name: str) -> str:
        return self.prefix + name

    def start(self) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self.servers)
        letters = [f"{READS[language]}.{self.topic(group)}.dlq" for language, group in SERVICES.items()]
        names = [*READS.values(), *letters]
        admin.create_topics([NewTopic(self.topic(name), PARTITIONS, 1) for name in names])
        admin.close()
        with ThreadPoolExecutor(len(self.processes)) as pool:
            list(pool.map(ManagedProcess.start, self.processes))

    def stop(self) -> None:
        for process in self.processes:
            process.kill()

    def output(self) -> str:
        """What the processes said last."""
        return "\n".join(f"{process.name}: {process.last_output(1500)}" for process in self.processes)

    def saga(self, order_id: str) -> dict[str, Any]:
        sagas = get_json(f"{self.url}/api/v1/sagas?limit=1000")["sagas"]
        return next((saga for saga in sagas if saga["key"] == order_id), {})

    def trail(self, order_id: str) -> dict[str, Any]:
        found = get_json(f"{self.url}/api/v1/trails/{urllib.parse.quote(order_id)}")
        return found["trail"] if found else {"entries": []}

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=scaled(10)) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        return sum(sample.value for family in families for sample in family.samples if sample.name == name)

    def records(self, subject: str) -> list[Any]:
        """Every record about an order, from the topics themselves."""
        topics = [self.topic(name) for name in ("orders", "inventory", "payments")]
        return [record for record in self.read(topics) if record.key == subject.encode()]

    def read(self, topics: Sequence[str]) -> list[Any]:
        """Every record in some topics."""
        consumer = KafkaConsumer(bootstrap_servers=self.servers)
        partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: list[Any] = []
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for records in consumer.poll(timeout_ms=500).values():
                found += records
        consumer.close()
        return found

    def send(self, topic: str, value: bytes, headers: Sequence[tuple[str, bytes]], key: str) -> Any:
        """Publish a record as it stands; where it went."""
        producer = KafkaProducer(bootstrap_servers=self.servers)
        sent = producer.send(topic, value=value, key=key.encode(), headers=list(headers)).get(
            timeout=scaled(30)
        )
        producer.close()
        return sent

    def _collector(self) -> ManagedProcess:
        flows = self._folder / "flows.yaml"
        text = re.sub(r"\bby: (\w+)", lambda found: f"by: {self.topic(found[1])}", PAGE["flows.yaml"])
        flows.write_text(text, encoding="utf-8")
        pattern = self.prefix.replace(".", "\\.")
        command = [
            sys.executable, "-m", "flowtrail_collector", "collector", "run",
            "--bootstrap-servers", self.servers,
            "--flows", str(flows),
            "--store", str(self._folder / "collector.sqlite"),
            "--listen", f"127.0.0.1:{self._port}",
            "--topics", f"{pattern}(orders|inventory|payments)",
            "--dead-letter-topics", f"{pattern}.*\\.dlq",
        ]  # fmt: skip
        ready = lambda: answers(f"{self.url}/readyz")  # noqa: E731
        return ManagedProcess("collector", command, ready=ready, output=self._folder / "collector.log")

    def _service(self, language: str) -> ManagedProcess:
        command, folder = language_command(language)
        environment = {"KAFKA_BOOTSTRAP_SERVERS": self.servers, "TOPIC_PREFIX": self.prefix}
        log = self._folder / f"{language}.log"
        return ManagedProcess(language, command, ready=lambda: True, output=log, env=environment, cwd=folder)


@pytest.fixture(scope="module", params=["kafka", pytest.param("devbroker", marks=FULL)])
def servers(request: pytest.FixtureRequest) -> Iterator[str]:
    """A real Kafka, and the embedded broker."""
    if request.param == "kafka":
        yield request.getfixturevalue("kafka")
        return
    with DevBroker() as broker:
        yield broker.bootstrap_servers


@pytest.fixture(scope="module")
def world(servers: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    try:
        running = World(servers, tmp_path_factory.mktemp("languages"))
    except UnavailableError as error:
        if servers_required():
            pytest.fail(f"FLOWTRAIL_REQUIRE_SERVERS is set, and {error}", pytrace=False)
        pytest.skip(str(error))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def place(world: World) -> Iterator[Callable[[], str]]:
    """Places an order in Python, where its confirmation is consumed, too; hands back its id."""
    patch = pytest.MonkeyPatch()
    patch.setenv("FLOWTRAIL_OTLP_ENDPOINTS", world.url)
    patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    trail = flowtrail.Trail(service="shop", bootstrap_servers=world.servers)

    @trail.consumer(world.topic("orders"), types=["OrderConfirmed"], group=world.topic("shop"))
    def confirmed(event: flowtrail.Event[Any]) -> None:
        world.confirmed.append(event)

    def place_one() -> str:
        order_id = f"ÖRD-{uuid.uuid4().hex[:8]}"
        trail.publish(
            world.topic("orders"), {"order_id": order_id, "quantity": 3}, type="OrderPlaced", subject=order_id
        )
        return order_id

    with trail.running():
        yield place_one
    trail.close()
    patch.undo()


@pytest.fixture(scope="module")
def order(world: World, place: Callable[[], str]) -> str:
    """An order that has gone all the way."""
    order_id = place()
    assert wait_for(lambda: world.saga(order_id).get("outcome") == "completed", SECONDS), world.output()
    return order_id


def headers_of(record: Any) -> dict[str, str]:
    names = [name for name, _ in record.headers]
    assert len(names) == len(set(names)), f"repeated headers: {names}"
    return {name: value.decode() for name, value in record.headers}


def test_one_flow_through_four_languages(world: World, order: str) -> None:
    records = world.records(order)
    wire = [headers_of(record) for record in records]
    assert causal_chain(wire) == CHAIN
    assert len({header["ce_correlationid"] for header in wire}) == 1
    assert len({trace_id(header["traceparent"]) for header in wire}) == 1
    assert {header["ce_subject"] for header in wire} == {order}
    # The same key lies in the same partition, whoever wrote it.
    assert len({record.partition for record in records}) == 1

    assert wait_for(lambda: bool(world.confirmed), SECONDS)
    (event,) = (event for event in world.confirmed if event.subject == order)
    assert event.data == {"order_id": order, "total_cents": 1500}
    assert event.correlation_id == wire[0]["ce_correlationid"]
    assert event.source == "/orders"
    assert event.time is not None


def test_the_trail_shows_all_of_it(world: World, order: str) -> None:
    def whole() -> bool:
        trail = world.trail(order)
        return {"shop", "inventory", "billing", "orders"} <= set(trail.get("services", ())) and any(
            entry["kind"] == "process" and entry["event_type"] == "OrderConfirmed"
            for entry in trail["entries"]
        )

    assert wait_for(whole, 20), world.trail(order)
    trail = world.trail(order)
    assert len(trail["trace_ids"]) == len(trail["correlation_ids"]) == 1
    assert [saga["outcome"] for saga in trail["sagas"]] == ["completed"]
    published = {entry["event_type"]: entry for entry in trail["entries"] if entry["kind"] == "publish"}
    assert set(published) == set(CHAIN)
    types = {entry["event_id"]: kind for kind, entry in published.items()}
    assert {kind: types.get(entry.get("causation_id", "")) for kind, entry in published.items()} == CHAIN
    assert {kind: entry["service"] for kind, entry in published.items()} == {
        "OrderPlaced": "shop",
        "StockReserved": "inventory",
        "PaymentCompleted": "billing",
        "OrderConfirmed": "orders",
    }


def test_a_span_as_the_contract_wants_it_is_the_handling_of_its_event(world: World, order: str) -> None:
    record = next(item for item in world.records(order) if headers_of(item)["ce_type"] == "StockReserved")
    _, trace, parent, _ = headers_of(record)["traceparent"].split("-")
    attributes = {
        "messaging.system": "kafka",
        "messaging.destination.name": record.topic,
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
        "messaging.consumer.group.name": world.topic("billing"),
    }
    span = {
        "traceId": trace, "spanId": uuid.uuid4().hex[:16], "parentSpanId": parent, "kind": 5,
        "name": f"process {record.topic}", "attributes": otlp(attributes),
        "startTimeUnixNano": str(record.timestamp * 1_000_000),
        "endTimeUnixNano": str((record.timestamp + 1) * 1_000_000),
    }  # fmt: skip
    resource = {"attributes": otlp({"service.name": "billing"})}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    request = urllib.request.Request(
        f"{world.url}/v1/traces", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=scaled(10)) as answer:
        assert answer.status == 200

    entries = {
        entry["span_id"]: entry for entry in world.trail(order)["entries"] if entry["kind"] == "process"
    }
    handled = entries[span["spanId"]]
    assert (handled["service"], handled["event_type"]) == ("billing", "StockReserved")
    (paid,) = (item for item in world.trail(order)["entries"] if item.get("event_type") == "PaymentCompleted")
    assert paid["parent"] == handled["id"]


def otlp(values: dict[str, str | int]) -> list[dict[str, Any]]:
    """Attributes as OTLP's JSON has them."""
    return [
        {"key": key, "value": {"intValue": value} if isinstance(value, int) else {"stringValue": value}}
        for key, value in values.items()
    ]


def test_a_duplicate_is_one_in_every_language(world: World, place: Callable[[], str]) -> None:
    order = place()
    assert wait_for(lambda: len(world.records(order)) == len(CHAIN), SECONDS), world.output()
    before = world.metric("flowtrail_saga_duplicate_events_total")
    placed = next(record for record in world.records(order) if headers_of(record)["ce_type"] == "OrderPlaced")
    world.send(placed.topic, placed.value, placed.headers, key=order)

    def counted() -> float:
        return world.metric("flowtrail_saga_duplicate_events_total") - before

    assert wait_for(lambda: counted() == len(CHAIN), SECONDS), (counted(), world.output())
    wire = [headers_of(record) for record in world.records(order)]
    assert len(wire) == 2 * len({header["ce_id"] for header in wire}) == 2 * len(CHAIN)
    again = {entry["event_type"] for entry in world.trail(order)["entries"] if entry.get("duplicate")}
    assert again == set(CHAIN)
    assert len([saga for saga in world.trail(order)["sagas"] if not saga["partial"]]) == 1


def test_the_order_of_the_page_goes_through(world: World, tmp_path: Path) -> None:
    script = tmp_path / "place.py"
    text = PAGE["place.py"].replace("localhost:9092", world.servers)
    script.write_text(text.replace('"orders"', f'"{world.topic("orders")}"'), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=scaled(60), check=False
    )
    assert done.returncode == 0, done.stderr
    assert wait_for(lambda: len(world.records("ORD-1")) == len(CHAIN), SECONDS), world.output()


def test_the_fewest_headers_will_do(world: World) -> None:
    """What docs/wire.md says of missing ones: place for id, id for correlation id."""
    topic = world.topic("orders")
    headers = [("ce_type", b"OrderPlaced"), ("ce_subject", b"bare-1")]
    sent = world.send(topic, b'{"quantity": 2}', headers, key="bare-1")
    assert wait_for(lambda: len(world.records("bare-1")) == len(CHAIN), SECONDS), world.output()
    first = f"{topic}/{sent.partition}/{sent.offset}"
    wire = {header["ce_type"]: header for header in map(headers_of, world.records("bare-1"))}
    assert wire.pop("OrderPlaced").keys() == {"ce_type", "ce_subject"}
    assert wire["StockReserved"]["ce_causationid"] == first
    assert {header["ce_correlationid"] for header in wire.values()} == {first}
    assert wait_for(lambda: world.saga("bare-1").get("outcome") == "completed", SECONDS), world.output()
    assert not world.saga("bare-1")["partial"]


@pytest.mark.parametrize("language", SERVICES)
def test_what_cannot_be_read_becomes_a_dead_letter(world: World, language: str) -> None:
    subject = f"bad-{language}"
    headers = {"ce_specversion": "1.0", "ce_id": subject, "ce_source": "/shop", "ce_subject": subject}
    headers |= {"ce_type": HANDLES[language], "ce_correlationid": f"flow-{subject}", "other": "stays"}
    pairs = [(name, value.encode()) for name, value in headers.items()]
    topic, group, value = world.topic(READS[language]), world.topic(SERVICES[language]), b"\xff no JSON"
    sent = world.send(topic, value, pairs, key=subject)

    def letters() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = get_json(f"{world.url}/api/v1/dead-letters?group={group}")[
            "dead_letters"
        ]
        return found

    assert wait_for(lambda: bool(letters()), SECONDS), world.output()
    (letter,) = letters()
    assert (letter["event_type"], letter["correlation_id"]) == (HANDLES[language], f"flow-{subject}")
    assert (letter["source_topic"], letter["attempts"], letter["state"]) == (topic, 1, "pending")
    assert letter["error_type"]
    assert letter["error_message"]
    assert letter["failed"]
    (record,) = world.read([f"{topic}.{group}.dlq"])
    assert (record.key, record.value) == (subject.encode(), value)
    written = headers_of(record)
    assert headers.items() <= written.items()
    assert written["dlq.timestamp"] == str(sent.timestamp)
    assert (written["dlq.partition"], written["dlq.offset"]) == (str(sent.partition), str(sent.offset))


def test_the_services_end_when_asked(world: World, order: str) -> None:
    for process in world.processes[1:]:
        process.stop()
        assert "stopped" in process.last_output(), process.name
