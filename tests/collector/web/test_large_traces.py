"""A trace of 25,000 spans: what is drawn, answered and kept busy at once is bounded, and what is cut is said."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from flowtrail_collector.app import build_collector
from flowtrail_collector.settings import CollectorConfig, KafkaConfig
from flowtrail_collector.spans.model import Resource, Span, SpanKind
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.web import json as web_json

SPANS = 25_000
LARGE, SMALL = "ab" * 16, "cd" * 16
KINDS = (SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.INTERNAL, SpanKind.CLIENT)
HTML = {"accept": "text/html"}


def spans_of(trace_id, number):
    """Messages that fan out: each is published, handled, and leads to further spans."""
    resources = [Resource(f"service-{n}", {"service.name": f"service-{n}"}) for n in range(10)]
    for n in range(number):
        messaging = {
            "messaging.destination.name": f"topic-{n % 20}",
            "messaging.message.id": f"m{n // 4}",
            "messaging.message.conversation_id": f"flow-{trace_id[:2]}",
            "cloudevents.event_type": "OrderPlaced",
        }
        start_ns = 1_700_000_000_000_000_000 + n * 1_000
        yield Span(
            trace_id, f"{n + 1:016x}", f"{n // 4:016x}" if n >= 4 else None, resources[n % 10], f"op {n % 50}",
            KINDS[n % 4], start_ns, start_ns + 500_000, attributes=messaging if n % 4 < 2 else {"n": n},
        )  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "store.sqlite"
    collector = build_collector(CollectorConfig(KafkaConfig("127.0.0.1:1"), store=path))
    store = SqlSpans(collector.database)
    large = list(spans_of(LARGE, SPANS))
    for start in range(0, SPANS, 5_000):
        store.add(large[start : start + 5_000])
    store.add(list(spans_of(SMALL, 600)))
    yield TestClient(collector.app, base_url="http://127.0.0.1")
    collector.close()


def page_of(client, address):
    response = client.get(address, headers=HTML)
    assert response.status_code == 200
    return response.text


def starts(page):
    """Which rows a page has, by what tells their spans apart."""
    return re.findall(r"<dt>Span</dt><dd><code>[0-9a-f]+/([0-9a-f]+)</code>", page)


@pytest.mark.slow(9)
def test_a_page_draws_some_and_says_so_and_the_pages_have_all_that_the_api_has(client):
    trail = client.get(f"/api/v1/trails/{LARGE}").json()["trail"]
    assert "only the first 5,000 of 25,000 spans are shown" in trail["notes"]
    wanted = [entry["span_id"] for entry in trail["entries"] if entry["kind"] != "queue"]
    assert len(wanted) == 5_000
    address, found, pages = f"/trails/{LARGE}", [], 0
    while address:
        page = page_of(client, address)
        rows = starts(page)
        assert 0 < len(rows) <= 500
        assert f"Rows {len(found) + 1} to {len(found) + len(rows)} of 5000 are drawn here" in page
        assert "only the first 5,000 of 25,000 spans are shown" in page
        found += rows
        pages += 1
        following = re.search(r'href="([^"]+)" rel="next"', page)
        address = f"/trails/{LARGE}{following[1]}" if following else None
    assert found == wanted
    assert pages == 10


@pytest.mark.slow(3)
def test_a_page_grows_with_what_is_drawn_and_not_with_the_trace(client):
    large, small = (len(page_of(client, f"/trails/{trace}")) for trace in (LARGE, SMALL))
    assert large < small * 1.3


def test_a_small_trail_says_nothing_of_pages(client, tmp_path):
    page = page_of(client, f"/trails/{SMALL}?offset=500")
    assert "Rows 501 to 600 of 600 are drawn here" in page
    assert 'rel="prev"' in page
    assert "There are only 600 rows" in page_of(client, f"/trails/{SMALL}?offset=9000")
    assert client.get(f"/trails/{SMALL}?offest=9").status_code == 400


@pytest.mark.slow(3)
def test_jaegers_api_says_what_it_leaves_out(client):
    (trace,) = client.get(f"/api/traces/{LARGE}").json()["data"]
    assert len(trace["spans"]) == 20_000
    assert trace["warnings"] == ["the trace has more than 20000 spans: the first ones are shown"]


@pytest.mark.slow(3)
@pytest.mark.parametrize("path", [f"/trails/{LARGE}", f"/api/v1/trails/{LARGE}", f"/api/traces/{LARGE}"])
def test_figures(client, path):
    """Printed, not judged: processor time of one answer, beside one about a trace of 600 spans."""
    took = {}
    for name in (path, path.replace(LARGE, SMALL)) * 2:
        began = time.process_time()
        client.get(name, headers=HTML)
        took[name] = time.process_time() - began
    large, small = took[path], took[path.replace(LARGE, SMALL)]
    print(f"\n{path[:-32]}: {large:.2f} s for 25,000 spans, {small:.2f} s for 600")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=130) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=200,
)


@pytest.mark.slow(8)
@settings(max_examples=200, deadline=None)
@given(values)
def test_json_in_pieces_is_the_same_json(data):
    whole = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    assert web_json.json_response(data).body == whole.encode("utf-8", "replace")


@pytest.mark.parametrize("shape", [
    lambda rows: rows, lambda rows: {"trail": {"entries": rows}}, lambda rows: {"data": [{"spans": rows}]},
])  # fmt: skip
def test_no_piece_of_a_long_answer_is_long(shape):
    """While one is written, nobody else gets on."""
    data = shape([{"name": "x" * 100, "n": n} for n in range(20_000)])
    pieces = list(web_json._pieces(data))
    assert max(map(len, pieces)) * 300 < sum(map(len, pieces))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_json_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="JSON"):
        web_json.json_response({"a": [wrong] * 200})
