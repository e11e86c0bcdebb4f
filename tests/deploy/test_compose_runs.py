"""Every command of compose.yaml that runs our own code, Kafka, RabbitMQ, Jaeger or Prometheus, run as a process.

Addresses are the only thing changed: a name of the compose network and its port become a free port on loopback.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from dashkit.compose import RABBITMQ_ENV, filled_in
from dashkit.files import REPOSITORY, load_yaml
from servers import (
    KafkaServer,
    ManagedProcess,
    PostgresServer,
    RabbitServer,
    UnavailableError,
    free_port,
    servers_required,
)
from servers import _jaeger as jaeger
from servers._process import wait_for
from servers._tools import tool
from waiting import scaled

pytestmark = [
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.fetches("kafka", "jaeger"),
]

SERVICES: dict[str, dict[str, Any]] = load_yaml(REPOSITORY / "compose.yaml")["services"]
SHOP = ("orders", "inventory", "billing", "fulfillment", "customers")
COLLECTORS = ("collector-1", "collector-2")
PROGRAMS = {
    "collector": [sys.executable, "-m", "flowtrail_collector"],
    "demo": [sys.executable, "-m", "orderflow"],
}
JAEGER_PORTS = {"16686": "query.http-server.host-port", "4318": "collector.otlp.http.host-port"}


class Network:
    """`name:port` of the compose network -> `127.0.0.1:port` of this machine, the same each time."""

    def __init__(self) -> None:
        self._ports: dict[str, int] = {}

    def put(self, name: str, address: str) -> None:
        self._ports[name] = int(address.rsplit(":", 1)[1])

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self._ports.setdefault(name, free_port())}"

    def within(self, service: str, text: str) -> str:
        """Text of a service's configuration with every address replaced."""
        own = re.sub(r"(?:127\.0\.0\.1|0\.0\.0\.0|localhost):", f"{service}:", text)
        return re.sub(rf"\b({'|'.join(SERVICES)}):(\d+)", lambda found: self.address(found[0]), own)


class Stack:
    """Starts services of compose.yaml as processes."""

    def __init__(self, network: Network, folder: Path, variables: Mapping[str, str]) -> None:
        self.network = network
        self._of_compose = variables
        self._folder = folder

    def command(self, name: str) -> list[str]:
        service = SERVICES[name]
        words = [self.network.within(name, word) for word in service["command"]]
        if words[:1] == ["serve"] and "--port" in words:
            words[-1] = self.network.address(f"{name}:{words[-1]}").rsplit(":", 1)[1]
        return [*PROGRAMS[service["build"]["target"]], *words]

    def environment(self, name: str) -> dict[str, str]:
        given = {key: filled_in(value, self._of_compose) for key, value in _variables(name).items()}
        found = {key: self.network.within(name, value) for key, value in given.items()}
        for volume in SERVICES[name].get("volumes", []):
            source, target = volume.split(":")[:2]
            place = REPOSITORY / source if source.startswith(".") else self._folder / source
            place.mkdir(exist_ok=True) if not place.exists() else None
            found = {key: value.replace(target, str(place)) for key, value in found.items()}
        if "ORDERFLOW_METRICS_PORT" in found:
            address = self.network.address(f"{name}:{found['ORDERFLOW_METRICS_PORT']}")
            found |= {"ORDERFLOW_METRICS_PORT": address.rsplit(":", 1)[1], "ORDERFLOW_HOST": "127.0.0.1"}
        return found

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        process = ManagedProcess(
            name, self.command(name), ready=lambda: self.healthy(name),
            output=self._folder / f"{name}.log", env=self.environment(name), timeout_seconds=90,
        )  # fmt: skip
        try:
            process.start()
            yield
        finally:
            process.kill()

    def healthy(self, name: str) -> bool:
        """Its own health check, if it is a command of Python's."""
        check = SERVICES[name]["healthcheck"]
        if "disable" in check:
            return True
        kind, program, *words = check["test"]
        assert (kind, program) == ("CMD", "python")
        done = subprocess.run(
            [sys.executable, *(self.network.within(name, word) for word in words)],
            capture_output=True, check=False,
        )  # fmt: skip
        return done.returncode == 0

    def once(self, name: str) -> int:
        environment = {**os.environ, **self.environment(name)}
        return subprocess.run(self.command(name), env=environment, timeout=scaled(90), check=False).returncode


