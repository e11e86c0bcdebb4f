"""The collector as two processes: one reads events and writes the store, the other has the address and answers."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import urllib.request
from collections import Counter
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

import waiting
from flowtrail_collector.errors import CollectorError
from flowtrail_collector.front.messages import Lag, Start, State
from flowtrail_collector.front.process import ReadingProcess, Telling
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.settings import CollectorConfig, KafkaConfig
from flowtrail_collector.web.server import listen
from trailkit.program import program
from waiting import scaled

pytestmark = [
    pytest.mark.slow(20),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc"),
]
HTML = {"accept": "text/html"}
FLOWS = """\
flows:
  fulfilment:
    starts: OrderPlaced
    steps:
      reserve: {done: StockReserved, by: inventory, within: 1h}
    completes: StockReserved
"""
# What needs nothing but the store, and what the writing process told.
READ = (
    "/", "/sagas", "/sagas?outcome=open", "/map", "/lag", "/collector", "/dead-letters", "/trails/order-1",
    "/api/v1/trails/order-1", "/api/v1/sagas", "/api/v1/flows", "/api/v1/topology", "/api/v1/topics", "/api/v1/lag",
    "/api/v1/dead-letters", "/api/services", "/static/live.js",
)  # fmt: skip
WRITTEN = ("/metrics", "/healthz", "/api/v1/status", "/redrives", "/api/v1/redrives")


def headers(number, kind="OrderPlaced", **more):
    found = {
        "ce_specversion": "1.0", "ce_id": f"{kind}-{number}", "ce_type": kind, "ce_source": "/orders",
        "ce_subject": f"order-{number}", "ce_correlationid": f"flow-{number}", **more,
    }  # fmt: skip
    return [(name, value.encode()) for name, value in found.items()]


def publish(servers, topic, messages):
    producer = Producer({"bootstrap.servers": servers})
    for number, each in enumerate(messages):
        producer.produce(topic, b"{}", key=f"order-{number}", headers=each)
    assert producer.flush(scaled(30)) == 0


def bury(servers, count):
    """Dead letters, as a consumer of flowtrail writes them."""
    dead = [
        headers(number, **{"dlq.topic": "orders", "dlq.partition": "0", "dlq.offset": str(number), "dlq.group": "billing"})
        for number in range(count)
    ]  # fmt: skip
    publish(servers, "orders.billing.dlq", dead)


@pytest.fixture
def running(devbroker, tmp_path):
    """A collector that has read three orders."""
    publish(devbroker, "orders", [headers(number) for number in range(3)])
    (tmp_path / "flows.yaml").write_text(FLOWS)
    arguments = ("--flows", tmp_path / "flows.yaml", "--store", tmp_path / "s.sqlite")
    with program(tmp_path, devbroker, *arguments, "--topics", "orders", "--lag-interval", "1s") as found:
        assert waiting.until(lambda: '"order-2"' in found.get("/api/v1/sagas?limit=5")[1])
        assert waiting.until(lambda: found.get("/api/v1/lag")[0] == 200)
        yield found


def test_what_only_reads_is_answered_while_the_other_process_stands_still(running):
    assert waiting.until(lambda: "uptime" in running.get("/api/v1/status")[1])
    (reader,) = running.children()
    shown = {path: running.get(path, **HTML)[0] for path in READ + WRITTEN}
    assert shown == dict.fromkeys(READ + WRITTEN, 200)
    assert waiting.until(lambda: "Running for" in running.get("/collector", **HTML)[1])
    running.process.send_signal(signal.SIGSTOP)
    try:
        assert {path: running.get(path, **HTML)[0] for path in READ} == dict.fromkeys(READ, 200)
        assert "order-1" in running.get("/trails/order-1", **HTML)[1]
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(f"{running.url}/healthz", timeout=1)
    finally:
        running.process.send_signal(signal.SIGCONT)
    assert running.get("/healthz") == (200, "ok\n")
    assert running.children() == [reader]


def test_each_figure_is_there_once(running):
    status, text = running.get("/metrics")
    assert status == 200
    assert [
        name for name, times in Counter(re.findall(r"^# TYPE (\S+)", text, re.M)).items() if times > 1
    ] == []
    samples = [
        (sample.name, *sorted(sample.labels.items()))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    assert [sample for sample, times in Counter(samples).items() if times > 1] == []
    assert 'flowtrail_collector_records_total{kind="event"} 3.0' in text
    assert 'flowtrail_saga_started_total{flow="fulfilment"} 3.0' in text


def test_a_killed_reader_is_replaced_at_once_and_counted(running):
    for times in (1, 2):
        (reader,) = running.children()
        os.kill(reader, signal.SIGKILL)
        # It waits in the listening socket's queue, which nobody has closed.
        assert running.get("/api/v1/trails/order-1")[0] == 200
        text = running.get("/metrics")[1]
        assert f'flowtrail_collector_errors_total{{part="reader"}} {times}.0' in text
        assert running.children() != [reader]
    lines = [line for line in running.log.splitlines() if "the reading process was killed by SIGKILL" in line]
    assert len(lines) == 2
    assert "Traceback" not in running.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("to_both", [False, True])
def test_a_signal_ends_both_and_answers_what_came_in(running, tmp_path, number, to_both):
    """A terminal sends it to both, `kill` to one."""
    (reader,) = running.children()
    with httpx.stream("GET", f"{running.url}/live", timeout=scaled(30)) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 3000"
        if to_both:
            os.kill(reader, number)
        code, seconds = running.end(number)
        assert list(lines) == [""]
    assert code == 0
    assert seconds < scaled(8)
    assert running.ended(reader)
    assert "Traceback" not in running.log
    assert not list(tmp_path.glob("s.sqlite-wal"))


def test_a_signal_ends_it_while_the_reader_is_being_replaced(running):
    (reader,) = running.children()
    os.kill(reader, signal.SIGKILL)
    assert running.ended(reader)
    assert running.end()[0] == 0
    assert running.children() == []


def test_a_killed_collector_takes_its_reader_along_and_frees_the_address(running, devbroker, tmp_path):
    (reader,) = running.children()
    running.process.kill()
    running.process.wait()
    address = running.url.removeprefix("http://")
    with program(
        tmp_path, devbroker, "--store", tmp_path / "s.sqlite", "--topics", "orders", listen=address
    ) as again:
        assert again.url == running.url
        assert again.get("/api/v1/trails/order-1")[0] == 200
        assert running.ended(reader)


def test_the_stream_tells_of_new_events(running, devbroker):
    with httpx.stream("GET", f"{running.url}/live", timeout=scaled(60)) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 3000"
        publish(devbroker, "orders", [headers(9)])
        assert next(line for line in lines if line.startswith("event:")) == "event: change"


@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgres", marks=pytest.mark.servers)])
def test_a_redrive_by_the_consoles_own_forms(store, request, devbroker, tmp_path):
    """The list comes from the reader, the form and what it starts from the other process: one cookie serves both."""
    location = tmp_path / "s.sqlite" if store == "sqlite" else request.getfixturevalue("postgres")
    publish(devbroker, "orders", [headers(99)])  # the topic they go back to
    bury(devbroker, 3)
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.ExitStack() as stack,
    ):
        patch.setenv("FLOWTRAIL_STORE", str(location))
        patch.setenv("FLOWTRAIL_LOG_LEVEL", "error")
        running = stack.enter_context(program(tmp_path, devbroker, "--topics", "orders"))
        client = stack.enter_context(
            httpx.Client(base_url=running.url, headers={**HTML, "origin": running.url}, timeout=scaled(60))
        )
        assert waiting.until(lambda: client.get("/dead-letters").text.count("order-2") > 0)
        cookie = client.cookies["flowtrail_form"]
        form = client.get("/dead-letters/redrive", params={"group": "billing"}).text
        assert client.cookies["flowtrail_form"] == cookie
        fields = dict(re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', form))
        refused = client.post("/dead-letters/redrive", data={**fields, "form_token": "of another browser"})
        assert refused.status_code == 403
        started = client.post("/dead-letters/redrive", data=fields)
        assert started.status_code == 303, started.text
        job = started.headers["location"].rpartition("/")[2]
        assert waiting.until(lambda: running.json(f"/api/v1/redrives/{job}")["state"] == "done")
        audit = running.json("/api/v1/dead-letters/audit")
        assert len(audit["moved"]) >= 3
        assert {line["from"] for line in audit["writes"]} == {"127.0.0.1"}
        assert waiting.until(lambda: running.json("/api/v1/dead-letters?state=redriven")["dead_letters"])
        written = [line.split(" ", 2)[2] for line in running.log.splitlines() if ".audit: " in line]
        assert (
            sum(line.startswith("WARNING flowtrail_collector.audit: refused POST ") for line in written) == 1
        )
        assert [line for line in written if line.startswith("INFO flowtrail_collector.audit: redrive by ")]


def test_one_process_where_that_is_wanted(devbroker, tmp_path):
    with program(tmp_path, devbroker, "--store", tmp_path / "s.sqlite", "--processes", "1") as running:
        assert running.children() == []
        assert {path: running.get(path)[0] for path in ("/", "/metrics", "/lag")} == {
            "/": 200,
            "/metrics": 200,
            "/lag": 200,
        }
        assert running.end()[0] == 0


def test_a_reader_that_cannot_begin_says_why_in_one_line(tmp_path):
    nothing = State({}, {})
    config = CollectorConfig(KafkaConfig("a:1"), store=tmp_path / "no such folder" / "s.sqlite")
    with contextlib.closing(listen("127.0.0.1", 0)) as listener:
        reader = ReadingProcess(listener)
        with (
            contextlib.closing(reader),
            pytest.raises(
                CollectorError, match=r"^the reading process can't begin: store .* --processes 1"
            ) as why,
        ):
            reader.begin(
                Telling(
                    lambda: Start(
                        config, Flows(), str(tmp_path / "behind"), frozenset(), 30, nothing, Lag((), 0.0, ())
                    ),
                    state=lambda: nothing,
                    lag=LagView(),
                    on_failed=lambda part, error: None,
                    on_ended=lambda: None,
                )
            )
    assert "\n" not in str(why.value)
