"""The same OTLP to a real Jaeger and to the collector: their query APIs answer the same, span by span."""

from __future__ import annotations

import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flowtrail_collector.runtime.supervisor import Supervisor
from flowtrail_collector.spans.jaeger import jaeger_routes
from flowtrail_collector.spans.queue import SpanQueue
from flowtrail_collector.spans.receiver import otlp_routes
from flowtrail_collector.spans.sql.search import SqlSpanSearch
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.web.app import build_app
from servers import UnavailableError, servers_required
from servers._jaeger import JaegerServer
from servers._process import wait_for
from trailkit.random_traces import SERVICES, trace_of
from trailkit.web import served
from waiting import scaled

pytestmark = [pytest.mark.servers, pytest.mark.fetches("jaeger")]

TRACES = 60
# Jaeger's own marker, and what it drops.
DROPPED = {"otel.schema_url", "otel.scope.schema_url", "otel.scope.dropped_attributes_count",
           *(f"otel.dropped_{what}_count" for what in ("attributes", "events", "links"))}  # fmt: skip
NOT_COMPARED = {"internal.span.format", *DROPPED}


@pytest.fixture(scope="module")
def jaeger(tmp_path_factory):
    try:
        server = JaegerServer(tmp_path_factory.mktemp("jaeger"))
    except UnavailableError as error:
        if servers_required():
            pytest.fail(f"FLOWTRAIL_REQUIRE_SERVERS is set, and {error}", pytrace=False)
        pytest.skip(str(error))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def collector_url(tmp_path_factory):
    database = SqliteDatabase(tmp_path_factory.mktemp("collector") / "store.sqlite")
    spans = SqlSpans(database)
    queue = SpanQueue(spans)
    routes = [
        *otlp_routes(queue, max_body_bytes=2**24),
        *jaeger_routes(spans, SqlSpanSearch(database)),
    ]
    supervisor = Supervisor([queue], on_error=lambda part, error: None)
    supervisor.start()
    with served(build_app(routes, token=None, on_error=lambda part, error: None)) as url:
        yield url
    supervisor.stop()
    database.close()


