"""The web side without Kafka: access, headers, errors, metrics, health, trails."""

from __future__ import annotations

import base64
import gzip
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from flowtrail_collector.conditions import Condition, Remark, Starting
from flowtrail_collector.dead_letters.web.routes import dead_letter_routes
from flowtrail_collector.metrics.exposition import Exposition, Families
from flowtrail_collector.sagas.model.view import SagaView
from flowtrail_collector.sagas.web import saga_routes
from flowtrail_collector.trails.finder import TrailFinder
from flowtrail_collector.trails.web import trail_routes
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.health import health_routes
from flowtrail_collector.web.metrics import metrics_routes
from trailkit.fakes import FakeReads, FakeSpans

TOKEN = "a-token-of-some-length"


class Things(Families):
    def families(self):
        counter = CounterMetricFamily("flowtrail_things", "Things.", labels=["name"])
        counter.add_metric(['<script>"\n'], 3)
        yield counter


class Broken(Families):
    def families(self):
        yield GaugeMetricFamily("flowtrail_half", "Half.", value=1)
        raise RuntimeError("no")


class Rendered:
    def parts(self, openmetrics):
        kind = b"unknown" if openmetrics else b"untyped"
        more = b"".join(b'kafka_more{n="%d"} 1.0\n' % n for n in range(200))
        return [b"# TYPE kafka_lag " + kind + b"\nkafka_lag 5.0\n" + more]


@pytest.fixture
def reads():
    return FakeReads()


@pytest.fixture
def problems():
    return {}


@pytest.fixture
def errors():
    return []


@pytest.fixture
def make_client(reads, problems, errors):
    def make(token=None):
        def on_error(part, error):
            errors.append((part, error))

        def boom(request):
            raise RuntimeError("secret detail")

        routes = [
            *metrics_routes(Exposition([Things(), Broken(), Rendered()], on_error=on_error)),
            *health_routes(lambda: problems, lambda: {"version": "1"}),
            *trail_routes(TrailFinder(reads, FakeSpans(), time_seconds=lambda: 3.0)),
            *saga_routes(reads),
            *dead_letter_routes(reads),
            Route("/boom", boom),
            Route("/page", lambda request: PlainTextResponse("page")),
        ]
        app = build_app(routes, token=token, on_error=on_error)
        return TestClient(app, raise_server_exceptions=False)

    return make


@pytest.fixture
def client(make_client):
    return make_client()


