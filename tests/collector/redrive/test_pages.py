"""The console's dead letter desk, as a browser without scripts sees it."""

from __future__ import annotations

import html
import re
import threading
from collections import Counter
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from flowtrail_collector.causes import cause_of
from flowtrail_collector.console import DeadLetterList, DeadLetterPages, FormPages, error_page
from flowtrail_collector.console._render import render
from flowtrail_collector.dead_letters.desk import RedriveDesk
from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.dead_letters.redriver import Redriver
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
from flowtrail_collector.dead_letters.web.json import letter_json
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.trails.sql import TrailReads
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.form_tokens import FormTokens
from redrivekit import DLQ, FakeKafka, dead, keep, own_headers, states

pytestmark = pytest.mark.slow(0.3)

EVIL = "<script>alert(1)</script>'\"&"
WRITE = "w" * 24
ORIGIN = {"origin": "http://127.0.0.1", "accept": "text/html"}


class Form(HTMLParser):
    """The form of a page whose method is POST."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields, self.links, self.tags = None, {}, [], []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        if tag == "form":
            self._inside = values.get("method") == "post"
            self.action = values["action"] if self._inside else self.action
        elif tag == "input" and self._inside and values.get("type") != "checkbox":
            self.fields[values["name"]] = values.get("value") or ""
        elif tag == "a":
            self.links.append(values["href"])

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "form"


class Site:
    def __init__(self, database, *, writable=True):
        self.database = database
        self.store, self.kafka = SqlRedrive(database), FakeKafka(orders=1)
        keep(database, [self.kafka.bury(n, [*own_headers(), (EVIL, EVIL.encode())]) for n in range(3)])
        evil = DeadLetterHeaders("flowtrail", EVIL, group=EVIL, error_type=EVIL, error_message=EVIL)
        keep(database, [dead(0, topic="evil.dlq", letter=evil, order=EVIL)])
        reads = TrailReads(database, Flows())
        desk = RedriveDesk(self.store, self.kafka)
        forms = FormPages(FormTokens(), writable=writable)
        routes = [*DeadLetterPages(desk, forms).routes(), *DeadLetterList(reads, forms).routes()]
        app = build_app(
            routes, token=None, local=True, on_error=lambda part, error: None, error_page=error_page
        )
        self.client = TestClient(app, base_url="http://127.0.0.1", headers=ORIGIN, follow_redirects=False)

    def get(self, address, status=200):
        response = self.client.get(address)
        assert response.status_code == status, response.text
        return response.text

    def send(self, form, status=303, **changes):
        response = self.client.post(form.action, data={**form.fields, **changes})
        assert response.status_code == status, response.text
        return response


@pytest.fixture
def site(tmp_path):
    database = SqliteDatabase(tmp_path / "store.sqlite")
    yield Site(database)
    database.close()


def test_from_the_list_to_the_end_of_a_redrive(site):
    page = Form(site.get("/dead-letters?group=billing&state=pending"))
    ask, _ = [link for link in page.links if link.startswith("/dead-letters/redrive")]
    text = site.get(ask)
    assert "Redrive 3 dead letters?" in text
    assert "Would go to" in text
    form = Form(text)
    address = site.send(form, rate="").headers["location"]
    running = site.client.get(address)
    assert running.headers["refresh"] == "1"
    assert "0 of 3" in running.text
    Redriver(site.store, site.kafka)._do(site.store.next_job(), threading.Event())
    done = site.client.get(address)
    assert "refresh" not in done.headers
    assert "3 of 3" in done.text
    assert len(site.kafka.published) == 3
    assert "group=billing" in site.get("/redrives")
    one = site.get(f"/dead-letters/{DLQ}/0/0")
    assert "orders/0@0" in one
    assert "Redrive…" not in one


@pytest.mark.parametrize(
    "query", ["?group=billing", "?error=ValueError", "", f"?topic={DLQ}&partition=0&offset=1"]
)
@pytest.mark.parametrize("action", ["redrive", "dismiss"])
def test_confirmed_is_what_was_shown(site, action, query):
    text = site.get(f"/dead-letters/{action}{query}")
    form, shown = Form(text), int(form_total(text))
    keep(site.database, [site.kafka.bury(n, own_headers()) for n in (3, 4)])
    site.send(form, all="yes", **({"note": "seen"} if action == "dismiss" else {}))
    if action == "dismiss":
        assert Counter(states(site.database).values())["dismissed"] == shown
    else:
        assert site.store.next_job().total == shown
        Redriver(site.store, site.kafka)._do(site.store.next_job(), threading.Event())
        assert Counter(states(site.database).values())["pending"] >= 2
    assert states(site.database)[DLQ, 0, 3] == "pending"


def test_a_form_that_would_do_more_than_it_says_does_nothing(site):
    form = Form(site.get("/dead-letters/dismiss?group=billing"))
    answer = site.send(form, 409, note="seen", expected_total="2")
    assert "3 dead letters match by now instead of 2: nothing was done, look again" in answer.text
    assert "dismissed" not in states(site.database).values()


def form_total(text):
    return re.search(r"<button type=\"submit\">(?:Redrive|Dismiss) (\d+)", text)[1]


def test_from_a_cause_to_its_dead_letters_and_their_redrive(site):
    header = DeadLetterHeaders(
        "flowtrail", "orders", 0, 7, group="billing", error_type="Late", error_message="no card for ORD-0"
    )
    before = site.get("/dead-letters").count('data-label="Cause"')
    keep(site.database, [dead(70, letter=header)])
    page = site.get("/dead-letters")
    assert page.count('data-label="Cause"') == before + 1
    assert "no card for *" in page
    asks = [
        link for link in Form(page).links if link.startswith("/dead-letters/redrive") and "cause=" in link
    ]
    (late,) = [
        link for link in asks if cause_of("billing", "OrderPlaced", "Late", "no card for ORD-0") in link
    ]
    form = Form(site.get(late))
    site.send(form)
    job = site.store.next_job()
    assert (job.total, job.order.selection.error_type, bool(job.order.selection.cause)) == (1, None, True)
    narrowed = site.get(late.replace("/redrive", ""))
    assert narrowed.count('data-label="Cause"') == 1
    assert narrowed.count('data-label="Failed"') == 1


def test_one_dead_letter_is_sent_back_alone(site):
    page = Form(site.get(f"/dead-letters/{DLQ}/0/1"))
    (ask,) = [link for link in page.links if link.startswith("/dead-letters/redrive")]
    site.send(Form(site.get(ask)))
    assert site.store.next_job().total == 1


def test_dismissed_with_a_reason(site):
    form = Form(site.get("/dead-letters/dismiss?group=billing"))
    site.send(form, 400)
    assert site.send(form, note="settled by hand").headers["location"] == "/dead-letters?state=dismissed"
    assert list(states(site.database).values()).count("dismissed") == 3
    assert "settled by hand" in site.get("/redrives")


def test_everything_wants_a_confirmation(site):
    form = Form(site.get("/dead-letters/redrive"))
    assert "every dead letter" in site.send(form, 400).text
    site.send(form, all="yes")
    assert site.store.next_job().total == 4


def test_cancelled(site):
    address = site.send(Form(site.get("/dead-letters/redrive?group=billing"))).headers["location"]
    assert site.send(Form(site.get(address))).headers["location"] == address
    assert "cancelled" in site.get(address)


def test_a_form_without_its_token_does_nothing(site):
    form = Form(site.get("/dead-letters/redrive?group=billing"))
    for token in ("", "0" * 64):
        assert "expired" in site.send(form, 403, form_token=token).text
    site.client.cookies.clear()
    site.send(form, 403)
    assert site.store.jobs(1) == []


def test_a_form_from_another_site_does_nothing(site):
    form = Form(site.get("/dead-letters/redrive?group=billing"))
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        response = site.client.post(form.action, data=form.fields, headers=headers)
        assert response.status_code == 403
    assert site.store.jobs(1) == []


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"a=1", "text/plain", 415),
        (b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"&".join([b"a=1"] * 100), "application/x-www-form-urlencoded", 400),
        (b"\xff", "application/x-www-form-urlencoded", 400),
    ],
)
def test_strange_forms(site, content, content_type, status):
    response = site.client.post(
        "/dead-letters/redrive", content=content, headers={"content-type": content_type}
    )
    assert response.status_code == status


PAGES = [
    "/dead-letters",
    f"/dead-letters/{DLQ}/0/0",
    "/dead-letters/evil.dlq/0/0",
    "/dead-letters/redrive",
    "/dead-letters/dismiss",
    "/redrives",
]


@pytest.mark.parametrize("page", PAGES)
def test_everything_from_outside_is_escaped(site, page):
    site.send(Form(site.get("/dead-letters/dismiss?topic=evil.dlq")), note=EVIL)
    text = site.get(page)
    form = Form(text)
    assert "<script>alert" not in text
    assert form.tags.count("script") <= 2  # search.js, and live.js on the list
    assert not re.search(r"\son\w+=", text)


def test_kafka_away_is_said_in_words(site):
    site.kafka.down = True
    assert "no broker" in site.get("/dead-letters/redrive?group=billing", 503)
    assert "no broker" in site.get(f"/dead-letters/{DLQ}/0/0")


def test_nothing_there(site):
    site.get("/dead-letters/none/0/0", 404)
    site.get("/dead-letters/none/x/0", 404)
    site.get("/redrives/none", 404)
    assert "None matches" in site.get("/dead-letters/redrive?group=nobody")


def test_where_nobody_may_write_the_forms_say_so(tmp_path):
    database = SqliteDatabase(tmp_path / "store.sqlite")
    site = Site(database, writable=False)
    text = site.get("/dead-letters/redrive?group=billing")
    assert "--write-token-file" in text
    assert Form(text).action is None
    assert "set-cookie" not in site.client.get("/dead-letters").headers
    database.close()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dlq.error.stacktrace", "Traceback:\n  File x\nValueError: <b>"),
        (
            "kafka_dlt-exception-stacktrace",
            "java.lang.IllegalStateException\n\tat com.example.<init>(A.java:1)",
        ),
        ("MT-Fault-StackTrace", "System.Exception\r\n   at A.B`1()\r\n"),
        ("x-exception-stacktrace", "deep\n" + "\n".join(f"  at frame {n}" for n in range(1_000))),
    ],
)
def test_a_stack_trace_has_its_lines_whoever_wrote_it(site, name, text):
    keep(site.database, [site.kafka.bury(7, [*own_headers(), (name, text.encode())])])
    page = site.get(f"/dead-letters/{DLQ}/0/7")
    shown = html.unescape(re.search(r'<pre class="payload" tabindex="0">(.*?)</pre>', page, re.DOTALL)[1])
    assert shown == text.replace("\r\n", "\n").strip("\n")
    assert f"<code>{name}</code></p>" in page
    assert f'<td data-label="Header"><code>{name}' not in page
    assert "Stack trace" not in site.get(f"/dead-letters/{DLQ}/0/0")


def test_a_redrive_is_one_decision_and_a_line_for_each_record(site):
    text = site.get("/dead-letters/redrive?group=billing&state=pending")
    assert text.count("<button") == 2  # Find, and the one that redrives
    assert text.index("Redrive 3</button>") < text.index("<h2>Which</h2>")
    assert re.findall(r'<td data-label="Dead letter"><a[^>]* href="([^"]+)"', text) == [
        f"/dead-letters/{DLQ}/0/{n}" for n in range(3)
    ]
    one = site.get("/dead-letters/redrive?group=billing&state=pending&offset=0")
    assert "<meter" not in one
    assert "Would go to: orders" in one
    many = [dead(n) for n in range(100, 130)]
    keep(site.database, many)
    assert "And 13 more." in site.get("/dead-letters/redrive?group=billing&state=pending")


def test_a_value_that_was_left_out_is_said(site):
    keep(site.database, [site.kafka.bury(7, [*own_headers(), ("dlq.oversize", b"headers-only")], value=b"")])
    said = "left out, too large"
    assert said in site.get(f"/dead-letters/{DLQ}/0/7")
    assert said not in site.get(f"/dead-letters/{DLQ}/0/0")
    assert "its value was left out, and orders/0/7 is gone" in site.get("/dead-letters/redrive?offset=7")


@pytest.mark.parametrize(
    ("attempts", "replays", "said"),
    [
        (0, 0, ["billing (undecodable; handler never ran)", "never"]),
        (1, 1, ["billing after 1 attempt", "1 time"]),
        (4, 2, ["billing after 4 attempts", "2 times"]),
        (None, None, ["billing", "unknown"]),
    ],
)
def test_a_dead_letters_numbers_read_as_people_say_them(attempts, replays, said):
    letter = DeadLetter(
        DLQ, 0, 0, 1, "c", "e", "s", "T", source_topic="orders", group="billing", attempts=attempts, replays=replays
    )  # fmt: skip
    page = render(
        "dead_letter.html", letter=letter_json(letter), can_move=False, narrowed="", record=None, problem="gone",
        history=[], traces=[], headers=[], path="/", wanted="", live=False,
    )  # fmt: skip
    shown = re.findall(r"<dd>([^<]*)</dd>", page)
    assert [words for words in said if words not in shown] == []


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"rate": "fast"}, "rate", "rate takes a number"),
        ({"replay_limit": "-1"}, "replay_limit", "replay_limit takes a whole number"),
        ({"to": "__consumer_offsets"}, None, "__consumer_offsets"),
    ],
)
def test_a_slip_in_a_redrive_is_said_in_its_form(site, changes, field, said):
    form = Form(site.get(f"/dead-letters/redrive?topic={DLQ}"))
    typed = {**form.fields, "to": "", "rate": "5", **changes}
    answer = site.client.post(form.action, data=typed)
    assert answer.status_code == 400
    assert said in answer.text
    assert 'role="alert"' in answer.text
    assert answer.text.count('aria-describedby="problem"') == (field is not None)
    again = Form(answer.text)
    assert again.action == form.action
    assert again.fields == typed
    assert site.store.jobs(1) == []


def test_a_slip_in_a_dismissal_is_said_in_its_form(site):
    form = Form(site.get(f"/dead-letters/dismiss?topic={DLQ}"))
    answer = site.client.post(form.action, data={**form.fields, "note": " "})
    assert answer.status_code == 400
    assert "note is required" in answer.text
    assert answer.text.count('aria-describedby="problem"') == 1
    assert Form(answer.text).fields == {**form.fields, "note": " "}
    long = site.client.post(form.action, data={**form.fields, "note": "kept\0"})
    assert "can&#39;t contain that" in long.text
    assert "kept" in long.text