@pytest.fixture(scope="module")
def both(jaeger, collector_url):
    """Feeds both; gives functions that ask Jaeger and the collector."""
    dice = random.Random(7)
    start_ns = (time.time_ns() // 10**9 - 600) * 10**9
    request = ExportTraceServiceRequest()
    for number in range(TRACES):
        for service, spans in trace_of(dice, start_ns + number * 10**9).items():
            if not spans:
                continue
            part = request.resource_spans.add()
            resource = [
                {"key": "service.name", "value": {"stringValue": service}},
                {"key": "host.cpus", "value": {"intValue": "2"}},
                {"key": "process.command_args", "value": {"arrayValue": {"values": [{"stringValue": "-v"}]}}},
            ]
            for data in resource:
                ParseDict(data, part.resource.attributes.add())
            scope = part.scope_spans.add(spans=spans)
            scope.scope.name, scope.scope.version = "flowtrail", dice.choice(["", "1.2"])
            part.schema_url, scope.schema_url = (
                dice.choice(["", "https://a/1.41"]),
                dice.choice(["", "urn:b"]),
            )
            part.resource.dropped_attributes_count = dice.choice([0, 1])
            scope.scope.dropped_attributes_count = dice.choice([0, 4])
    for url in (jaeger.otlp_url, collector_url + "/v1/traces"):
        post = urllib.request.Request(
            url, request.SerializeToString(), {"content-type": "application/x-protobuf"}
        )
        with urllib.request.urlopen(post, timeout=scaled(30)) as answer:
            assert answer.status == 200
    wait_for(
        lambda: len(asking(jaeger.query_url)("/api/traces?service=orders&limit=1500")[1]["data"]) > 5, 10
    )
    return asking(jaeger.query_url), asking(collector_url)


def asking(url):
    def ask(path):
        try:
            with urllib.request.urlopen(url + path, timeout=scaled(30)) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return ask


def normal(trace):
    """Without what has no meaning: the order of spans and tags, keys of processes, Jaeger's own marker.

    Nor its warnings: of clocks that disagree, which the collector tells in its own trails.
    """
    processes = trace["processes"]

    def tags(found):
        kept = [item for item in found if item["key"] not in NOT_COMPARED]
        return sorted(kept, key=lambda item: (item["key"], str(item["value"])))

    spans = []
    for span in trace["spans"]:
        process = processes[span["processID"]]
        spans.append(
            {
                **span,
                "tags": tags(span["tags"]),
                "logs": [{**log, "fields": tags(log["fields"])} for log in span["logs"]],
                "processID": (process["serviceName"], str(tags(process["tags"]))),
                "warnings": None,
                "references": sorted(span["references"], key=str),
            }
        )
    return {"traceID": trace["traceID"], "spans": sorted(spans, key=lambda span: span["spanID"])}


def traces(answer):
    status, body = answer
    assert status == 200, body
    return {trace["traceID"]: normal(trace) for trace in body["data"]}


def test_every_trace_is_the_same_span_by_span(both):
    jaeger, collector = both
    compared = 0
    for service in SERVICES:
        path = "/api/traces?" + urllib.parse.urlencode({"service": service, "limit": 1500})
        expected, got = traces(jaeger(path)), traces(collector(path))
        assert got.keys() == expected.keys()
        for trace_id, trace in expected.items():
            pairs = zip(got[trace_id]["spans"], trace["spans"], strict=True)
            assert [pair for pair in pairs if pair[0] != pair[1]] == []
            assert traces(collector(f"/api/traces/{trace_id}")) == {trace_id: trace}
            compared += len(trace["spans"])
    assert compared > 200


def test_services_operations_and_dependencies_are_the_same(both):
    jaeger, collector = both

    def data(answer):
        assert answer[0] == 200, answer
        return sorted(answer[1]["data"], key=str)

    paths = ["/api/services", f"/api/dependencies?endTs={int(time.time() * 1000)}&lookback=3600000"]
    for service in map(urllib.parse.quote, SERVICES):
        paths += [f"/api/services/{service}/operations", f"/api/operations?service={service}"]
        paths += [f"/api/operations?service={service}&spanKind=consumer"]
    for path in paths:
        assert data(collector(path)) == data(jaeger(path)), path


def test_what_jaeger_drops_is_shown_by_the_collector_alone(both):
    def tags(answer):
        for trace in answer[1]["data"]:
            for span in trace["spans"]:
                yield from (tag["key"] for log in span["logs"] for tag in log["fields"])
                yield from (tag["key"] for tag in span["tags"])
            yield from (tag["key"] for process in trace["processes"].values() for tag in process["tags"])

    jaeger, collector = (set(tags(ask("/api/traces?service=orders&limit=1500"))) for ask in both)
    assert jaeger & DROPPED == set()
    assert collector & DROPPED == DROPPED


@pytest.mark.parametrize(
    "query",
    [
        {"operation": "charge"},
        {"minDuration": "1.2s"},
        {"maxDuration": "300ms"},
        {"minDuration": "100ms", "maxDuration": "1.5s", "operation": "send orders"},
        {"tags": '{"error":"true"}'},
        {"tags": '{"span.kind":"producer"}'},
        {"tags": '{"k.a":"card"}'},
        {"tags": '{"k.b":"7"}'},
        {"tag": "otel.status_code:ERROR"},
        {"tags": '{"error":"false"}'},
        {"tags": '{"error":"true","span.kind":"consumer"}'},
        {"tags": '{"otel.scope.name":"flowtrail"}'},
        {"tags": '{"k.a":"0.5"}'},
        {"tags": '{"k.a":"1e+20"}'},
        {"tags": '{"k.b":"-1e-07"}'},
        {"tags": '{"k.c":"true"}'},
        {"tags": '{"k.c":"9223372036854775807"}'},
        {"tags": '{"k.d":""}'},
        {"tags": '{"k.b":"010203"}'},
        {"tags": '{"k.b":"AQID"}'},
        {"tags": '{"k.c":"[\\"AQID\\"]"}'},
        {"minDuration": "2s", "maxDuration": "2s"},
        {"tags": '{"k.d":"[]"}'},
        {"tags": '{"k.e":"{}"}'},
        {"tags": '{"k.e":"<b>"}'},
        {"tags": '{"event":"exception"}'},
        {"tags": '{"service.name":"orders"}'},
        {"tags": '{"nobody":"has it"}'},
        {"minDuration": "0m1.2s"},
        {"minDuration": "1s200ms"},
        {"minDuration": "1200000\u00b5s"},
        {"minDuration": "1200000\u03bcs"},
        {"maxDuration": ".3s"},
        {"minDuration": "+1.s"},
        {"minDuration": "0h0m1s"},
        {"limit": "3"},
    ],
)
def test_searches_find_the_same_traces(both, query):
    jaeger, collector = both
    for service in SERVICES:
        path = "/api/traces?" + urllib.parse.urlencode({"limit": 1500, **query, "service": service})
        expected, got = traces(jaeger(path)), traces(collector(path))
        if "limit" in query:  # which of them come first is decided differently
            assert len(got) == len(expected)
        else:
            assert got == expected, path


@pytest.mark.parametrize("service", [" orders", "orders ", " "])
def test_a_service_is_called_as_it_calls_itself(both, service):
    path = "/api/traces?" + urllib.parse.urlencode({"service": service, "limit": 1500})
    jaeger, collector = (traces(ask(path)) for ask in both)
    assert collector == jaeger


@pytest.mark.parametrize("limit", ["", "&limit=0"])
def test_as_many_traces_as_jaeger_gives_where_nobody_says_how_many(both, limit):
    jaeger, collector = (traces(ask(f"/api/traces?service=orders{limit}")) for ask in both)
    assert len(jaeger) > 20
    assert len(collector) == len(jaeger)


@pytest.mark.parametrize(
    "path",
    ["/api/traces/xyz", "/api/traces/abc", "/api/traces", "/api/operations", "/api/traces?service=a&tags=x",
     "/api/traces?service=orders&minDuration=soon", "/api/traces?service=nobody", "/api/traces?service=a&minDuration=1", "/api/traces?service=a&minDuration=1m30",
     "/api/traces?service=a&maxDuration=1d", "/api/traces?service=a&minDuration=9999999h",
     "/api/services/team1%2Fapp2/operations", "/api/services/%C3%A4%E2%82%AC/operations",
     "/api/traces?service=a&tag=x", "/api/traces?service=a&minDuration=2s&maxDuration=1s"],
)  # fmt: skip
def test_refusals_have_the_same_shape(both, path):
    (status, expected), (own_status, got) = (ask(path) for ask in both)
    assert own_status == status
    assert got.keys() == expected.keys()
    assert [error["code"] for error in got["errors"] or []] == [
        error["code"] for error in expected["errors"] or []
    ]
