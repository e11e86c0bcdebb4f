"""The pages and commands about what goes wrong, over a whole collector's store: every link leads on, nothing breaks out."""

from __future__ import annotations

import html
import json
import re
import time
from urllib.parse import parse_qsl

import pytest
from starlette.testclient import TestClient

from flowtrail_collector.app import build_collector
from flowtrail_collector.cli import main
from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.settings import CollectorConfig, KafkaConfig
from redrivekit import dead
from trailkit.web import served

pytestmark = pytest.mark.slow(5)
EVIL = "<script>alert(1)</script>\x1b\x00'\"&"
FLOWS = """\
flows:
  order-fulfilment:
    starts: OrderPlaced
    steps:
      charge: {done: PaymentCompleted, by: billing/1, within: 30s}
      ship:   {done: OrderShipped, by: fulfillment, within: 30s}
    completes: OrderShipped
    within: 1h
"""
FLOW = "order-fulfilment"


@pytest.fixture
def collector(tmp_path):
    """A collector that isn't started, and a store in which orders are stuck, ended and died."""
    flows = tmp_path / "flows.yaml"
    flows.write_text(FLOWS)
    made = build_collector(
        CollectorConfig(KafkaConfig("kafka:9092"), flows=flows, store=tmp_path / "store.sqlite")
    )
    yield made
    made.close()


@pytest.fixture
def filled(collector):
    now = int(time.time() * 1000)
    events = {1: (now - 60_000, "OrderPlaced", 0)}
    late = [
        SagaRecord(FLOW, f"flow-{EVIL}{n}", subject=f"{EVIL}{n}", started_ms=now - 60_000, waiting=("charge",),
                   waiting_since_ms=now - 60_000, breached=("charge",), events=events)
        for n in range(5)
    ]  # fmt: skip
    over = SagaRecord(
        FLOW,
        "over",
        subject=EVIL,
        outcome=Outcome.TIMED_OUT,
        started_ms=1,
        ended_ms=now - 1_000,
        events=events,
    )
    header = DeadLetterHeaders(
        "x", EVIL, group="billing/1", error_type=EVIL, error_message=f"{EVIL} of ORD-1"
    )
    letters = [
        dead(n, letter=header, timestamp_ms=now - 5_000)._replace(
            correlation_id=late[n].key, subject=late[n].subject
        )
        for n in range(2)
    ]
    with collector.store.unit() as unit:
        unit.save_sagas([*late, over])
        unit.add_dead_letters(letters)
    return TestClient(collector.app, base_url="http://127.0.0.1:8090", headers={"accept": "text/html"})


def links(text):
    return {html.unescape(found) for found in re.findall(r'href="([^"]+)"', text)}


@pytest.mark.parametrize("page", ["/oncall", "/sagas/causes", "/sagas/causes?state=late", "/"])
def test_every_link_leads_on_and_nothing_breaks_out(filled, page):
    answer = filled.get(page)
    assert answer.status_code == 200, answer.text
    assert "<script>alert" not in answer.text
    assert "\x1b" not in answer.text
    for link in links(answer.text):
        if link.startswith("/") and not link.startswith("/static"):
            # There are no events to make trails of, and no broker to ask where a redrive would go.
            beyond = {"/trails": 404, "/dead-letters/redrive": 503}
            expected = next((status for start, status in beyond.items() if link.startswith(start)), 200)
            assert filled.get(link).status_code == expected, link


def test_a_cause_leads_to_its_instances_and_to_the_redrive_of_what_holds_them_up(filled):
    causes = {row["reason"]: row for row in filled.get("/api/v1/sagas/causes?state=late").json()["causes"]}
    assert {reason: row["count"] for reason, row in causes.items()} == {"dead_letter": 2, "unknown": 3}
    page = filled.get("/sagas/causes").text
    cause = causes["dead_letter"]
    listed = filled.get(f"/sagas?cause={cause['cause']}")
    assert listed.text.count('data-label="Order"') == 2
    assert "Stuck by cause" in listed.text
    (redrive,) = [link for link in links(page) if link.startswith("/dead-letters/redrive")]
    asked = dict(parse_qsl(redrive.partition("?")[2]))
    assert asked == {"flow": FLOW, "cause": cause["dead_letter_cause"], "state": "pending"}
    letters = filled.get("/api/v1/dead-letters", params=asked).json()["dead_letters"]
    assert [letter["cause"] for letter in letters] == [asked["cause"]] * 2
    assert filled.get("/sagas?cause=0123456789abcdef").text.count('data-label="Order"') == 0


def test_filters_that_make_no_sense_are_refused(filled):
    for query in ("state=late%20", "flow=nobody", "step=nothing", "limit=x", "stat=late"):
        answer = filled.get(f"/api/v1/sagas/causes?{query}")
        assert (answer.status_code, list(answer.json())) == (400, ["error"]), query
    assert filled.get("/api/v1/sagas/causes?step=ship").json()["causes"] == []
    assert len(filled.get("/api/v1/sagas/causes?limit=1").json()["causes"]) == 1
    assert filled.get("/api/v1/oncall?limit=x").status_code == 400


def test_an_empty_store_says_what_was_checked(collector):
    client = TestClient(collector.app, base_url="http://127.0.0.1:8090", headers={"accept": "text/html"})
    page = client.get("/oncall").text
    assert "Nothing went wrong within the last 30 minutes." in page
    assert "Checked: 1 flow and dead letters." in page
    assert "The first look at consumer groups, topics, and the collector itself is under way." in page
    assert "Nothing is stuck" in client.get("/sagas/causes").text


def test_commands_say_the_same(filled, collector, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    data = filled.get("/api/v1/oncall").json()
    assert {change["kind"] for change in data["changes"]} == {"dead_letters", "stuck", "ended"}
    with served(collector.app) as url:
        assert main(["oncall", "--url", url]) == 1
        out = capsys.readouterr().out
        words = " ".join(out.split())
        for change in data["changes"]:
            assert " ".join(change["text"].translate({0x1B: "\ufffd", 0: "\ufffd"}).split()) in words
        assert not {"\x1b", "\x00"} & set(out)
        assert main(["oncall", "--url", url, "--json", "--limit", "1"]) == 1
        shown = json.loads(capsys.readouterr().out)
        assert (len(shown["changes"]), shown["left_out"]) == (1, len(data["changes"]) - 1)
        assert main(["stuck", "--url", url, "--state", "late"]) == 1
        out = capsys.readouterr().out
        assert "flowtrail dlq redrive --flow order-fulfilment --cause" in " ".join(out.split())
        assert main(["stuck", "--url", url, "--flow", "nobody"]) != 0
        capsys.readouterr()
        cause = json.loads(filled.get("/api/v1/sagas/causes?state=late").text)["causes"][0]["cause"]
        assert main(["sagas", "--url", url, "--cause", cause]) == 0
