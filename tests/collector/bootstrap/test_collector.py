"""The whole collector: wired, started, stopped, refused."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from confluent_kafka import Producer
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import flowtrail
import waiting
from devbroker import DevBroker
from flowtrail_collector.cli import main
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.settings import CollectorConfig, KafkaConfig, LagSettings
from flowtrail_collector.store.open import open_store
from trailkit.web import collecting
from waiting import scaled

FLOWS = """\
flows:
  fulfilment:
    starts: OrderPlaced
    steps:
      reserve: {done: StockReserved, by: inventory, within: 30s, undone: StockReleased}
      charge:  {done: PaymentCompleted, failed: PaymentFailed, by: billing, within: 60s}
    completes: PaymentCompleted
    cancels: OrderCancelled
"""


@pytest.fixture
def flows_file(tmp_path):
    path = tmp_path / "flows.yaml"
    path.write_text(FLOWS)
    return path


def get(url):
    with urllib.request.urlopen(url, timeout=scaled(10)) as response:
        return json.loads(response.read())


def until(condition, seconds=30):
    def answered():
        with contextlib.suppress(urllib.error.URLError):
            return condition()

    return waiting.until(answered, timeout_seconds=seconds)


@contextlib.contextmanager
def services(brokers, url):
    """Orders, inventory and billing; billing can't stand order `poison`."""
    with contextlib.ExitStack() as stack:

        def service(name):
            provider = TracerProvider(resource=Resource.create({"service.name": name}))
            exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces")
            provider.add_span_processor(SimpleSpanProcessor(exporter))
            stack.callback(provider.shutdown)
            return flowtrail.Trail(service=name, bootstrap_servers=brokers, tracer_provider=provider)

        orders, inventory, billing = service("orders"), service("inventory"), service("billing")

        @inventory.consumer("orders", types=["OrderPlaced"], group="inventory")
        def reserve(event):
            inventory.publish("inventory", {}, type="StockReserved", subject=event.subject)

        retry = flowtrail.Retry(attempts=2, initial_seconds=0.01)

        @billing.consumer(
            "inventory", types=["StockReserved"], group="billing", retry=retry, dead_letter=True
        )
        def charge(event):
            if event.subject == "poison":
                raise ValueError("total_cents is negative")
            billing.publish("payments", {}, type="PaymentCompleted", subject=event.subject)

        for trail in (inventory, billing):
            stack.enter_context(trail.running())
        stack.callback(orders.close)
        yield orders


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.servers)])
def store(request, tmp_path):
    """What `--store` takes."""
    return tmp_path / "store.sqlite" if request.param == "sqlite" else request.getfixturevalue("postgres")


@pytest.mark.slow
def test_orders_end_to_end(devbroker, tmp_path, store, flows_file, capsys, monkeypatch):
    config = CollectorConfig(
        KafkaConfig(devbroker),
        flows=flows_file,
        store=store,
        lag=LagSettings(interval_seconds=0.5),
        sweep_interval_seconds=0.2,
    )
    with collecting(config) as url, services(devbroker, url) as orders:
        for order in ("good", "poison"):
            orders.publish("orders", {}, type="OrderPlaced", subject=order)
        until(lambda: get(f"{url}/api/v1/sagas?outcome=completed")["sagas"])
        (letter,) = until(lambda: get(f"{url}/api/v1/dead-letters")["dead_letters"])
        assert (letter["group"], letter["error_type"], letter["subject"]) == (
            "billing",
            "ValueError",
            "poison",
        )
        good = until(lambda: complete(get(f"{url}/api/v1/trails/good")["trail"]))
        shown = [(e["kind"], e["service"], e["name"]) for e in good["entries"] if e["kind"] != "queue"]
        assert shown == [
            ("publish", "orders", "OrderPlaced"),
            ("process", "inventory", "OrderPlaced"),
            ("publish", "inventory", "StockReserved"),
            ("process", "billing", "StockReserved"),
            ("publish", "billing", "PaymentCompleted"),
        ]
        assert good["seen_as"] == "events and spans"
        assert len(good["trace_ids"]) == 1
        assert good["sagas"][0]["outcome"] == "completed"
        same = get(f"{url}/api/v1/trails/{good['trace_ids'][0]}")
        assert same["matched_by"] == "trace id"
        assert same["trail"]["entries"] == good["entries"]
        poison = until(lambda: died(get(f"{url}/api/v1/trails/poison")["trail"]))
        assert [entry["kind"] for entry in poison["entries"]].count("retry") == 1
        assert poison["missing"][0]["step"] == "charge"
        until(lambda: urllib.request.urlopen(f"{url}/readyz", timeout=scaled(5)).status == 200)
        with urllib.request.urlopen(f"{url}/metrics", timeout=scaled(5)) as response:
            metrics = response.read().decode()
        assert 'flowtrail_saga_ended_total{flow="fulfilment",outcome="completed"} 1.0' in metrics
        assert re.search(r"flowtrail_dlq_pending{.*} 1.0", metrics)
        monkeypatch.setenv("FLOWTRAIL_COLLECTOR_URL", url)
        for arguments in (["trace", "good"], ["sagas"], ["dlq", "list"], ["lag"], ["doctor"]):
            assert main(arguments) == 0
        assert "good" in capsys.readouterr().out


