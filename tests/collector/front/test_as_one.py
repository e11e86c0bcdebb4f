"""Two processes answer as one does: every route, with tokens, below a proxy's prefix, over TLS; spans, MCP, workers."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import ssl
import subprocess
import sys

import httpx
import httpx2
import pytest
from confluent_kafka import Producer
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.routing import Mount, Route

import waiting
from flowtrail_collector.app import build_collector
from flowtrail_collector.settings import CollectorConfig, KafkaConfig
from trailkit.certificates import self_signed
from trailkit.program import program
from waiting import scaled

pytestmark = pytest.mark.slow(20)

READ, WRITE = "r" * 20, "w" * 20
TRACE = "0af7651916cd43dd8448eb211c80319c"
FLOWS = "flows: {fulfilment: {starts: OrderPlaced, completes: OrderShipped}}"
PARAMETERS = {"id": "order-1", "trace_id": TRACE, "topic": "orders", "partition": "0", "offset": "0",
              "flow": "none", "group": "billing", "service": "shop", "path": "console.css"}  # fmt: skip
# How the collector is offered: options, variables, and what those who ask send along.
OFFERED = {
    "on this machine": ((), {}, [{}, {"host": "evil.example"}, {"origin": "https://evil.example"}]),
    "with tokens": (
        (),
        {"FLOWTRAIL_TOKEN": READ, "FLOWTRAIL_WRITE_TOKEN": WRITE},
        [{}, *({"authorization": f"Bearer {token}"} for token in (READ, WRITE, "of another"))],
    ),
    "below a prefix": (
        ("--root-path", "/flow", "--trusted-proxies", "127.0.0.1"),
        {},
        [{}, {"x-forwarded-prefix": "/other", "x-forwarded-proto": "https"}],
    ),
}
# Of the moment, or of the connection.
VARIES = {"date", "content-length", "set-cookie", "etag", "last-modified", "transfer-encoding"}


def publish(servers, numbers):
    producer = Producer({"bootstrap.servers": servers})
    for number in numbers:
        named = {
            "ce_specversion": "1.0", "ce_id": f"e-{number}", "ce_type": "OrderPlaced", "ce_source": "/orders",
            "ce_subject": f"order-{number}", "ce_correlationid": f"flow-{number}",
        }  # fmt: skip
        producer.produce(
            "orders", b"{}", f"order-{number}", headers=[(k, v.encode()) for k, v in named.items()]
        )
    assert producer.flush(scaled(30)) == 0


def routes(folder):
    """Every route of the collector, with something in its parameters."""
    config = CollectorConfig(KafkaConfig("127.0.0.1:1"), store=folder / "routes.sqlite")
    collector = build_collector(config)
    collector.close()
    found = []
    for route in collector.routes:
        assert isinstance(route, Route | Mount)
        for method in sorted((route.methods or ()) if hasattr(route, "methods") else ("GET",)):
            path = re.sub(r"{(\w+)(:\w+)?}", lambda part: PARAMETERS.get(part[1], "x"), route.path)
            found.append((method, f"{path}/console.css" if path == "/static" else path))
    assert len(found) > 60
    return [(method, path) for method, path in found if path != "/live"]


def answer(client, method, path, headers):
    """Status, headers, and the API's words without their figures, which differ from moment to moment."""
    response = client.request(method, path, headers=headers, content=b"{}" if method == "POST" else None)
    kept = {name: value for name, value in response.headers.items() if name not in VARIES}
    body = re.sub(r"\d+", "0", response.text) if "json" in response.headers.get("content-type", "") else ""
    return response.status_code, kept, body


# What it says depends on what has happened so far, not on who says it; each has a test of its own.
OF_THE_MOMENT = {"/api/v1/status", "/api/v1/lag", "/api/v1/groups", "/api/v1/catalog", "/api/v1/oncall"}


def answers(running, asked):
    """What a collector says to each (method, path, headers), once it has read three orders."""
    reader = {"authorization": f"Bearer {READ}"}
    with httpx.Client(base_url=running.url, timeout=scaled(60)) as client:

        def has(path):
            return waiting.until(lambda: client.get(path, headers=reader).status_code == 200, path)

        assert all(map(has, ("/readyz", "/api/v1/trails/order-2", "/api/v1/lag")))
        return [answer(client, *each) for each in asked]


@pytest.mark.parametrize("offered", OFFERED)
def test_every_route_answers_the_same(offered, devbroker, tmp_path, monkeypatch):
    options, variables, sent_along = OFFERED[offered]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    publish(devbroker, range(3))
    asked = [
        (method, prefix + path, headers)
        for method, path in routes(tmp_path)
        if path not in OF_THE_MOMENT
        for prefix in (["", "/flow"] if "--root-path" in options else [""])
        for headers in sent_along
    ]
    found = []
    for processes in ("1", "2"):
        arguments = ("--store", tmp_path / "s.sqlite", "--topics", "orders", "--lag-interval", "1s", *options)
        with program(tmp_path, devbroker, *arguments, "--processes", processes) as running:
            found.append(answers(running, asked))
            assert running.end()[0] == 0
    one, two = found
    different = {
        str(each): (left, right) for each, left, right in zip(asked, one, two, strict=True) if left != right
    }
    assert not different, list(different)
    assert {status for status, *_ in two} >= {200, 404}


