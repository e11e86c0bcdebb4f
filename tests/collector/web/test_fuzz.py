"""Malformed requests by the thousand: no 500, no stack trace in an answer, no growth of memory.

3,000 of them; 100,000 with `FLOWTRAIL_FULL` set.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sys
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from flowtrail_collector.app import build_collector
from flowtrail_collector.settings import CollectorConfig, KafkaConfig
from trailkit.site import FLOWS

REQUESTS = 100_000 if os.environ.get("FLOWTRAIL_FULL") else 3_000
PATHS = (
    "/", "/search", "/sagas", "/map", "/map/edge", "/map/topic", "/lag", "/dead-letters", "/dead-letters/{id}/{n}/{n}", "/redrives",
    "/redrives/{id}", "/collector", "/trails/{id}", "/static/{id}", "/metrics", "/readyz", "/api/v1/status",
    "/api/v1/trails/{id}", "/api/v1/sagas", "/api/v1/flows", "/api/v1/lag", "/api/v1/dead-letters",
    "/api/v1/dead-letters/{id}/{n}/{n}", "/api/v1/topology", "/api/v1/topology/crossings", "/api/v1/redrives", "/api/services",
    "/api/services/{id}/operations", "/api/operations", "/api/traces", "/api/traces/{id}",
    "/api/dependencies", "/{id}",
)  # fmt: skip
QUERIES = (
    "q", "flow", "outcome", "step", "stuck", "limit", "offset", "state", "group", "topic", "error", "service",
    "operation", "tags", "tag", "minDuration", "maxDuration", "start", "end", "traceID", "endTs", "lookback",
    "spanKind", "trail", "name", "source", "target",
)  # fmt: skip
WILD = (
    "", "0", "-1", "1e9", "9" * 30, "NaN", "true", "open", "pending", "' OR 1=1 --", "<script>", "../../etc/passwd",
    "%00", "\x00", "ä\u202e", "{}", "[]", '{"a":1}', "a:b", "0af7651916cd43dd8448eb211c80319c", "x" * 700, "%",
    "{{7*7}}", "\ud7ff", "order-1", ";", "\n",
)  # fmt: skip
SPAN = {
    "traceId": "0af7651916cd43dd8448eb211c80319c",
    "spanId": "b7ad6b7169203331",
    "name": "send",
    "kind": 4,
    "startTimeUnixNano": "1700000000000000001",
    "attributes": [{"key": "messaging.message.id", "value": {"stringValue": "e1"}}],
}


@pytest.fixture
def app(tmp_path):
    """The whole collector's application; only its span queue runs."""
    collector = build_collector(
        CollectorConfig(KafkaConfig("127.0.0.1:9"), flows=FLOWS, store=tmp_path / "fuzz.sqlite")
    )
    collector.supervisor.start()
    yield collector.app
    collector.close()


def wild_json(dice, depth=0):
    kind = dice.randrange(7 if depth < 4 else 5)
    if kind < 2:
        return dice.choice(WILD)
    if kind == 2:
        return dice.choice([0, -1, 2**70, 1.5, 1e308])
    if kind == 3:
        return dice.choice([None, True, False])
    if kind == 4:
        return SPAN
    if kind == 5:
        return [wild_json(dice, depth + 1) for _ in range(dice.randrange(4))]
    names = dice.sample(
        [*SPAN, "resourceSpans", "scopeSpans", "spans", "links", "events", "status", "resource"], 3
    )
    return {name: wild_json(dice, depth + 1) for name in names}


def damaged(dice, body):
    data = bytearray(body)
    for _ in range(dice.randrange(1, 6)):
        position = dice.randrange(len(data) + 1)
        data[position : position + dice.randrange(4)] = dice.randbytes(dice.randrange(4))
    return bytes(data[: dice.randrange(len(data) + 1)] if dice.random() < 0.3 else data)


def otlp_of(dice):
    """Headers and body of a trace request that is hardly one."""
    spans = [{**SPAN, dice.choice([*SPAN, "links", "events", "status"]): wild_json(dice)} for _ in range(2)]
    whole = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    body = json.dumps(whole if dice.random() < 0.6 else wild_json(dice)).encode("utf-8", "replace")
    media_type = "application/json"
    if dice.random() < 0.5:
        media_type, body = "application/x-protobuf", damaged(dice, PROTOBUF)
    elif dice.random() < 0.5:
        body = damaged(dice, body)
    headers = {"content-type": dice.choice([media_type, media_type, media_type, "text/plain", ""])}
    if dice.random() < 0.3:
        headers["content-encoding"] = dice.choice(["gzip", "deflate", "br", "x" * 50])
    return headers, body


def protobuf_request():
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = bytes(range(16)), bytes(range(8)), "send"
    span.start_time_unix_nano = 1_700_000_000_000_000_001
    span.attributes.add(key="messaging.message.id").value.string_value = "e1"
    span.events.add(name="exception").attributes.add(key="exception.type").value.string_value = "E"
    return request.SerializeToString()


PROTOBUF = protobuf_request()


async def one(client, dice):
    accept = {"accept": dice.choice(["text/html", "*/*", "application/openmetrics-text", "x"])}
    if dice.random() < 0.4:
        headers, body = otlp_of(dice)
        return await client.post("/v1/traces", content=body, headers=accept | headers)
    path = dice.choice(PATHS)
    while "{" in path:
        path = path.replace("{id}", quote(dice.choice(WILD), safe=""), 1).replace(
            "{n}", quote(dice.choice(WILD)), 1
        )
        if "%7B" in path:
            break
    query = "&".join(
        f"{dice.choice(QUERIES)}={quote(dice.choice(WILD), safe='')}" for _ in range(dice.randrange(4))
    )
    if dice.random() < 0.05:
        query += dice.choice(["&%%%", "&=&=", "&a", "&limit=%ff%fe"])
    method = dice.choice(["GET"] * 12 + ["POST", "PUT", "DELETE", "HEAD", "BREW"])
    target = httpx.URL("http://127.0.0.1").copy_with(raw_path=f"{path or '/'}?{query}".encode())
    return await client.request(method, target, headers=accept)


def in_use():
    """Memory in use: blocks that Python's allocator has given out (nearly an object each), and resident MB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    # Tracing each allocation would be exacter, and makes everything four times slower.
    return sys.getallocatedblocks(), pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.slow(10)
@pytest.mark.timeout(3_000)
def test_nothing_malformed_breaks_it(app, caplog):
    dice = random.Random(20261123)

    async def fuzz(count):
        found = {}
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for _ in range(count):
                answer = await one(client, dice)
                found[answer.status_code] = found.get(answer.status_code, 0) + 1
                assert answer.status_code < 500 or answer.status_code == 503, (
                    answer.request.url,
                    answer.text,
                )
                assert "Traceback" not in answer.text, answer.request.url
        return found

    asyncio.run(fuzz(REQUESTS // 3))  # caches fill
    blocks, megabytes = in_use()
    statuses = asyncio.run(fuzz(REQUESTS - REQUESTS // 3))
    more, more_megabytes = (now - then for now, then in zip(in_use(), (blocks, megabytes), strict=True))
    print(
        f"{REQUESTS} requests, answers {dict(sorted(statuses.items()))}; after the first third "
        f"{more:+} Python objects, {more_megabytes:+.1f} MB resident"
    )
    assert {200, 400, 404, 405, 415} <= statuses.keys()
    # A leak keeps some 50 objects of each request. Other fixtures' collectors live in this process, too.
    assert more < 20_000 + REQUESTS // 10
    assert more_megabytes < 40
    assert not [record for record in caplog.records if record.exc_info and "failed" in record.message]
