"""Payloads and edits over HTTP: who may, what is refused, what is written down."""

from __future__ import annotations

import json
import logging
import threading

import pytest
from starlette.testclient import TestClient

from flowtrail_collector.dead_letters.mending.web import NO_PAYLOADS, mending_routes
from flowtrail_collector.dead_letters.web.routes import DeskRoutes
from flowtrail_collector.web.app import build_app
from redrivekit import DLQ, dead, keep, own_headers, states
from redrivekit.mending import WRITE, Mended

pytestmark = pytest.mark.slow(0.3)

PLACE = f"/api/v1/dead-letters/{DLQ}/0/0"
SECRET = "card-4711"
VALUE = json.dumps({"card": SECRET, "total_cents": -5}).encode()
NEW = json.dumps({"card": SECRET, "total_cents": 5})


@pytest.fixture
def site(tmp_path):
    with Mended(tmp_path, [*own_headers(), ("tenant", b"a"), ("tenant", b"b")], VALUE) as site:
        yield site


def test_a_payload_is_shown_and_that_is_written_down_first(site):
    found = site.post(f"{PLACE}/payload", {"by": "ann"})
    assert json.loads(found["value"]["text"]) == json.loads(VALUE)
    assert (found["value"]["format"], found["key"]["text"], found["edits"]) == ("json", "key", [])
    names = [header["name"] for header in found["headers"]]
    assert names == ["ce_id", "ce_type", "traceparent", "tenant", "tenant"]
    (line,) = site.store.writes(10)
    assert (line.actor, line.action, line.detail) == ("ann", "payload", f"{DLQ}/0@0")
    site.kafka.down = True
    site.post(f"{PLACE}/payload", {"by": "bob"}, 503)
    assert site.store.writes(10)[0].actor == "bob"


def test_sent_with_changes_and_the_original_stays(site):
    body = {"value": NEW, "key": "k2", "headers": {"tenant": "c", "traceparent": None, "new": "1"},
            "reason": "sign was wrong", "by": "ann"}  # fmt: skip
    draft = site.post(f"{PLACE}/edit", {**body, "dry_run": True})
    assert draft["changed"] == "key, value, header tenant, header traceparent, header new"
    assert '-  "total_cents": -5\n+  "total_cents": 5' in draft["diff"]
    assert site.store.jobs(1) == []
    (looked,) = site.store.writes(10)  # it shows what was there
    assert (looked.actor, looked.action, looked.detail) == ("ann", "payload", f"{DLQ}/0@0")
    job = site.post(f"{PLACE}/edit", body, 202)
    assert (job["total"], job["by"]) == (1, "ann")
    assert job["edit"].endswith(": sign was wrong")
    site.work()
    (sent,) = site.kafka.published
    assert (sent.topic, sent.key, json.loads(sent.value)) == ("orders", b"k2", json.loads(NEW))
    assert sent.headers == [
        ("ce_id", b"e1"), ("ce_type", b"OrderPlaced"), ("dlq.replays", b"1"), ("tenant", b"c"), ("new", b"1"),
    ]  # fmt: skip
    assert site.kafka.records[DLQ, 0, 0].value == VALUE
    assert states(site.database)[DLQ, 0, 0] == "redriven"
    (edit,) = site.post(f"{PLACE}/payload", {})["edits"]
    assert (edit["redrive"], edit["by"], edit["reason"]) == (job["id"], "ann", "sign was wrong")
    assert edit["diff"] == draft["diff"]


def test_what_was_sent_is_in_the_store_only_until_then(site):
    site.post(f"{PLACE}/edit", {"value": NEW, "reason": "r"}, 202)
    (job,) = site.store.jobs(1)
    assert SECRET.encode() in site.store.replacement(job.id).parts["value"]
    site.work()
    assert site.store.replacement(job.id) is None


@pytest.mark.parametrize("ends", ["cancelled", "redriven", "dismissed"])
def test_one_that_somebody_else_dealt_with_isnt_sent_and_the_edit_says_so(site, ends):
    job = site.post(f"{PLACE}/edit", {"value": NEW, "reason": "r"}, 202)
    if ends == "cancelled":
        site.post(f"/api/v1/redrives/{job['id']}/cancel", {})
    else:
        with site.database.transaction() as connection:
            connection.execute("UPDATE dead_letters SET state = ?", (ends,))
        site.work()
        (row,) = site.get(f"/api/v1/redrives/{job['id']}")["refusals"]
        assert "the edit wasn't sent" in row["name"]
    assert site.store.next_job() is None
    assert site.store.replacement(job["id"]) is None
    assert site.kafka.published == []