def test_over_tls_both_know_how_they_were_asked(devbroker, tmp_path):
    certificate, key = self_signed(tmp_path)
    options = ("--tls-cert", certificate, "--tls-key", key, "--store", tmp_path / "s.sqlite")
    trusting = ssl.create_default_context(cafile=certificate)
    with (
        program(tmp_path, devbroker, *options) as running,
        httpx.Client(base_url=running.url, verify=trusting, timeout=scaled(60)) as client,
    ):
        assert running.url.startswith("https://")
        assert len(running.children()) == 1
        html = {"accept": "text/html"}
        for path in ("/dead-letters", "/dead-letters/redrive", "/redrives"):  # of the one and of the other
            client.cookies.clear()
            response = client.get(path, headers=html)
            assert response.status_code == 200
            assert "; secure" in response.headers["set-cookie"].lower(), path
        assert client.get("/metrics").status_code == 200
        assert running.end()[0] == 0


def spans(number):
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": TRACE,
                                "spanId": f"{number:016x}",
                                "name": f"send {number}",
                                "startTimeUnixNano": str(1_700_000_000_000_000_000 + number),
                                "endTimeUnixNano": str(1_700_000_000_000_001_000 + number),
                            }
                        ]
                    }
                ],
            }
        ]
    }


def test_what_the_one_acknowledged_the_other_shows(devbroker, tmp_path):
    with program(tmp_path, devbroker, "--store", tmp_path / "s.sqlite") as running:
        for number in range(1, 6):
            sent = httpx.post(f"{running.url}/v1/traces", json=spans(number), timeout=scaled(60))
            assert sent.status_code == 200
            running.process.send_signal(signal.SIGSTOP)  # what was acknowledged is in the store
            try:
                found = running.json(f"/api/traces/{TRACE}")["data"][0]["spans"]
            finally:
                running.process.send_signal(signal.SIGCONT)
            assert len(found) == number
        broken = httpx.post(
            f"{running.url}/v1/traces", content=b"{", headers={"content-type": "application/json"}
        )
        assert broken.status_code == 400


@contextlib.contextmanager
def assistant(url):
    """`flowtrail mcp` over HTTP."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flowtrail_collector", "mcp", "--url", url, "--listen", "127.0.0.1:0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield re.search(r"http://\S+/mcp", process.stderr.readline() + "")[0]
    finally:
        process.kill()
        process.communicate()


def test_assistants_ask_both(devbroker, tmp_path):
    publish(devbroker, range(3))

    async def asked(url, tool, arguments):
        async with (
            httpx2.AsyncClient(trust_env=False, timeout=scaled(60)) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            return await client.call_tool(tool, arguments)

    with program(tmp_path, devbroker, "--store", tmp_path / "s.sqlite", "--topics", "orders") as running:
        assert waiting.until(lambda: running.get("/api/v1/trails/order-2")[0] == 200)
        with assistant(running.url) as url:
            for tool, arguments in (("find_trail", {"id": "order-1"}), ("dead_letters", {})):
                found = asyncio.run(asked(url, tool, arguments))
                assert not found.is_error, found.content


def metrics(running):
    return running.get("/metrics")[1]


@pytest.mark.servers
def test_workers_have_a_reader_each_and_one_leader(postgres, devbroker, tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWTRAIL_STORE", postgres)
    publish(devbroker, range(20))
    (tmp_path / "flows.yaml").write_text(FLOWS)
    options = ("--topics", "orders", "--flows", tmp_path / "flows.yaml")
    leads, counted = "flowtrail_collector_leader 1.0", 'flowtrail_saga_started_total{flow="fulfilment"} 20.0'
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(program(tmp_path, devbroker, *options)) for _ in range(2)]
        assert waiting.until(lambda: sum(leads in metrics(each) for each in workers) == 1)
        assert waiting.until(lambda: sum(counted in metrics(each) for each in workers) == 1)
        for each in workers:  # whoever has read it, each shows it
            assert waiting.until(lambda each=each: each.get("/api/v1/trails/order-19")[0] == 200)
            assert len(each.children()) == 1
        (leader,) = [each for each in workers if leads in metrics(each)]
        (other,) = [each for each in workers if each is not leader]
        (reader,) = leader.children()
        leader.process.kill()
        leader.process.wait()
        assert leader.ended(reader)
        assert waiting.until(lambda: leads in metrics(other), timeout_seconds=60)
        assert waiting.until(lambda: counted in metrics(other))
        assert other.get("/api/v1/trails/order-0")[0] == 200
