"""Faults of a real Kafka: killed, slow, or unwilling."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from flowtrail_collector.brokers.kafka.connection import KafkaConnection, check_reachable, read_connection
from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.lag import LagPoller, LagSettings
from lagkit import SlowProxy, explore, pair_lag
from servers import KafkaServer, UnavailableError, free_port, servers_required
from waiting import scaled, until

pytestmark = [pytest.mark.servers, pytest.mark.fetches("kafka")]

PASSWORD = "a-secret-of-the-watcher"


def fill(bootstrap: str, *topics: str) -> None:
    """A topic each with ten records, four of them read by the group `billing`."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(topic, 1, 1) for topic in topics]).values():
        future.result(scaled(20))
    producer = Producer({"bootstrap.servers": bootstrap})
    for topic in topics:
        for _ in range(10):
            producer.produce(topic, b"x", partition=0)
    assert producer.flush(scaled(20)) == 0
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "billing"})
    consumer.commit(offsets=[TopicPartition(topic, 0, 4) for topic in topics], asynchronous=False)
    consumer.close()


def poller_on(connection: KafkaConnection, *, renew_seconds: float = 20.0, **settings: object) -> LagPoller:
    return LagPoller(
        KafkaLagSource(connection, renew_seconds=renew_seconds),
        LagSettings(**settings),  # type: ignore[arg-type]
        prober=KafkaRecordProber(connection),
    )


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "flowtrail_collector.lag"]


