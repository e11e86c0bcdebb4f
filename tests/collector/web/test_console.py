"""The console: every page, everything from outside escaped, nothing that the content policy would block."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import quote

import pytest

from consolekit import Lag, Page, client_of
from flowtrail_collector.conditions import Remark
from flowtrail_collector.console import (
    Links,
    trail_document,
)
from flowtrail_collector.dead_letters.model.cause import CauseLately
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.sagas.model.causes import LATE, Shape, merged
from flowtrail_collector.sagas.model.view import SagaRow, SagaView, StepView
from flowtrail_collector.sagas.ports import EndedLately
from flowtrail_collector.trails.assembly import assemble
from flowtrail_collector.trails.json import trail_json
from trailkit import orders
from trailkit.fakes import FakeReads

EVIL = "<script>alert(1)</script>\x1b\x00'\"&"
PAGES = [
    "/",
    "/oncall",
    "/sagas/causes",
    "/sagas",
    "/map",
    "/map?flow=fulfilment",
    "/map?trail=ord-1",
    "/map/edge?topic=billing&target=billing",
    "/map/topic?name=billing",
    "/lag",
    "/lag?group=billing",
    "/search?q=o",
    "/history",
    "/collector",
    "/dead-letters",
    "/trails/ord-1",
    "/trails/cust-1",
    "/trails/nobody",
]


class EvilReads(FakeReads):
    """Every text that could come from Kafka is an attempt at injection."""

    def events_by_subject(self, subject, limit):
        if subject != EVIL:
            return []
        return [StoredEvent(EVIL, EVIL, EVIL, 0, 0, f"/{EVIL}", EVIL, EVIL, EVIL, 1000, 1000)]

    def events_by_correlation(self, correlation_ids, limit):
        return []

    def sagas(self, correlation_ids, subjects, limit):
        step = StepView(EVIL, "open", (EVIL,), EVIL, 1, late=True)
        return [SagaView(EVIL, EVIL, "open", 1000, steps=(step,))]

    def dead_letters(self, event_ids, limit):
        return [
            DeadLetter(
                EVIL, 0, 0, 1, EVIL, EVIL, EVIL, EVIL, source_topic=EVIL, group=EVIL, attempts=1,
                error_type=EVIL, error_message=EVIL,
            )
        ]  # fmt: skip

    def list_sagas(self, query):
        (saga,) = self.sagas([], [], 1)
        return [SagaRow(saga, stuck=True, correlation_id=EVIL, dead_letters=tuple(self.dead_letters([], 1)))]

    def stuck_causes(self):
        shape = Shape(LATE, EVIL, EVIL, 0, EVIL, 3, 1, 1, 3, 0, 0, 1, EVIL)
        return merged([(shape, *self.list_sagas(None))])

    def ended_lately(self, now_ms, span_ms):
        return [EndedLately(EVIL, "timed_out", 3, 0, 1, EVIL)]

    def causes_lately(self, now_ms, span_ms, limit):
        return [CauseLately(EVIL, 3, 0, 3, 1, True, *self.dead_letters([], 1))]

    def list_dead_letters(self, selection, limit, offset=0, **turn):
        return self.dead_letters([], 1)

    def list_flows(self):
        return [replace(flow, name=EVIL) for flow in super().list_flows()]


@pytest.fixture
def client():
    return client_of(FakeReads(), Lag(), {"tail": "no broker answers"})


@pytest.mark.parametrize("path", PAGES)
def test_pages_keep_to_the_content_policy(client, path):
    response = client.get(path)
    assert response.status_code == (404 if path.endswith("nobody") else 200)
    assert response.headers["content-type"].startswith("text/html")
    page = Page(response.text)
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert page.values("style") == []
    assert "<script>" not in response.text
    loaded = [*page.values("src"), *(a["href"] for tag, a in page.tags if tag == "link")]
    assert all(address.startswith("/static/") for address in loaded)
    for address in loaded:
        assert client.get(address).status_code == 200
    assert [tag for tag, _ in page.tags].count("h1") == 1
    labelled = {a.get("for") for tag, a in page.tags if tag == "label"}
    assert "q" in labelled


@pytest.mark.slow
def test_what_follows_nothing_is_no_trouble_and_said_all_the_same():
    page = client_of(FakeReads(), Lag(), {"tail": Remark("follows no topic")}).get("/collector").text
    assert "Everything works." in page
    assert "tail is running: follows no topic" in page


def test_links_within_the_console_lead_somewhere(client):
    for path in PAGES:
        for address in Page(client.get(path).text).values("href"):
            if address.startswith("/") and not address.startswith(("/api/", "/metrics", "/readyz")):
                assert client.get(address).status_code == 200, address


def test_everything_from_outside_is_escaped():
    client = client_of(EvilReads(), Lag(EVIL), {EVIL: EVIL}, Links("https://jaeger/trace/{trace_id}"))
    for path in (
        "/",
        "/sagas",
        "/map",
        "/lag",
        "/dead-letters",
        "/trails/" + "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    ):
        text = client.get(path, params={"q": EVIL}).text
        assert "<script>" not in text
        assert "\x1b" not in text
        assert "\x00" not in text
    for path in ("/lag?group=", "/map/topic?name=", "/map/edge?topic=", "/map?trail="):
        response = client.get(path + quote(EVIL, safe=""))
        assert response.status_code == 200, path
        assert "&lt;script&gt;" in response.text
        assert not {"\x1b", "\x00"} & set(response.text)
        assert "<script>" not in response.text
    response = client.get("/trails/" + quote(EVIL, safe=""))
    assert response.status_code == 200
    assert "<script>" not in response.text
    assert "&lt;script&gt;" in response.text
    assert "waits for" in response.text
    for address in Page(response.text).values("href"):
        assert not address.lower().startswith("javascript:")


@pytest.mark.parametrize("path", ["/oncall", "/sagas/causes"])
def test_what_goes_wrong_is_escaped(path):
    response = client_of(EvilReads(), Lag(EVIL), {EVIL: EVIL}).get(path)
    assert response.status_code == 200
    assert "&lt;script&gt;" in response.text
    assert not {"\x1b", "\x00"} & set(response.text)
    assert "<script>" not in response.text
    for address in Page(response.text).values("href"):
        assert not address.lower().startswith("javascript:")


def test_the_search_box_leads_to_the_trail_in_one_step(client):
    response = client.get("/search", params={"q": " ord/2 <b> "})
    assert response.status_code == 200
    assert response.url.path == "/trails/ord/2 <b>" or "ord%2F2" in str(response.url)
    assert "ord/2 &lt;b&gt;" in response.text
    assert client.get("/search").url.path == "/"


def test_the_trail_page_draws_bars_and_facts(client):
    text = client.get("/trails/ord-1").text
    assert text.count("<rect") == 3
    assert "fulfilment" in text
    assert "correlation" in text.lower()


def test_filters_are_kept_and_pages_lead_on(client):
    text = client.get("/sagas?outcome=open&limit=1").text
    assert re.search(r'value="open" selected', text)
    bad = client.get("/sagas?outcome=sunny")
    assert (bad.status_code, bad.headers["content-type"]) == (400, "text/html; charset=utf-8")


def test_machines_still_get_json(client):
    response = client.get("/nothing", headers={"accept": "*/*"})
    assert response.json() == {"error": "no such page"}


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/map?flow=nothing", 400, "no flow is called nothing: there are fulfilment"),
        ("/map?trail=nobody", 404, "no single trail is known of nobody"),
        ("/map?flow=fulfilment&trail=ord-1", 400, "not for both"),
        ("/map/topic?name=nothing", 404, "No topic nothing is known"),
        ("/map/edge?topic=nothing", 404, "No event has gone over this edge"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(client, path, status, words):
    response = client.get(path)
    assert response.status_code == status
    assert words in response.text


def test_empty_pages_say_what_to_do():
    class Empty(FakeReads):
        def list_sagas(self, query):
            return []

        def list_dead_letters(self, selection, limit, offset=0, **turn):
            return []

        def list_flows(self):
            return []

    class NoLag:
        name = collected_at = None
        readings = ()

        def detail(self, group):
            return None

        def unread(self):
            return {}

        def overview(self):
            return {"collected_at": None, "groups": [], "failures": [], "unread": {}}

    client = client_of(Empty(), NoLag(), {})
    assert "--flows" in client.get("/").text
    assert "No consumer group is known yet" in client.get("/lag").text
    assert "ce_causationid" in client.get("/map").text
    assert "no flow file, so there are no sagas: name one with --flows" in client.get("/sagas").text


@pytest.mark.parametrize("story", [orders.completed, orders.declined, orders.poisoned])
def test_a_trail_as_a_document_needs_nothing_else(story):
    trail = trail_json(assemble(story(), now_ms=orders.START_MS + 100_000))
    text = trail_document(trail, "ord-1")
    page = Page(text)
    assert page.values("src") == []
    assert all(address.startswith("#row-") for address in page.values("href"))
    assert "<style>" in text
    bars = [float(a["x"]) + float(a["width"]) for tag, a in page.tags if tag == "rect"]
    assert max(bars) <= 1000.01


def test_a_trail_across_two_brokers_says_on_which_each_event_was():
    trail = trail_json(assemble(orders.completed(), now_ms=orders.START_MS + 100_000))
    assert "<small>Kafka</small>" not in trail_document(trail, "ord-1")
    topics = {entry["topic"] for entry in trail["entries"] if entry.get("topic")}
    moved = sorted(topics)[0]
    for entry in trail["entries"]:
        if entry.get("topic") == moved:
            entry["topic"] = f"rabbitmq:{moved}"
    shown = [entry for entry in trail["entries"] if entry.get("topic") and entry["kind"] != "queue"]
    text = trail_document(trail, "ord-1")
    for broker, on_it in (("RabbitMQ", True), ("Kafka", False)):
        wanted = sum(entry["topic"].startswith("rabbitmq:") is on_it for entry in shown)
        assert wanted > 0
        assert text.count(f"<small>{broker}</small>") == wanted


def test_each_symbol_of_a_trail_is_explained_beneath_it(client):
    page = client.get("/trails/ord-1").text
    used = set(re.findall(r'<span class="symbol" aria-hidden="true">(.)</span>', page))
    explained = dict(re.findall(r'<li><span aria-hidden="true">(.)</span> ([^<]+)</li>', page))
    assert used
    assert used <= set(explained)
    assert all(explained.values())


def test_what_is_missing_is_a_row_on_the_axis():
    trail = trail_json(assemble(orders.poisoned(), now_ms=orders.START_MS + 100_000))
    page = Page(trail_document(trail, "ord-1"))
    bars = {
        a["class"]: (float(a["x"]), float(a["x"]) + float(a["width"]))
        for tag, a in page.tags
        if tag == "rect"
    }
    assert bars["waited"][1] == pytest.approx(bars["overdue"][0])
    assert bars["overdue"][1] == pytest.approx(1000)
    rows = [a["class"] for tag, a in page.tags if tag == "tr" and "missing" in a.get("class", "")]
    assert rows == ["missing first failed", "missing first later"]
    labels = {a["aria-label"] for tag, a in page.tags if "aria-label" in a}
    assert "waited for since 43ms, due after 1m 00s, overdue" in labels


def test_traces_are_linked_where_a_link_is_set():
    reads = FakeReads()
    reads.events_by_correlation = lambda ids, limit: [
        StoredEvent("e1", "OrderPlaced", "orders", 0, 0, "/orders", "ord-1", "flow-1", trace_id="a" * 32)
    ]
    client = client_of(reads, Lag(), {}, Links("https://jaeger.example/trace/{trace_id}"))
    assert f'href="https://jaeger.example/trace/{"a" * 32}"' in client.get("/trails/ord-1").text
