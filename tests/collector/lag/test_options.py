"""What is set on the command line arrives where lag is collected and told."""

import gzip
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from flowtrail_collector.app import build_collector
from flowtrail_collector.cli._app import cli
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.settings import CollectorConfig, KafkaConfig, LagSettings, PushConfig
from httpkit import Answer, Asked, serving

NOWHERE = "127.0.0.1:1"


def test_options_and_variables_become_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[CollectorConfig] = []
    monkeypatch.setattr("flowtrail_collector.run.run_collector", lambda config, on_ready: seen.append(config))
    arguments = [
        "collector", "run", "--bootstrap-servers", NOWHERE, "--store", str(tmp_path / "x.sqlite"),
        "--lag-groups", "^billing", "--lag-topics", "orders", "--lag-granularity", "topic",
        "--lag-read-committed", "ledger$", "--lag-probes", "0", "--compat", "kafka_exporter",
        "--otlp-metrics-endpoint", "http://otel:4318",
    ]  # fmt: skip
    variables = {"FLOWTRAIL_LAG_WINDOW": "5m", "FLOWTRAIL_OTLP_METRICS_INTERVAL": "10s"}
    CliRunner().invoke(cli, arguments, env=variables, catch_exceptions=False)
    (config,) = seen
    assert config.lag == LagSettings(
        groups="^billing", topics="orders", granularity="topic", window_seconds=300.0,
        read_committed="ledger$", probes=0, compat=("kafka_exporter",),
    )  # fmt: skip
    assert config.push == PushConfig("http://otel:4318", 10.0)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (LagSettings(groups="("), "--lag-groups is not a regular expression"),
        (LagSettings(read_committed="["), "--lag-read-committed is not a regular expression"),
        (LagSettings(window_seconds=0), "--lag-window must be greater than 0"),
        (LagSettings(probes=-1), "--lag-probes must be 0 or more"),
        (PushConfig("otel:4318"), "takes an address such as http://localhost:4318"),
    ],
)
def test_what_cannot_be_used_is_said_with_the_options_name(
    section: LagSettings | PushConfig, message: str
) -> None:
    name = "lag" if isinstance(section, LagSettings) else "push"
    with pytest.raises(ConfigurationError, match=message):
        replace(CollectorConfig(KafkaConfig(NOWHERE)), **{name: section}).validate()


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[str | None, ExportMetricsServiceRequest]]]]:
    got: list[tuple[str | None, ExportMetricsServiceRequest]] = []

    def take(asked: Asked) -> Answer:
        got.append(
            (asked.headers["x-tenant"], ExportMetricsServiceRequest.FromString(gzip.decompress(asked.body)))
        )
        return 200, ""

    with serving(take) as url:
        yield url, got


@pytest.mark.slow
def test_a_collector_pushes_what_it_shows(
    receiver: tuple[str, list[tuple[str | None, ExportMetricsServiceRequest]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, got = receiver
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=shop")
    collector = build_collector(
        CollectorConfig(
            KafkaConfig(NOWHERE),
            store=tmp_path / "store.sqlite",
            push=PushConfig(url, interval_seconds=0.1),
        )
    )
    collector.supervisor.start()
    try:
        deadline = threading.Event()
        for _ in range(100):
            if got:
                break
            deadline.wait(0.1)
    finally:
        collector.close()
    tenant, request = got[0]
    assert tenant == "shop"
    names = {metric.name for metric in request.resource_metrics[0].scope_metrics[0].metrics}
    assert any(name.startswith("flowtrail_collector_") for name in names)