@pytest.mark.slow(25)
def test_a_broker_that_is_killed_and_comes_back(
    kafka_server: Callable[..., KafkaServer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kafka = kafka_server()
    fill(kafka.bootstrap_servers, "orders")
    connection = read_connection(kafka.bootstrap_servers, environ={})
    poller = poller_on(connection, interval_seconds=0.3, renew_seconds=4)
    stop = threading.Event()
    thread = threading.Thread(target=poller.run, args=(stop,))
    thread.start()
    try:
        until(lambda: pair_lag(poller.view, "billing", "orders", 0) == 6)
        assert poller.problem is None
        kafka.kill()
        until(lambda: poller.problem is not None)
        assert "no Kafka broker answers" in str(poller.problem)
        # The last figures stay, and their age tells that they are old.
        assert b'kafka_consumergroup_group_lag{group="billing",topic="orders"' in poller.metrics.text(False)
        at = poller.view.collected_at
        until(lambda: b'failing{scope="cluster"} 1' in poller.metrics.text(False))
        time.sleep(3)  # several collections fail, and librdkafka gives up the group's coordinator
        assert poller.view.collected_at == at
        assert len([line for line in told(caplog) if "no Kafka broker answers" in line]) == 1

        kafka.start()
        until(lambda: poller.problem is None)
        until(lambda: pair_lag(poller.view, "billing", "orders", 0) == 6)
        until(lambda: b'failing{scope="cluster"} 0' in poller.metrics.text(False))
        until(lambda: b'failing{scope="group"} 0' in poller.metrics.text(False), timeout_seconds=30)
    finally:
        stop.set()
        thread.join(scaled(20))
    assert not thread.is_alive()


@pytest.fixture
def slow() -> Iterator[SlowProxy]:
    proxy = SlowProxy()
    yield proxy
    proxy.close()


class ProxiedKafka(KafkaServer):
    """Tells clients to come through a proxy."""

    def __init__(self, folder: Path, proxy: SlowProxy) -> None:
        super().__init__(folder)
        self._proxy = proxy

    def _properties(self, folder: Path) -> dict[str, str]:
        self._proxy.target = self.port
        advertised = f"PLAINTEXT://127.0.0.1:{self._proxy.port}"
        return {**super()._properties(folder), "advertised.listeners": advertised}


class GuardedKafka(KafkaServer):
    """Asks for a password on a second port, and lets the user `watcher` see what ACLs allow."""

    sasl_port = 0

    def _properties(self, folder: Path) -> dict[str, str]:
        plain = super()._properties(folder)
        self.sasl_port = free_port()
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        return {
            **plain,
            "listeners": f"{plain['listeners']},SASL://127.0.0.1:{self.sasl_port}",
            "advertised.listeners": f"{plain['advertised.listeners']},SASL://127.0.0.1:{self.sasl_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl.plain.sasl.jaas.config": f'{module} required user_watcher="{PASSWORD}";',
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }


def started(make: Callable[[], KafkaServer]) -> KafkaServer:
    try:
        server = make()
    except UnavailableError as error:
        if servers_required():
            raise
        pytest.skip(str(error))
    server.start()
    return server


@pytest.mark.slow(15)
def test_a_broker_that_is_slow_and_then_silent(
    slow: SlowProxy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kafka = started(lambda: ProxiedKafka(tmp_path / "kafka", slow))
    try:
        fill(kafka.bootstrap_servers, "orders")
        poller = poller_on(read_connection(f"127.0.0.1:{slow.port}", environ={}), timeout_seconds=2)
        poller.collect()
        assert pair_lag(poller.view, "billing", "orders", 0) == 6

        slow.delay = 0.2
        began = time.monotonic()
        poller.collect()
        assert pair_lag(poller.view, "billing", "orders", 0) == 6
        assert time.monotonic() - began < scaled(6)

        # Longer than a collection waits: it ends in time, and says so.
        slow.delay = 8
        for _ in range(2):
            began = time.monotonic()
            poller.collect()
            assert time.monotonic() - began < scaled(6)
        assert b'kafka_consumergroup_group_lag{group="billing",topic="orders"' in poller.metrics.text(False)
        assert told(caplog)
        assert len(told(caplog)) == len(set(told(caplog)))

        slow.delay = 0
        until(lambda: bool(poller.collect()) and not poller.view.overview()["failures"])
        assert pair_lag(poller.view, "billing", "orders", 0) == 6
        poller.close()
    finally:
        kafka.kill()


@pytest.mark.slow(13)
def test_a_watcher_that_may_not_see_everything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    kafka = started(lambda: GuardedKafka(tmp_path / "kafka"))
    assert isinstance(kafka, GuardedKafka)
    try:
        fill(kafka.bootstrap_servers, "orders", "salaries")
        allow(kafka.bootstrap_servers, ResourceType.TOPIC, "orders")
        allow(kafka.bootstrap_servers, ResourceType.GROUP, "billing")
        settings = {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "watcher",
            "sasl.password": "${env:WATCHER}",
        }
        where = f"127.0.0.1:{kafka.sasl_port}"
        wrong = read_connection(where, settings=settings, environ={"WATCHER": "guess-the-password"})
        with pytest.raises(ServiceUnreachableError, match=r"(?i)authentication failed") as caught:
            check_reachable(wrong, timeout_seconds=3)
        assert "guess-the-password" not in str(caught.value)

        connection = read_connection(where, settings=settings, environ={"WATCHER": PASSWORD})
        check_reachable(connection)
        poller = poller_on(connection)
        until(lambda: bool(poller.collect()))
        assert pair_lag(poller.view, "billing", "orders", 0) == 6
        assert pair_lag(poller.view, "billing", "salaries", 0) is None
        assert b"salaries" not in poller.metrics.text(False)
        # Records may be described, not read: waits are then those of the time index.
        explore(poller)
        poller.collect()
        reading = poller.view.reading("billing")
        assert reading is not None
        assert reading.seconds[0] is not None
        assert PASSWORD not in caplog.text
        poller.close()
    finally:
        kafka.kill()


def allow(bootstrap: str, kind: ResourceType, name: str) -> None:
    acl = AclBinding(
        kind,
        name,
        ResourcePatternType.LITERAL,
        "User:watcher",
        "*",
        AclOperation.DESCRIBE,
        AclPermissionType.ALLOW,
    )
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_acls([acl]).values():
        future.result(scaled(20))