@pytest.mark.slow(36)
@pytest.mark.parametrize("variables", [{}, RABBITMQ_ENV], ids=["kafka", "rabbitmq"])
def test_the_stack_runs(tmp_path: Path, variables: dict[str, str]) -> None:
    network = Network()
    with ExitStack() as running:
        for name, address in _parts(running, tmp_path, with_rabbitmq=bool(variables)).items():
            network.put(name, address)
        stack = Stack(network, tmp_path, variables)
        for name in COLLECTORS:
            running.enter_context(stack.running(name))
        assert stack.once("topics") == 0
        for name in SHOP:
            running.enter_context(stack.running(name))
        running.enter_context(stack.running("load"))
        urls = [f"http://{network.address(f'{name}:8090')}" for name in COLLECTORS]
        assert wait_for(lambda: _completed(urls) >= 3, 90), [_log(tmp_path, name) for name in COLLECTORS]
        # What Grafana's data source asks Jaeger and the collector.
        for url in (f"http://{network.address('jaeger:16686')}", *urls):
            assert wait_for(lambda url=url: b"orders" in _get(f"{url}/api/services"), 30), url  # type: ignore[misc]


def _parts(running: ExitStack, folder: Path, *, with_rabbitmq: bool) -> dict[str, str]:
    """Kafka, PostgreSQL, Jaeger and RabbitMQ, with the settings that stand in compose.yaml."""
    try:
        rabbitmq = RabbitServer(folder / "rabbitmq") if with_rabbitmq else None
        kafka = KafkaServer(folder / "kafka", _kafka_properties())
        postgres = PostgresServer(folder)
        program = jaeger.PROGRAM.get()
        tool("java")
    except UnavailableError as error:
        if servers_required():
            raise
        pytest.skip(str(error))
    running.callback(kafka.kill)
    kafka.start()
    running.callback(postgres.close)
    postgres.start()
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE flowtrail")  # the image does it: POSTGRES_DB
    return {
        "kafka:9092": kafka.bootstrap_servers,
        "postgres:5432": _host(postgres.url),
        **_jaeger(running, str(program), folder),
        **(_rabbitmq(running, rabbitmq) if rabbitmq is not None else {}),
    }


def _rabbitmq(running: ExitStack, server: RabbitServer) -> dict[str, str]:
    """RabbitMQ with the user that the image makes of compose.yaml's variables."""
    running.callback(server.close)
    server.start()
    given = {key: filled_in(value, {}) for key, value in _variables("rabbitmq").items()}
    user = given["RABBITMQ_DEFAULT_USER"]
    server.manage(
        "PUT", f"users/{user}", {"password": given["RABBITMQ_DEFAULT_PASS"], "tags": "administrator"}
    )
    server.manage("PUT", f"permissions/%2F/{user}", {"configure": ".*", "write": ".*", "read": ".*"})
    return {
        "rabbitmq:5672": f"127.0.0.1:{server.port}",
        "rabbitmq:15672": f"127.0.0.1:{server.management_port}",
    }


def _kafka_properties() -> dict[str, str]:
    """As the image does it: KAFKA_NODE_ID becomes node.id. Where it listens and keeps its data stays the test's."""
    own = ("LISTENER", "QUORUM", "LOG_DIRS", "HEAP_OPTS", "NODE_ID", "PROCESS_ROLES")
    return {
        key.removeprefix("KAFKA_").lower().replace("_", "."): value
        for key, value in _variables("kafka").items()
        if not any(word in key for word in own)
    }


def _jaeger(running: ExitStack, program: str, folder: Path) -> dict[str, str]:
    ports = {name: free_port() for name in jaeger._LISTEN}
    listen = [f"--{name}=127.0.0.1:{port}" for name, port in ports.items()]
    addresses = {f"jaeger:{port}": f"127.0.0.1:{ports[name]}" for port, name in JAEGER_PORTS.items()}
    process = ManagedProcess(
        "jaeger", [program, *SERVICES["jaeger"]["command"], *listen],
        ready=lambda: b"data" in _get(f"http://{addresses['jaeger:16686']}/api/services"),
        output=folder / "jaeger.log",
    )  # fmt: skip
    running.callback(process.kill)
    process.start()
    return addresses


def _variables(name: str) -> Mapping[str, str]:
    found: Mapping[str, str] = SERVICES[name]["environment"]
    return found


def _host(url: str) -> str:
    found = re.search(r"127\.0\.0\.1:\d+", url)
    assert found is not None
    return found[0]


def _completed(urls: list[str]) -> float:
    """From the one worker that holds the lease."""
    return sum(
        sample.value
        for url in urls
        for family in text_string_to_metric_families(_get(f"{url}/metrics").decode())
        for sample in family.samples
        if sample.name == "flowtrail_saga_ended_total" and sample.labels["outcome"] == "completed"
    )


def _get(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=scaled(10)) as answer:
            return bytes(answer.read())
    except OSError:
        return b""


def _log(folder: Path, name: str) -> str:
    return (folder / f"{name}.log").read_text(errors="replace")[-2000:]
