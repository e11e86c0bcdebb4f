"""The demo as documents: every topic, type and edge of it, as AsyncAPI's own parser and EventCatalog's linter see them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, TopicPartition

from flowtrail_collector.cli import _app
from flowtrail_collector.cli._client import CollectorClient
from orderflow.platform.contracts import FOLDER as CONTRACTS
from orderflow.platform.settings import SERVICES, TOPICS, Settings
from orderflow.serving import build
from servers import UnavailableError, asyncapi_parsed, eventcatalog_linted, servers_required
from waiting import scaled, wait_for

pytestmark = [
    pytest.mark.servers, pytest.mark.fetches("documents"), pytest.mark.slow(20), pytest.mark.timeout(300),
]  # fmt: skip


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorClient]:
    """The demo's collector, once all that was ordered has flown."""
    folder = tmp_path_factory.mktemp("demo")
    dropped = ("KAFKA_BOOTSTRAP_SERVERS", "ORDERFLOW_NAMESPACE", "OTEL_EXPORTER_OTLP_ENDPOINT")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    process = subprocess.Popen(
        [sys.executable, "-m", "orderflow", "demo", "--orders", "12", "--keep"],
        env={**kept, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = next(
            (found[1] for line in process.stdout if (found := re.search(r"COLLECTOR_URL=(\S+)", line))), None
        )
        assert url is not None
        with contextlib.closing(CollectorClient(url)) as client:
            yield client
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=scaled(60))


@pytest.fixture(scope="module")
def flown(collector: CollectorClient) -> set[Any]:
    """(topic, type, service, version) of every event on the demo's topics, read by a client of its own."""
    servers = collector.get("/api/v1/status")["bootstrap_servers"]
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "nobody", "enable.auto.commit": False})
    found: set[Any] = set()
    try:
        known = consumer.list_topics(timeout=scaled(10)).topics
        ends = {}
        for topic in TOPICS:
            for number in known[topic].partitions if topic in known else ():
                end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=scaled(10))[1]
                ends[topic, number] = end
        left = sum(ends.values())
        consumer.assign([TopicPartition(topic, number, 0) for topic, number in ends])
        while left:
            message = consumer.poll(scaled(10))
            assert message is not None, f"{left} records never come"
            assert message.error() is None
            left -= 1
            given: Any = message.headers() or ()
            headers = {name: value.decode() for name, value in given}
            if "ce_type" in headers:
                version = headers.get("ce_dataschema", "/").rpartition("/")[2]
                service = headers["ce_source"].rpartition("/")[2]
                found.add((message.topic(), headers["ce_type"], service, version or None))
    finally:
        consumer.close()
    assert len({row[1] for row in found}) > 5
    return found


@pytest.fixture
def reads(tmp_path: Path) -> set[tuple[str, str, str]]:
    """(topic, type, service) of what the demo's services subscribe to, as they are put together."""
    return {
        (subscription.topic, kind, service)
        for service in SERVICES
        for subscription in build(Settings(service, "127.0.0.1:9", tmp_path)).subscriptions
        for kind in subscription.types
    }


def required(ask: Callable[[Path, float], Any], path: Path) -> Any:
    try:
        return ask(path, scaled(1))
    except UnavailableError as error:
        if servers_required():
            pytest.fail(f"FLOWTRAIL_REQUIRE_SERVERS is set, and {error}", pytrace=False)
        pytest.skip(str(error))


def command(collector: CollectorClient, *arguments: object) -> Any:
    done = CliRunner().invoke(_app.cli, [*map(str, arguments), "--url", collector.url], standalone_mode=False)
    assert done.exception is None, done.exception
    return done


def all_seen(collector: CollectorClient, flown: set[Any]) -> bool:
    rows = collector.get("/api/v1/catalog")["published"]
    return flown <= {(row["topic"], row["type"], row["service"], row["version"]) for row in rows}


def test_every_topic_type_and_edge(
    collector: CollectorClient, flown: set[Any], reads: set[Any], tmp_path: Path
) -> None:
    assert wait_for(lambda: all_seen(collector, flown), 30)
    file = tmp_path / "demo.yaml"
    assert (
        command(collector, "asyncapi", "export", "--contracts", CONTRACTS, "--output", file).return_value == 0
    )
    found = required(asyncapi_parsed, file)
    assert [item for item in found["problems"] if item["code"] != "asyncapi-latest-version"] == []
    messages = {
        (place["address"], item["name"], item["id"])
        for place in found["channels"]
        for item in place["messages"]
    }
    assert {row[:2] for row in messages} == {row[:2] for row in flown}
    assert len(messages) == len({(topic, kind, version) for topic, kind, _, version in flown})
    # The poisoned payment names no version, so it wasn't written by the Protobuf contract.
    bare = [item["id"] for place in found["channels"] for item in place["messages"] if not item["payload"]]
    assert bare == ["PaymentCompleted"]
    formats = {
        (item.get("format") or "").partition(";")[0]
        for place in found["channels"]
        for item in place["messages"]
    }
    assert formats >= {"application/vnd.apache.avro", "application/vnd.google.protobuf"}
    sides: dict[str, set[tuple[str, str]]] = {"send": set(), "receive": set()}
    for operation in found["operations"]:
        sides[operation["action"]].update((operation["service"], place) for place in operation["addresses"])
    assert sides["send"] == {(service, topic) for topic, _, service, _ in flown}
    topics = {topic for topic, *_ in flown}
    assert sides["receive"] == {(service, topic) for topic, _, service in reads if topic in topics}
    edges = {(a, topic, b) for a, topic in sides["send"] for b, place in sides["receive"] if topic == place}
    learned = {
        (edge["source"], edge["topic"], edge["target"]) for edge in collector.get("/api/v1/topology")["edges"]
    }
    assert learned <= edges
    named = {
        (place, kind, operation["service"])
        for operation in found["operations"] if operation["action"] == "receive"
        for place in operation["addresses"] for kind in operation["messages"]
    }  # fmt: skip
    assert {row for row in reads if row[:2] in {pair[:2] for pair in flown}} >= {
        row for row in named if row[2] in {edge[2] for edge in learned}
    }
    for operation in found["operations"]:
        if operation["action"] == "receive":
            assert operation["bindings"][0]["groupId"]["enum"] == [operation["service"]]


def test_the_export_agrees_with_itself(collector: CollectorClient, flown: set[Any], tmp_path: Path) -> None:
    assert wait_for(lambda: all_seen(collector, flown), 30)
    file = tmp_path / "demo.yaml"
    command(collector, "asyncapi", "export", "--contracts", CONTRACTS, "--output", file)
    done = command(collector, "asyncapi", "check", file, "--contracts", CONTRACTS, "--json")
    assert json.loads(done.stdout) == {"service": None, "findings": []}


def test_eventcatalog_takes_it(collector: CollectorClient, flown: set[Any], tmp_path: Path) -> None:
    assert wait_for(lambda: all_seen(collector, flown), 30)
    command(collector, "eventcatalog", "export", tmp_path / "catalog", "--contracts", CONTRACTS)
    # The linter misses a schema of the poisoned payment, which has none; and nothing else.
    _, said = required(eventcatalog_linted, tmp_path / "catalog")
    assert "events/PaymentCompleted/versioned/0.0.1/index.mdx" in said
    assert "(0 errors, 1 warnings)" in said
    flow = (tmp_path / "catalog" / "flows" / "order-fulfilment" / "index.mdx").read_text()
    assert flow.count("message:") >= 5