def complete(trail):
    spans = [entry for entry in trail["entries"] if entry["seen_as"] != "event"]
    return trail if len(spans) == 7 else None


def died(trail):
    letters = [entry for entry in trail["entries"] if entry["kind"] == "dead_letter"]
    return trail if letters and letters[0]["seen_as"] == "both" else None


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def program(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-m", "flowtrail_collector", "collector", "run", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow(8)
@pytest.mark.servers
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_unreachable_broker_is_reported_and_a_signal_ends_it_cleanly(tmp_path, number):
    brokers = f"127.0.0.1:{free_port()}"
    arguments = ["--bootstrap-servers", brokers, "--store", str(tmp_path / "s.sqlite"), "--listen", ":0"]
    with program(*arguments) as process:
        url = process.stdout.readline().split()[-1]
        assert urllib.request.urlopen(f"{url}/healthz", timeout=scaled(5)).status == 200
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/readyz", timeout=scaled(5))
        assert refused.value.code == 503
        assert "tail is " in refused.value.read().decode()
        refused.value.close()
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(scaled(15)) == 0
        assert time.monotonic() - began < scaled(8)
        assert "Traceback" not in process.stderr.read()
    assert not list(tmp_path.glob("s.sqlite-wal"))


def refusal(capsys, *arguments):
    gc.collect()  # what earlier tests left complains when it goes
    capsys.readouterr()
    code = main(["collector", "run", *arguments])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("flowtrail: ")
    return code, captured.err


@pytest.mark.slow
def test_a_store_of_another_cluster_is_refused(capsys, tmp_path, devbroker, store, monkeypatch):
    monkeypatch.setenv("FLOWTRAIL_STORE", str(store))
    opened = open_store(store)
    store_on(opened.database).belong_to("the-other-one")
    opened.database.close()
    code, line = refusal(capsys, "--bootstrap-servers", devbroker, "--listen", ":0")
    assert code == 2
    assert "belongs to Kafka cluster the-other-one, and this is " in line
    assert "--store" in line
    assert main(["collector", "check", "--bootstrap-servers", devbroker, "--listen", ":0"]) == 2
    assert "kafka: the store" in (told := capsys.readouterr().err)
    assert line.removeprefix("flowtrail: ") in told


@pytest.mark.slow
def test_a_cluster_that_answers_late_is_looked_at_all_the_same(tmp_path, flows_file):
    """Nothing of it is read, and /readyz says why."""
    port = free_port()
    config = CollectorConfig(KafkaConfig(f"127.0.0.1:{port}"), flows=flows_file, store=tmp_path / "s.sqlite")
    opened = open_store(config.store)
    store_on(opened.database).belong_to("the-other-one")
    opened.database.close()
    # The broker outlives the collector, whose threads would complain of it in later tests' output.
    with contextlib.ExitStack() as later, collecting(config) as url:
        broker = later.enter_context(DevBroker(port=port))
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        producer.produce("orders", b"{}", headers=[("ce_type", b"OrderPlaced"), ("ce_id", b"1")])
        producer.flush(scaled(20))

        def problem():
            try:
                get(f"{url}/readyz")
            except urllib.error.HTTPError as error:
                with error:
                    text = error.read().decode()
                return text if "the-other-one" in text else None

        assert "name another store with --store" in until(problem)
        assert get(f"{url}/api/v1/topics")["topics"] == []


@pytest.mark.slow
def test_a_port_in_use(capsys, tmp_path):
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, line = refusal(
            capsys, "--bootstrap-servers", "a:1", "--listen", f":{port}", "--store", str(tmp_path / "s")
        )
    assert (code, "in use" in line, "--listen" in line) == (2, True, True)
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flows: [", "flows.yaml:1"),
        ("flows:\n  a: {steps: {x: {dne: Y}}}\n", "flows.yaml:2"),
        ("{}", "flows.yaml"),
    ],
)
def test_a_malformed_flow_file(capsys, tmp_path, text, words):
    path = tmp_path / "flows.yaml"
    path.write_text(text)
    arguments = ["--bootstrap-servers", "a:1", "--listen", ":0", "--store", str(tmp_path / "s")]
    code, line = refusal(capsys, *arguments, "--flows", str(path))
    assert (code, words in line) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--bootstrap-servers", "nonsense"],
        ["--bootstrap-servers", "a:1", "--topics", "("],
        ["--bootstrap-servers", "a:1", "--start", "soon"],
        ["--bootstrap-servers", "a:1", "--flows", "/no/such/file.yaml"],
        ["--bootstrap-servers", "a:1", "--consumer-config", "/no/such/file"],
        ["--bootstrap-servers", "a:1", "--token-file", "/no/such/file"],
        ["--bootstrap-servers", "a:1", "--listen", "0.0.0.0:0"],
        ["--bootstrap-servers", "a:1", "--listen", ":0", "--store", "/no/such/folder/s.sqlite"],
        ["--bootstrap-servers", "a:1", "--listen", ":0", "--store", "/"],
        ["--bootstrap-servers", "a:1", "--compat", "x"],
    ],
)
def test_wrong_settings(capsys, arguments, monkeypatch):
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    assert refusal(capsys, *arguments)[0] == 2