def test_cancelled_as_it_begins_it_never_goes_unedited(site):
    site.post(f"{PLACE}/edit", {"value": NEW, "reason": "r"}, 202)
    job = site.store.next_job()
    site.post(f"/api/v1/redrives/{job.id}/cancel", {})
    site.redriver._do(job, threading.Event())
    assert site.kafka.published == []


def test_two_edits_of_one_dead_letter_arent_sent_at_a_time(site):
    site.post(f"{PLACE}/edit", {"value": NEW, "reason": "r"}, 202)
    assert "is being sent by redrive" in site.post(f"{PLACE}/edit", {"key": "x", "reason": "r"}, 400)["error"]
    site.work()
    assert "it is redriven" in site.post(f"{PLACE}/edit", {"key": "x", "reason": "r"}, 400)["error"]
    assert len(site.kafka.published) == 1


BROKEN = [
    ({}, "reason is required"),
    ({"reason": " "}, "reason is required"),
    ({"reason": "a\0b"}, "reason can't contain that"),
    ({"reason": "\ud800"}, "reason can't contain that"),
    ({"reason": "r"}, "nothing is changed"),
    ({"reason": "r", "value": VALUE.decode()}, "nothing is changed"),
    ({"reason": "r", "value": '{ "card":\n"card-4711", "total_cents": -5}'}, "nothing is changed"),
    ({"reason": "r", "key": "key", "headers": {"ce_id": "e1"}}, "nothing is changed"),
    ({"reason": "r", "value": "{"}, "value: isn't JSON: line 1"),
    ({"reason": "r", "value": "NaN"}, "value: isn't JSON"),
    ({"reason": "r", "value": "[" * 100_000}, "nested too deeply"),
    ({"reason": "r", "value": '"' + "x" * 4_200_000 + '"'}, "value: more than"),
    ({"reason": "r", "value": 5}, "value takes a text"),
    ({"reason": "r", "key": 5}, "key takes a text"),
    ({"reason": "r", "key": "\ud800"}, "key: half"),
    ({"reason": "r", "value": '"\ud800"'}, "value: half"),
    ({"reason": "r", "headers": {"x": "\ud800"}}, "header x: half"),
    ({"reason": "r", "headers": ["a"]}, "headers takes an object"),
    ({"reason": "r", "headers": {"a": 1}}, "headers takes an object"),
    ({"reason": "r", "headers": {"": "x"}}, "headers: a name"),
    ({"reason": "r", "headers": {"a\nb": "x"}}, "headers: a name"),
    ({"reason": "r", "headers": {"x" * 201: "x"}}, "headers: a name"),
    ({"reason": "r", "headers": {str(n): "x" for n in range(51)}}, "headers: at most"),
    *(({"reason": "r", "headers": {f"dlq.{name}": "1"}}, f"header dlq.{name}: flowtrail writes it")
      for name in ("replays", "topic", "anything")),
    ({"reason": "r", "headers": {"dlq.replays": None}}, "flowtrail writes it"),
    ({"reason": "r", "key": "x", "to": "__consumer_offsets"}, "not a topic"),
    ({"reason": "r", "key": "x", "to": "nowhere"}, "doesn't exist"),
    ({"reason": "r", "key": "x", "valeu": "1"}, "did you mean value"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "said"), BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_is_wrong_is_one_line_with_its_field_and_nothing_is_sent(site, body, said, dry_run):
    content = json.dumps({**body, "dry_run": dry_run})
    response = site.client.post(
        f"{PLACE}/edit", content=content, headers={"content-type": "application/json"}
    )
    assert response.status_code == 400
    error = response.json()["error"]
    assert said in error
    assert "\n" not in error
    assert SECRET not in error
    assert site.store.jobs(1) == []


def test_what_is_in_a_queue_is_shown_and_not_edited(site):
    """Sending it back takes it out of its queue: the original couldn't be kept."""
    queue = "rabbitmq:orders.billing.dlq"
    keep(site.database, [site.kafka.bury(0, own_headers(), topic=queue, value=VALUE)])
    place = f"/api/v1/dead-letters/{queue}/0/0"
    assert SECRET in site.post(f"{place}/payload", {})["value"]["text"]
    assert "it is in a queue" in site.post(f"{place}/edit", {"key": "x", "reason": "r"}, 400)["error"]


def test_too_large_for_the_topic_or_for_here(site):
    site.kafka.limits["orders"] = 40
    long = json.dumps({"card": "x" * 100})
    assert (
        "larger than orders allows"
        in site.post(f"{PLACE}/edit", {"value": long, "reason": "r"}, 400)["error"]
    )
    content = b'{"reason": "' + b"x" * 13_000_000 + b'"}'
    headers = {"content-type": "application/json"}
    assert site.client.post(f"{PLACE}/edit", content=content, headers=headers).status_code == 413
    assert site.client.post(f"{PLACE}/payload", content=content, headers=headers).status_code == 413


def test_an_edit_makes_one_fit_that_was_too_large(site):
    site.kafka.limits["orders"] = len(VALUE) - 1
    site.post(f"{PLACE}/edit", {"value": '{"a": 1}', "reason": "r"}, 202)


def test_one_that_isnt_there(site):
    keep(site.database, [dead(9)])
    gone = f"/api/v1/dead-letters/{DLQ}/0/9"
    assert "no longer" in site.post(f"{gone}/payload", {}, 400)["error"]
    assert "no longer" in site.post(f"{gone}/edit", {"key": "x", "reason": "r"}, 400)["error"]
    for place in ("x/0/99", "x/y/0"):
        for what in ("payload", "edit"):
            site.post(f"/api/v1/dead-letters/{place}/{what}", {"reason": "r"} if what == "edit" else {}, 404)


RIGHTS = [
    ({}, 401),
    ({"authorization": "Bearer " + "r" * 24}, 401),
    ({"authorization": f"Bearer {WRITE}"}, 200),
    ({"authorization": f"Bearer {WRITE}", "origin": "https://evil.example"}, 403),
    ({"authorization": f"Bearer {WRITE}", "sec-fetch-site": "cross-site"}, 403),
    ({"authorization": f"Bearer {WRITE}", "content-type": "text/plain"}, 415),
    ({"authorization": f"Bearer {WRITE}", "content-type": "application/x-www-form-urlencoded"}, 415),
]


@pytest.mark.parametrize(("headers", "status"), RIGHTS)
def test_who_may_look_is_who_may_write(site, headers, status):
    app = build_app(site.routes, token="r" * 24, write_token=WRITE, local=True, on_error=print)
    client = TestClient(app, base_url="http://127.0.0.1")
    for what, body in (("payload", {}), ("edit", {"key": "x", "reason": "r", "dry_run": True})):
        sent = {"content-type": "application/json", **headers}
        response = client.post(f"{PLACE}/{what}", content=json.dumps(body), headers=sent)
        assert response.status_code == status
        assert (SECRET in response.text) == (status == 200 and what == "payload")
        assert client.get(f"{PLACE}/{what}", headers=headers).status_code in (401, 405)


def test_a_foreign_name_that_points_here_sees_nothing(site):
    client = TestClient(site.app, base_url="http://evil.example")
    assert client.post(f"{PLACE}/payload", json={}).status_code == 403


def test_where_it_isnt_enabled_nothing_is_there_but_what_to_do(site):
    routes = [*DeskRoutes(site.desk).routes(), *mending_routes(None)]
    client = TestClient(
        build_app(routes, token=None, local=True, on_error=print), base_url="http://127.0.0.1"
    )
    for what, body in (("payload", {}), ("edit", {"key": "x", "reason": "r"})):
        response = client.post(f"{PLACE}/{what}", json=body)
        assert (response.status_code, response.json()) == (404, {"error": NO_PAYLOADS})
    assert "--show-payloads" in NO_PAYLOADS


def test_no_payload_anywhere_else(site, caplog):
    """Not in logs, not in the store but for the edit, not in what the token for reading sees."""
    caplog.set_level(logging.DEBUG)
    site.post(f"{PLACE}/payload", {})
    new = json.dumps({"card": "card-0815", "total_cents": 5})
    site.post(
        f"{PLACE}/edit",
        {"value": new, "key": "key-0815", "headers": {"tenant": "t-0815"}, "reason": "r"},
        202,
    )
    seen = [site.get(path) for path in ("/api/v1/redrives", "/api/v1/dead-letters/audit", PLACE)]
    site.work()
    seen += [site.get(path) for path in ("/api/v1/redrives", "/api/v1/dead-letters/audit")]
    for secret in (SECRET, "0815"):
        assert secret not in json.dumps(seen)
        assert secret not in caplog.text
    with site.database.read() as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        holding = {
            table
            for table in tables
            for row in connection.execute(f"SELECT * FROM {table}")
            if "0815" in str(row)
        }
    assert holding == {"redrive_edits"}
