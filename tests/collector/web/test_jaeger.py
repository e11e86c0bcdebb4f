"""Jaeger's query API over spans in SQLite."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from flowtrail_collector.spans.jaeger import jaeger_routes
from flowtrail_collector.spans.model import SpanEvent, SpanLink, SpanStatus
from flowtrail_collector.spans.sql.search import SqlSpanSearch
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.web.app import build_app
from trailkit import orders

START_US = orders.START_MS * 1000
SHORT = "00000000000000000000000000000abc"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    database = SqliteDatabase(tmp_path_factory.mktemp("jaeger") / "store.sqlite")
    spans = SqlSpans(database)
    spans.add(orders.completed().spans)
    rich = replace(
        orders.completed().spans[0],
        trace_id=SHORT,
        start_ns=orders.START_MS * 1_000_000 + 9_000_000_000,
        end_ns=orders.START_MS * 1_000_000 + 12_000_000_000,
        status=SpanStatus.ERROR,
        status_message="no",
        attributes={"text": "a", "n": 1, "f": 0.5, "yes": True, "list": ["a", 1], "none": None},
        events=(SpanEvent("exception", 5_000, {"exception.type": "ValueError"}),),
        links=(SpanLink(orders.TRACE, "b" * 16),),
        scope="flowtrail",
        scope_version="1.2",
        trace_state="a=b",
    )
    spans.add([rich])
    routes = jaeger_routes(spans, SqlSpanSearch(database))
    with TestClient(build_app(routes, token=None, on_error=lambda part, error: None)) as client:
        yield client
    database.close()


def data(response):
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["errors"] is None
    assert body["total"] == len(body["data"])
    return body["data"]


def test_services_and_operations(client):
    services = ["billing", "customers", "fulfillment", "inventory", "orders"]
    assert data(client.get("/api/services")) == services
    assert "send payments" in data(client.get("/api/services/billing/operations"))
    found = data(client.get("/api/operations?service=billing&spanKind=consumer"))
    assert found == [{"name": "process inventory", "spanKind": "consumer"}]
    assert data(client.get("/api/operations?service=nobody")) == []


def test_a_trace_has_every_span_with_its_parent(client):
    (trace,) = data(client.get(f"/api/traces/{orders.TRACE}"))
    spans = orders.completed().spans
    assert {span["spanID"] for span in trace["spans"]} == {span.span_id for span in spans}
    parents = {
        span["spanID"]: span["references"][0]["spanID"] for span in trace["spans"] if span["references"]
    }
    assert parents == {span.span_id: span.parent_span_id for span in spans if span.parent_span_id}
    names = {process["serviceName"] for process in trace["processes"].values()}
    assert names == {"orders", "inventory", "billing", "fulfillment", "customers"}
    first = trace["spans"][0]
    assert (first["operationName"], first["startTime"], first["duration"]) == (
        "POST /orders",
        START_US,
        14_000,
    )


def test_everything_a_span_holds_is_shown(client):
    (trace,) = data(client.get("/api/traces/abc"))
    assert trace["traceID"] == "0000000000000abc"
    (span,) = trace["spans"]
    tags = {tag["key"]: (tag["type"], tag["value"]) for tag in span["tags"]}
    assert tags == {
        "text": ("string", "a"),
        "n": ("int64", 1),
        "f": ("float64", 0.5),
        "yes": ("bool", True),
        "list": ("string", '["a",1]'),
        "none": ("string", ""),
        "otel.scope.name": ("string", "flowtrail"),
        "otel.scope.version": ("string", "1.2"),
        "span.kind": ("string", "server"),
        "otel.status_code": ("string", "ERROR"),
        "error": ("bool", True),
        "otel.status_description": ("string", "no"),
        "w3c.tracestate": ("string", "a=b"),
    }
    fields = {field["key"]: field["value"] for field in span["logs"][0]["fields"]}
    assert fields == {"event": "exception", "exception.type": "ValueError"}
    assert span["references"] == [{"refType": "FOLLOWS_FROM", "traceID": orders.TRACE, "spanID": "b" * 16}]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"service": "orders"}, 2),
        ({"service": "orders", "limit": 1}, 1),
        ({"service": "billing"}, 1),
        ({"service": "nobody"}, 0),
        ({"service": "orders", "operation": "send orders"}, 1),
        ({"service": "orders", "operation": "all"}, 2),
        ({"service": "orders", "minDuration": "2.5s"}, 1),
        ({"service": "orders", "maxDuration": "100ms"}, 1),
        ({"service": "orders", "start": START_US + 5_000_000}, 1),
        ({"service": "orders", "end": START_US + 5_000_000}, 1),
        ({"service": "orders", "tags": '{"error":"true"}'}, 1),
        ({"service": "orders", "tags": '{"n":"1","yes":"true"}'}, 1),
        ({"service": "orders", "tag": "n:2"}, 0),
        ({"service": "orders", "tags": '{"span.kind":"producer"}'}, 1),
        ({"traceID": orders.TRACE}, 1),
    ],
)
def test_traces_are_searched(client, query, count):
    assert len(data(client.get("/api/traces", params=query))) == count


def test_the_newest_trace_comes_first(client):
    found = data(client.get("/api/traces?service=orders"))
    assert [trace["traceID"] for trace in found] == ["0000000000000abc", orders.TRACE]


def test_who_calls_whom(client):
    query = {"endTs": orders.START_MS + 60_000, "lookback": 120_000}
    calls = {
        (item["parent"], item["child"]): item["callCount"]
        for item in data(client.get("/api/dependencies", params=query))
    }
    assert calls["orders", "inventory"] == 1
    assert calls["inventory", "billing"] == 2
    assert data(client.get("/api/dependencies?endTs=1000&lookback=10")) == []


@pytest.mark.parametrize(
    "path",
    [
        "/api/traces",
        "/api/operations",
        "/api/traces/xyz",
        "/api/traces/" + "1" * 33,
        "/api/traces?service=a&minDuration=soon",
        "/api/traces?service=a&tags=x",
        '/api/traces?service=a&tags={"a":1}',
        "/api/traces?service=a&tag=x",
        "/api/traces?service=a&limit=x",
        "/api/traces?service=a&start=-1",
    ],
)
def test_senseless_questions_are_refused(client, path):
    assert client.get(path).status_code == 400


def test_an_unknown_trace_is_not_found_as_jaeger_says_it(client):
    response = client.get("/api/traces/1234")
    assert response.status_code == 404
    assert response.json()["errors"] == [{"code": 404, "msg": "trace not found"}]


QUESTIONS = ["service", "operation", "start", "end", "limit", "minDuration", "tags", "tag", "traceID"]
texts = st.text(max_size=12)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(QUESTIONS),
        texts | st.integers().map(str) | st.dictionaries(texts, texts, max_size=2).map(json.dumps),
    ),
    texts,
)
def test_no_question_causes_a_server_error(client, query, path):
    from urllib.parse import quote

    assert client.get("/api/traces", params=query).status_code in (200, 400, 404)
    assert client.get(f"/api/services/{quote(path, safe='')}/operations").status_code in (200, 404)