@pytest.mark.slow
def test_a_store_that_isnt_one(capsys, tmp_path):
    path = tmp_path / "s.sqlite"
    path.write_text("this is not a database, only text that is long enough to be looked at" * 20)
    arguments = ["--bootstrap-servers", "a:1", "--listen", ":0", "--store", str(path)]
    code, line = refusal(capsys, *arguments)
    assert (code, "s.sqlite" in line) == (2, True)


def test_check_changes_nothing_and_tells_everything(devbroker, tmp_path, flows_file, capsys):
    arguments = ["--flows", str(flows_file), "--store", str(tmp_path / "s.sqlite"), "--listen", ":0"]
    before = set(Path(tmp_path).iterdir())
    assert main(["collector", "check", "--bootstrap-servers", devbroker, *arguments]) == 0
    assert capsys.readouterr().out.count("ok") == 4
    flows_file.write_text("flows: 1")
    assert main(["collector", "check", "--bootstrap-servers", devbroker, *arguments]) == 2
    assert capsys.readouterr().err.startswith("flows: ")
    assert set(Path(tmp_path).iterdir()) == before


@pytest.mark.slow
@pytest.mark.servers
def test_check_tells_that_kafka_is_unreachable(tmp_path, capsys):
    arguments = ["--store", str(tmp_path / "s.sqlite"), "--listen", ":0"]
    assert main(["collector", "check", "--bootstrap-servers", f"127.0.0.1:{free_port()}", *arguments]) == 3
    captured = capsys.readouterr()
    assert captured.out.count("ok") == 3
    assert captured.err.startswith("kafka: ")


def test_flows_check(flows_file, capsys):
    assert main(["flows", "check", str(flows_file)]) == 0
    assert "fulfilment: starts with OrderPlaced" in capsys.readouterr().out
    assert main(["flows", "check", str(flows_file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["flows"][0]["name"] == "fulfilment"
    flows_file.write_text("flows:\n  x: 1\n")
    assert main(["flows", "check", str(flows_file)]) == 2
    assert re.match(r"flowtrail: .*flows\.yaml:\d+:\d+: ", capsys.readouterr().err)
