"""The five services in this process, and what is on their topics, byte by byte."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from starlette.testclient import TestClient

from orderflow import serving
from orderflow.kernel import Money, Sku
from orderflow.orders.adapters.http import build_app
from orderflow.orders.domain import Catalogue
from orderflow.platform import Service, Settings, contracts
from orderflow.platform.settings import SERVICES, TOPICS
from orderflow.runner.broker import Broker, create_topics
from orderflow.seeds import PRICES_CENTS
from waiting import Deadline, scaled

_contracts = cache(contracts)
_WAIT_SECONDS = 40.0
_READ_SECONDS = 13.0


@dataclass(frozen=True)
class Seen:
    """A record as it lies on its topic."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    def header(self, name: str) -> str | None:
        """The one value of a header; complains about a second one."""
        values = [value.decode() for key, value in self.headers if key == name]
        assert len(values) <= 1, (name, values)
        return values[0] if values else None

    @property
    def type(self) -> str | None:
        return self.header("ce_type")

    @property
    def data(self) -> Any:
        """What it says, read by its contract."""
        version = (self.header("ce_dataschema") or "").rpartition("/")[2]
        value = self.value or b""
        unpacked = _contracts().unpack(self.type, version, self.header("content-type"), value)
        return json.loads(value) if unpacked is None else unpacked.data

    @property
    def subject(self) -> str | None:
        return self.header("ce_subject")


class Shop:
    """Five services that run until the block ends."""

    def __init__(self, bootstrap_servers: str, namespace: str, folder: Path) -> None:
        self.broker = Broker(bootstrap_servers, namespace, embedded=False)
        self.folder = folder
        self.services: dict[str, Service] = {}
        self._stacks: dict[str, ExitStack] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Shop":
        create_topics(self.broker)
        for name in SERVICES:
            self.start(name)
        for service in self.services.values():
            assert service.ready(_WAIT_SECONDS)
        catalogue = Catalogue({Sku(sku): Money(cents) for sku, cents in PRICES_CENTS.items()})
        app = build_app(self.services["orders"], catalogue)
        self.http = self._stack.enter_context(TestClient(app))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for name in list(self._stacks):
            self.stop(name)

    def start(self, name: str) -> Service:
        """Start a service; one that ran before finds its database again."""
        settings = Settings(name, self.broker.bootstrap_servers, self.folder, self.broker.namespace)
        service = self.services[name] = serving.build(settings)
        stack = self._stacks[name] = ExitStack()
        stack.callback(service.close)
        stack.enter_context(service.running())
        return service

    def stop(self, name: str) -> None:
        """Stop a service."""
        self._stacks.pop(name).close()

    def order(self, customer: str = "CUS-0001", **body: Any) -> dict[str, Any]:
        """Place an order."""
        items = body or {"lines": [{"sku": "MUG-BLUE", "quantity": 2}]}
        answer = self.http.post("/orders", json={"customer_id": customer, **items})
        assert answer.status_code == 201, answer.text
        placed: dict[str, Any] = answer.json()
        return placed

    def records(self, enough: Callable[[list[Seen]], bool], topics: tuple[str, ...] = TOPICS) -> list[Seen]:
        """Everything on the topics, read until there is enough of it."""
        deadline = Deadline(_WAIT_SECONDS)
        while True:
            # A kafka-python consumer may now and then not find its partitions; the next one does.
            seen = self._read(enough, topics)
            if enough(seen):
                return seen
            assert not deadline.passed, [(item.type, item.subject) for item in seen]

    def _read(self, enough: Callable[[list[Seen]], bool], topics: tuple[str, ...]) -> list[Seen]:
        deadline = Deadline(_READ_SECONDS)
        consumer = KafkaConsumer(
            *(self.broker.topic(name) for name in topics),
            bootstrap_servers=self.broker.bootstrap_servers,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            group_id=None,
        )
        seen: list[Seen] = []
        try:
            while not enough(seen) and not deadline.passed:
                for batch in consumer.poll(timeout_ms=100).values():
                    seen += [Seen(r.topic, r.partition, r.key, r.value, list(r.headers)) for r in batch]
        finally:
            consumer.close()
        return seen

    def dead_letters(self) -> dict[str, int]:
        """How many records each dead letter topic was given, of those that were given any."""
        consumer = KafkaConsumer(bootstrap_servers=self.broker.bootstrap_servers, group_id=None)
        try:
            found = {}
            for name in self.topics():
                if name.endswith(".dlq"):
                    topic = self.broker.topic(name)
                    partitions = [
                        TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()
                    ]
                    found[name] = sum(consumer.end_offsets(partitions).values())
            return {name: count for name, count in found.items() if count}
        finally:
            consumer.close()

    def trail(self, order_id: str, count: int) -> list[Seen]:
        """All records of an order, of which there must be `count`."""
        seen = self.records(lambda all_: sum(item.subject == order_id for item in all_) >= count)
        return [item for item in seen if item.subject == order_id]

    def send(self, topic: str, value: bytes, headers: list[tuple[str, bytes]], key: bytes) -> None:
        """Put a record on a topic, as it is."""
        producer = KafkaProducer(bootstrap_servers=self.broker.bootstrap_servers)
        try:
            producer.send(self.broker.topic(topic), value=value, key=key, headers=headers).get(
                timeout=scaled(10)
            )
        finally:
            producer.close()

    def topics(self) -> set[str]:
        """Names of this shop's topics, without namespace."""
        admin = KafkaAdminClient(bootstrap_servers=self.broker.bootstrap_servers)
        try:
            names = admin.list_topics()
        finally:
            admin.close()
        prefix = f"{self.broker.namespace}."
        return {str(name).removeprefix(prefix) for name in names if str(name).startswith(prefix)}
