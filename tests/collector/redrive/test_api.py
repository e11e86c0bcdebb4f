"""The desk over HTTP."""

from __future__ import annotations

import json
import threading

import pytest
from starlette.testclient import TestClient

from flowtrail_collector.dead_letters.desk import RedriveDesk
from flowtrail_collector.dead_letters.redriver import Redriver
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
from flowtrail_collector.dead_letters.web.routes import DeskRoutes, dead_letter_routes
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.trails.sql import TrailReads
from flowtrail_collector.web.app import build_app
from redrivekit import DLQ, FakeKafka, keep, own_headers

pytestmark = pytest.mark.slow(0.3)

LETTERS = "/api/v1/dead-letters"


class Site:
    def __init__(self, database):
        self.database = database
        self.store, self.kafka = SqlRedrive(database), FakeKafka(orders=1)
        headers = [*own_headers(), ("<script>", b"\x00\x00\x00\x03"), ("null", None)]
        keep(database, [self.kafka.bury(n, headers) for n in range(3)])
        desk = RedriveDesk(self.store, self.kafka)
        routes = [*DeskRoutes(desk).routes(), *dead_letter_routes(TrailReads(database, Flows()))]
        app = build_app(routes, token=None, local=True, on_error=lambda part, error: None)
        self.client = TestClient(app, base_url="http://127.0.0.1")

    def post(self, path, body, status=200):
        response = self.client.post(path, json=body)
        assert response.status_code == status, response.text
        return response.json()

    def get(self, path, status=200):
        response = self.client.get(path)
        assert response.status_code == status, response.text
        return response.json()

    def work(self):
        """Let the redriver do the oldest job."""
        Redriver(self.store, self.kafka)._do(self.store.next_job(), threading.Event())


@pytest.fixture
def site(tmp_path):
    database = SqliteDatabase(tmp_path / "store.sqlite")
    yield Site(database)
    database.close()


def test_counted_sent_back_and_followed(site):
    asked = {"group": "billing", "by": "ann"}
    counted = site.post(f"{LETTERS}/redrive", {**asked, "dry_run": True})
    assert counted["total"] == 3
    assert counted["by_target"] == [{"name": "orders", "count": 3}]
    assert site.kafka.published == []
    job = site.post(f"{LETTERS}/redrive", asked, 202)
    assert (job["state"], job["total"], job["left"], job["by"]) == ("running", 3, 3, "ann")
    assert job["selection"] == {"group": "billing", "state": "pending"}
    site.work()
    done = site.get(f"/api/v1/redrives/{job['id']}")
    assert (done["state"], done["redriven"], done["left"]) == ("done", 3, 0)
    assert site.get("/api/v1/redrives")["redrives"] == [done]
    audit = site.get(f"{LETTERS}/audit?redrive={job['id']}")
    assert [line["offset"] for line in audit["moved"]] == [2, 1, 0]
    assert audit["moved"][0]["target_topic"] == "orders"
    assert audit["writes"][0]["by"] == "ann"
    assert site.get(f"{LETTERS}?state=redriven")["dead_letters"][0]["state"] == "redriven"


def test_one_with_its_headers_and_history_never_its_payload(site):
    site.post(f"{LETTERS}/dismiss", {"topic": DLQ, "partition": 0, "offset": 1, "note": "by hand"})
    found = site.get(f"{LETTERS}/{DLQ}/0/1")
    assert found["dead_letter"]["state"] == "dismissed"
    assert found["record"]["value_bytes"] == len(b"payload")
    headers = {header["name"]: header for header in found["record"]["headers"]}
    assert headers["dlq.error.type"]["value"] == "ValueError"
    assert headers["<script>"] == {"name": "<script>", "value": "0x00000003", "bytes": 4}
    assert headers["null"] == {"name": "null", "value": None, "bytes": None}
    assert found["history"][0]["note"] == "by hand"
    assert "payload" not in json.dumps(found)
    assert site.get(f"{LETTERS}/find?id=flow-o1")["dead_letters"][0]["topic"] == DLQ


def test_dismissed_only_with_a_reason(site):
    assert "note" in site.post(f"{LETTERS}/dismiss", {"id": "o1"}, 400)["error"]
    counted = site.post(f"{LETTERS}/dismiss", {"id": "o1", "dry_run": True})
    assert counted == {"matching": 3, "as_of": site.store.last_change()}
    assert site.post(f"{LETTERS}/dismiss", {"id": "o1", "note": "x"}) == {"dismissed": 3}


