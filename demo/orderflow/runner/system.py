"""The running system: collector and services on free ports."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orderflow.platform.settings import SERVICES, SettingsError, qualified
from orderflow.runner.broker import Broker
from orderflow.runner.children import Child, Children
from orderflow.runner.rabbitmq import UNHEARD

COLLECTOR_PORT = 8190  # not the collector's own default, where somebody's own one may listen
_HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class System:
    """What runs.

    Attributes:
        collector_url: Of the collector.
        orders_url: Of Order Management.
        collector: The collector's process.
        environment: What the services were started with.
        metrics_urls: Of each service's own Prometheus metrics.
    """

    collector_url: str
    orders_url: str
    collector: Child
    environment: Mapping[str, str]
    metrics_urls: Mapping[str, str]


def start_system(children: Children, broker: Broker, folder: Path, environment: Mapping[str, str]) -> System:
    """Start the collector and the five services, and wait until they are ready.

    Raises:
        DemoError: One of them isn't.
    """
    collector = _start_collector(children, broker, folder, environment)
    url = collector.wait_for(r"(http://\S+?:\d+)")[1]
    rabbit = broker.rabbitmq
    settings = {
        **environment,
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "RABBITMQ_URL": rabbit.url if rabbit is not None else "",
        "ORDERFLOW_BROKER": broker.choice,
        "ORDERFLOW_FOLDER": str(folder),
        "ORDERFLOW_NAMESPACE": broker.namespace,
        "FLOWTRAIL_OTLP_ENDPOINTS": url,
        # The trail is shown seconds after the order: spans must not wait as long as by default (5 s).
        "OTEL_BSP_SCHEDULE_DELAY": environment.get("OTEL_BSP_SCHEDULE_DELAY", "500"),
    }
    for variable in ("FLOWTRAIL_SERVICE", "OTEL_SERVICE_NAME", "FLOWTRAIL_BOOTSTRAP_SERVERS"):
        settings.pop(variable, None)  # each service has its own name, and all have this broker
    started = {
        name: children.start(
            name,
            [sys.executable, "-m", "orderflow", "serve", name, "--port", "0", "--metrics-port", "0"],
            settings,
            tier=2,
        )
        for name in SERVICES
    }
    for child in started.values():
        child.wait_for("has joined group")
    if rabbit is not None:  # which keeps nothing for a collector that comes later
        collector.wait_until(rabbit.is_followed)
    orders_url = started["orders"].wait_for(r"listening on (http://\S+?:\d+)")[1]
    metrics = {name: child.wait_for(r"metrics on (http://\S+)")[1] for name, child in started.items()}
    return System(url, orders_url, collector, settings, metrics)


def _start_collector(
    children: Children, broker: Broker, folder: Path, environment: Mapping[str, str]
) -> Child:
    dropped = ("FLOWTRAIL_", "KAFKA_BOOTSTRAP_SERVERS")
    settings = {name: value for name, value in environment.items() if not name.startswith(dropped)}
    command = [
        sys.executable, "-m", "flowtrail_collector", "collector", "run",
        "--flows", str(write_flows(folder, broker.namespace)),
        "--store", str(folder / "collector.sqlite"),
        "--listen", f"127.0.0.1:{_collector_port(environment)}",
        "--topics", broker.topics_pattern,
        "--dead-letter-topics", broker.dead_letters_pattern,
        "--lag-interval", "1s",
    ]  # fmt: skip
    if broker.bootstrap_servers:
        command += ["--bootstrap-servers", broker.bootstrap_servers]
    rabbit = broker.rabbitmq
    if rabbit is not None:
        settings["FLOWTRAIL_RABBITMQ"] = (
            rabbit.url
        )  # it holds a password, which a command line shows everybody
        command += [
            "--rabbitmq-management", rabbit.management,
            "--rabbitmq-exchanges", f"{broker.topics_pattern}|{re.escape(rabbit.name(UNHEARD))}",
            "--rabbitmq-queue", rabbit.stream,
            "--lag-groups", rf"^(?!rabbitmq:([^.]+\.)?{UNHEARD}$)",
        ]  # fmt: skip
    return children.start("collector", command, settings, tier=1)


def _collector_port(environment: Mapping[str, str]) -> int:
    text = environment.get("ORDERFLOW_COLLECTOR_PORT", "").strip()
    if not text:
        return free_port(COLLECTOR_PORT)
    if not text.isdecimal() or int(text) > _HIGHEST_PORT:
        raise SettingsError(f"ORDERFLOW_COLLECTOR_PORT is a port, or 0 for any that is free, not {text!r}")
    return int(text)


def write_flows(folder: Path, namespace: str) -> Path:
    """The flow file of this run: `by` names consumer groups, and those carry the namespace."""
    text = (Path(__file__).parent.parent / "flows.yaml").read_text()
    text = re.sub(r"\bby: ([\w-]+)", lambda found: f"by: {qualified(namespace, found[1])}", text)
    path = folder / "flows.yaml"
    path.write_text(text)
    return path


def free_port(preferred: int) -> int:
    """The preferred port if nobody listens on it, else 0: any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            return 0
    return preferred