def test_every_answer_carries_the_security_headers(client):
    for path in ("/healthz", "/page", "/nothing", "/boom", "/api/v1/trails/x"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_errors_are_one_line_of_json_and_hold_no_details(client, errors):
    response = client.get("/boom")
    assert (response.status_code, "secret" in response.text) == (500, False)
    assert set(response.json()) == {"error"}
    assert [part for part, _ in errors] == ["web"]
    assert client.get("/nothing").json() == {"error": "no such page"}
    assert client.delete("/healthz").status_code == 405
    assert set(client.delete("/healthz").json()) == {"error"}


def test_a_token_is_asked_for_and_checked(make_client):
    client = make_client(TOKEN)
    refused = client.get("/page")
    assert (refused.status_code, set(refused.json())) == (401, {"error"})
    assert "Basic" in refused.headers["www-authenticate"]
    basic = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
    for value in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Basic {basic}"):
        assert client.get("/page", headers={"authorization": value}).status_code == 200
    wrong = (
        "",
        TOKEN,
        f"Bearer {TOKEN}x",
        "Bearer",
        "Basic !!",
        "Basic YTpi",
        f"Token {TOKEN}",
        "Bearer \xff",
    )
    for value in wrong:
        response = client.get("/page", headers={b"authorization": value.encode("latin-1")})
        assert response.status_code == 401
    assert client.get("/healthz").status_code == 200
    assert client.get("/metrics").status_code == 401


def test_metrics_survive_a_broken_source(client, errors):
    families = {family.name: family for family in parse_text(client.get("/metrics").text)}
    assert families["flowtrail_things"].samples[0].labels == {"name": '<script>"\n'}
    assert families["kafka_lag"].samples[0].value == 5
    assert "flowtrail_half" not in families
    assert errors[0][0] == "Broken"


def test_metrics_speak_openmetrics_on_request(client):
    accept = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    response = client.get("/metrics", headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")
    assert response.text.count("# EOF") == 1
    short = re.sub(r"kafka_more.*\n", "", response.text)
    assert {family.name for family in parse_openmetrics(short)} >= {"flowtrail_things", "kafka_lag"}
    plain = client.get("/metrics", headers={"accept": "text/plain, application/openmetrics-text"})
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_metrics_are_compressed_on_request(client):
    with client.stream("GET", "/metrics", headers={"accept-encoding": "gzip"}) as response:
        packed = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == "gzip"
    assert b"kafka_lag 5.0" in gzip.decompress(packed)
    assert "content-encoding" not in client.get("/metrics", headers={"accept-encoding": "identity"}).headers


def test_readiness_says_what_is_wrong(client, problems):
    assert client.get("/readyz").status_code == 200
    well = {"ready": True, "problems": {}, "parts": {}, "version": "1"}
    assert client.get("/api/v1/status").json() == well
    problems["tail"] = Condition.of("no broker answers at localhost:1")
    problems["lag"] = Condition.of(Starting("hasn't collected lag yet"))
    problems["spans"] = Condition.of(None)
    response = client.get("/readyz")
    assert (response.status_code, response.text) == (
        503,
        "tail is failing: no broker answers at localhost:1\nlag is starting: hasn't collected lag yet\n",
    )
    assert client.get("/healthz").status_code == 200
    status = client.get("/api/v1/status").json()
    assert status["problems"] == {
        "tail": "no broker answers at localhost:1", "lag": "hasn't collected lag yet",
    }  # fmt: skip
    assert {part: each["state"] for part, each in status["parts"].items()} == {
        "tail": "failing", "lag": "starting", "spans": "running",
    }  # fmt: skip


def test_readiness_says_what_has_nothing_to_do_and_what_is_wrong_first(client, problems):
    problems["tail"] = Condition.of(Remark("follows no topic"))
    response = client.get("/readyz")
    assert (response.status_code, response.text) == (200, "ready\ntail is running: follows no topic\n")
    status = client.get("/api/v1/status").json()
    assert (status["ready"], status["problems"]) == (True, {})
    assert status["parts"] == {"tail": {"state": "running", "reason": "follows no topic"}}
    problems["lag"] = Condition.of("no broker answers")
    response = client.get("/readyz")
    assert (response.status_code, response.text) == (503, "lag is failing: no broker answers\n")


@pytest.mark.parametrize(
    ("wanted", "matched_by"), [("ord-1", "order id"), ("e2", "event id"), ("flow-1", "correlation id")]
)
def test_a_trail_is_found_by_any_id(client, wanted, matched_by):
    found = client.get(f"/api/v1/trails/{wanted}").json()
    assert found["matched_by"] == matched_by
    trail = found["trail"]
    assert [entry["name"] for entry in trail["entries"]] == ["OrderPlaced", "StockReserved", "CustomerSeen"]
    assert trail["start"] == "1970-01-01T00:00:01.000000Z"
    assert trail["entries"][1]["offset_seconds"] == 0.01
    assert trail["sagas"][0]["flow"] == "fulfilment"


def test_ids_with_any_characters_are_found(client):
    found = client.get("/api/v1/trails/ord%2F2%20%3Cb%3E").json()
    assert found["trail"]["subjects"] == ["ord/2 <b>", "cust-1"]


def test_an_id_of_several_flows_names_them(client):
    found = client.get("/api/v1/trails/cust-1").json()
    assert [match["correlation_id"] for match in found["matches"]] == ["flow-2", "flow-1"]
    assert found["matches"][1]["flows"] == ["fulfilment"]


def test_an_unknown_id_is_not_found(client):
    response = client.get("/api/v1/trails/nobody")
    assert (response.status_code, "nobody" in response.json()["error"]) == (404, True)
    assert client.get("/api/v1/trails/" + "x" * 1000).status_code == 400


def test_sagas_are_filtered(client, reads):
    data = client.get(
        "/api/v1/sagas?flow=fulfilment&outcome=open&step=charge&stuck=1&limit=7&offset=3"
    ).json()
    assert data["sagas"][0]["stuck"]
    query = reads.queries[0]
    assert (query.flow, query.outcome, query.step, query.stuck) == ("fulfilment", "open", "charge", True)
    assert (query.limit, query.offset) == (8, 3)
    client.get("/api/v1/sagas?limit=99999999")
    assert reads.queries[1].limit == 1001
    assert client.get("/api/v1/flows").json()["flows"][0]["instances"] == {"open": 1}


def test_dead_letters_are_filtered(client, reads):
    data = client.get("/api/v1/dead-letters?group=billing&error=ValueError&state=pending&topic=t").json()
    assert data["dead_letters"][0]["failed"] == "1970-01-01T00:00:00.005000Z"
    query, *_ = reads.queries[0]
    assert (query.group, query.error_type, query.state, query.topic) == (
        "billing",
        "ValueError",
        "pending",
        "t",
    )


@pytest.mark.parametrize(
    "query",
    [
        "limit=x",
        "limit=-1",
        "limit=1.5",
        "limit=" + "9" * 40,
        "outcome=sunny",
        "stuck=maybe",
        "flow=" + "x" * 600,
    ],
)
def test_senseless_filters_are_refused(client, query):
    response = client.get(f"/api/v1/sagas?{query}")
    assert (response.status_code, set(response.json())) == (400, {"error"})


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["/api/v1/trails/", "/api/v1/", "/", "/v1/traces/"]),
    st.text(max_size=20),
    st.dictionaries(st.sampled_from(["limit", "flow", "offset", "stuck", "x"]), st.text(max_size=10)),
)
def test_no_path_or_query_causes_a_server_error(client, errors, prefix, rest, query):
    from urllib.parse import quote

    response = client.get(prefix + quote(rest, safe=""), params=query)
    assert response.status_code in (200, 400, 404, 405)
    client.get("/api/v1/sagas", params=query)
    assert all(part != "web" for part, _ in errors)


def test_a_failing_store_is_an_internal_error_without_details(client, reads):
    reads.failure = RuntimeError("/secret/path is broken")
    response = client.get("/api/v1/trails/ord-1")
    assert (response.status_code, "secret" in response.text) == (500, False)


def test_the_same_order_in_two_flows_is_one_trail():
    class OneOrder(FakeReads):
        def sagas(self, correlation_ids, subjects, limit):
            return [
                SagaView("fulfilment", "cust-1", started_ms=1, correlation_id="flow-1"),
                SagaView("fulfilment", "cust-1", partial=True, correlation_id="flow-2"),
            ]

    found = TrailFinder(OneOrder(), FakeSpans()).find("cust-1")
    assert found.trail.correlation_ids == ("flow-1", "flow-2")
    assert len(found.trail.entries) == 5
    assert replace(found, trail=None).matches == ()