@pytest.mark.parametrize("selection", [{"id": "o1"}, {"topic": DLQ}, {"all": True}])
@pytest.mark.parametrize("action", ["redrive", "dismiss"])
def test_what_was_counted_is_what_is_done(site, selection, action):
    asked = {**selection, "note": "seen"} if action == "dismiss" else selection
    counted = site.post(f"{LETTERS}/{action}", {**asked, "dry_run": True})
    agreed = {"as_of": counted["as_of"], "expected_total": 3}
    if action == "redrive":
        query = "&".join(f"{name}={value}" for name, value in selection.items() if name != "all")
        surveyed = site.get(f"{LETTERS}/survey?{query}&as_of={counted['as_of']}")
        assert surveyed == counted
    keep(site.database, [site.kafka.bury(n, own_headers()) for n in (3, 4)])
    refused = site.post(f"{LETTERS}/{action}", {**asked, "expected_total": 3}, 409)
    assert refused["error"] == "5 dead letters match by now instead of 3: nothing was done, look again"
    site.post(f"{LETTERS}/{action}", {**asked, "as_of": "-1"}, 400)
    if action == "dismiss":
        assert site.post(f"{LETTERS}/dismiss", {**asked, **agreed}) == {"dismissed": 3}
    else:
        assert site.post(f"{LETTERS}/redrive", {**asked, **agreed}, 202)["total"] == 3
        site.work()
    assert len(site.get(f"{LETTERS}?state=pending")["dead_letters"]) == 2


def test_everything_only_when_said_so(site):
    assert "every dead letter" in site.post(f"{LETTERS}/redrive", {}, 400)["error"]
    assert site.post(f"{LETTERS}/redrive", {"all": "yes"}, 400)["error"] == "all takes true or false"
    assert "every dead letter" in site.post(f"{LETTERS}/dismiss", {"note": "x"}, 400)["error"]
    assert site.post(f"{LETTERS}/redrive", {"all": True}, 202)["total"] == 3


def test_cancelled(site):
    job = site.post(f"{LETTERS}/redrive", {"all": True}, 202)
    assert site.post(f"/api/v1/redrives/{job['id']}/cancel", {})["state"] == "cancelled"
    assert site.store.next_job() is None
    site.post("/api/v1/redrives/none/cancel", {}, 404)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"group": 5}, "group takes a text"),
        ({"group": "x" * 600}, "group is too long"),
        ({"group": "a\0b"}, "group"),
        ({"offset": -1, "group": "g"}, "offset"),
        ({"offset": 2**70, "group": "g"}, "offset"),
        ({"offset": True, "group": "g"}, "offset"),
        ({"since": "yesterday"}, "since takes a time"),
        ({"since": "2026-01-31T12:00:00"}, "offset from UTC"),
        ({"since": "9" * 400 + "d"}, "since"),
        ({"group": "g", "rate": "fast"}, "rate"),
        ({"group": "g", "rate": -1}, "rate"),
        ({"group": "g", "rate": "nan"}, "rate"),
        ({"group": "g", "rate": 10**400}, "rate"),
        ({"group": "g", "to": "__consumer_offsets"}, "topic"),
        ({"group": "g", "replay_limit": 5000}, "replay limit"),
        ({"group": "g", "state": "redriven"}, "pending or quarantined"),
    ],
)
def test_nonsense_is_400_and_says_what(site, body, part):
    assert part in site.post(f"{LETTERS}/redrive", body, 400)["error"]
    assert site.store.jobs(1) == []


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"{}", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b'{"id": "' + b"x" * 70_000 + b'"}', "application/json", 413),
        (b"\xff", "application/json", 400),
        (b"", "application/json", 400),
    ],
)
def test_only_reasonable_json(site, content, content_type, status):
    response = site.client.post(f"{LETTERS}/redrive", content=content, headers={"content-type": content_type})
    assert response.status_code == status
    assert list(response.json()) == ["error"]


@pytest.mark.parametrize("place", ["x/0/99", "x/y/0", "x/0/-1", "x/0/1.5", f"{'x' * 300}/0/0", "x/٣/0"])
def test_no_such_place(site, place):
    assert "no such dead letter" in site.get(f"{LETTERS}/{place}", 404)["error"]


def test_kafka_away_is_503(site):
    site.kafka.down = True
    site.post(f"{LETTERS}/redrive", {"all": True, "dry_run": True}, 503)
    assert site.get(f"{LETTERS}/{DLQ}/0/1")["problem"] == "no broker"


@pytest.mark.parametrize(
    ("query", "count"),
    [("id=o1", 3), ("id=nobody", 0), ("source=orders", 3), ("since=1h", 0), ("until=1970-01-02T00:00:00Z", 3),
     ("flow=none", 0), ("error=ValueError", 3), ("offset=2", 1)],
)  # fmt: skip
def test_lists_take_the_same_filters(site, query, count):
    assert len(site.get(f"{LETTERS}?{query}")["dead_letters"]) == count
