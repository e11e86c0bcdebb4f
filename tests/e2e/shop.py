"""The whole demo as processes: five services and a collector on a broker, under a namespace of their own."""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from servers import ManagedProcess, answers, free_port, listens
from servers._process import wait_for
from waiting import scaled

FLOWS = Path(__file__).parents[2] / "demo" / "orderflow" / "flows.yaml"
SERVICES = ("orders", "inventory", "billing", "fulfillment", "customers")
TOPICS = ("orders", "inventory", "payments", "shipments", "customers")
DECLINED_CUSTOMER, SCARCE_SKU = "CUS-0013", "LAMP-LIMITED"


class Shop:
    """Starts and asks the processes.

    Args:
        bootstrap_servers: The broker.
        folder: Where databases and logs go.
        charge_within: The deadline of the step `charge`, where it isn't the demo's own.
        collector_options: Further options of `flowtrail collector run`.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        folder: Path,
        charge_within: str = "60s",
        collector_options: Sequence[str] = (),
    ) -> None:
        self._collector_options = collector_options
        self.metrics_ports = {name: free_port() for name in SERVICES}
        self.bootstrap_servers = bootstrap_servers
        self.namespace = f"t{uuid.uuid4().hex[:8]}"
        self._folder = folder
        self._flows = self._write_flows(charge_within)
        self._orders_port, self._collector_port = free_port(), free_port()
        self.orders_url = f"http://127.0.0.1:{self._orders_port}"
        self.collector_url = f"http://127.0.0.1:{self._collector_port}"
        self.collector = self._collector()
        self.services = {name: self._service(name) for name in SERVICES}

    def topic(self, name: str) -> str:
        """A topic's name on the broker."""
        return f"{self.namespace}.{name}"

    def start(self) -> None:
        """Start the collector, then the services."""
        self.collector.start()
        for service in self.services.values():
            service.start()

    def stop(self) -> None:
        """Stop everything."""
        for process in (*self.services.values(), self.collector):
            process.kill()

    def place(self, customer: str = "CUS-0001", sku: str = "MUG-BLUE", quantity: int = 1) -> str:
        """Order something; the order's id."""
        status, body = self.post({"customer_id": customer, "lines": [{"sku": sku, "quantity": quantity}]})
        assert status in (201, 202), body
        order_id: str = body["order_id"]
        return order_id

    def post(self, order: Any) -> tuple[int, Any]:
        """`POST /orders`: status and answer."""
        request = urllib.request.Request(
            f"{self.orders_url}/orders",
            data=order if isinstance(order, bytes) else json.dumps(order).encode(),
            headers={"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=scaled(10)) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def api(self, path: str) -> Any:
        """An answer of the collector's API; None for 404."""
        try:
            with urllib.request.urlopen(self.collector_url + path, timeout=scaled(10)) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels; 0 if there are none."""
        with urllib.request.urlopen(f"{self.collector_url}/metrics", timeout=scaled(10)) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def outcomes(self) -> dict[str, int]:
        """Started, open, and ended by outcome, from the collector's metrics."""
        ended = {
            outcome: int(self.metric("flowtrail_saga_ended_total", outcome=outcome))
            for outcome in ("completed", "compensated", "failed", "timed_out")
        }
        return {
            "started": int(self.metric("flowtrail_saga_started_total")),
            "open": int(self.metric("flowtrail_saga_open_instances")),
            **ended,
        }

    def _write_flows(self, charge_within: str) -> Path:
        """The demo's flow file; `by` names consumer groups, and those carry the namespace."""
        text = FLOWS.read_text(encoding="utf-8")
        assert "within: 60s" in text
        text = text.replace("within: 60s", f"within: {charge_within}")
        text = re.sub(r"\bby: (\w+)", lambda found: f"by: {self.topic(found[1])}", text)
        path = self._folder / "flows.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def _collector(self) -> ManagedProcess:
        topics = f"{self.namespace}\\.({'|'.join(TOPICS)})"
        command = [
            sys.executable, "-m", "flowtrail_collector", "collector", "run",
            "--bootstrap-servers", self.bootstrap_servers,
            "--flows", str(self._flows),
            "--store", str(self._folder / "collector.sqlite"),
            "--listen", f"127.0.0.1:{self._collector_port}",
            "--topics", topics,
            "--dead-letter-topics", f"{self.namespace}\\..*\\.dlq",
            "--log-level", "info",
            *self._collector_options,
        ]  # fmt: skip
        return ManagedProcess(
            "collector", command, ready=self._collector_answers, output=self._folder / "collector.log"
        )

    def _collector_answers(self) -> bool:
        return answers(f"{self.collector_url}/readyz")

    def _service(self, name: str) -> ManagedProcess:
        command = [sys.executable, "-m", "orderflow", "serve", name]
        command += ["--metrics-port", str(self.metrics_ports[name])]
        if name == "orders":
            command += ["--port", str(self._orders_port)]
        log = self._folder / f"{name}.log"
        return ManagedProcess(
            name,
            command,
            ready=(lambda: listens(self._orders_port)) if name == "orders" else (lambda: True),
            output=log,
            env={
                "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
                "ORDERFLOW_FOLDER": str(self._folder),
                "ORDERFLOW_NAMESPACE": self.namespace,
                "FLOWTRAIL_OTLP_ENDPOINTS": self.collector_url,
                "OTEL_BSP_SCHEDULE_DELAY": "200",
            },
        )


def get_json(url: str) -> Any:
    """What a GET answers; None for 404."""
    try:
        with urllib.request.urlopen(url, timeout=scaled(10)) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 404:
                return None
            raise


def settled(shop: Shop, expected: dict[str, int], timeout_seconds: float = 60) -> bool:
    """Wait until the collector's counts are as expected."""
    return wait_for(lambda: shop.outcomes() == expected, timeout_seconds)


def causal_chain(headers: Sequence[dict[str, str]]) -> dict[str, str | None]:
    """Event type -> type of the event that caused it, by ids as they stand in the topics."""
    types = {header["ce_id"]: header["ce_type"] for header in headers}
    return {
        header["ce_type"]: types.get(header["ce_causationid"]) if "ce_causationid" in header else None
        for header in headers
    }


def trace_id(traceparent: str) -> str:
    """The trace id of a W3C `traceparent`."""
    match = re.fullmatch(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", traceparent)
    assert match is not None, traceparent
    return match[1]
