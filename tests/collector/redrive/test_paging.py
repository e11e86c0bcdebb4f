"""Pages of dead letters begin behind a row: whatever is handled meanwhile, the next one leaves nothing out."""

from __future__ import annotations

import html
import itertools
import re

import pytest
from starlette.testclient import TestClient

from flowtrail_collector.console import DeadLetterList, FormPages, error_page
from flowtrail_collector.dead_letters.model.letter import Selection
from flowtrail_collector.dead_letters.ports import Order
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
from flowtrail_collector.dead_letters.web.routes import dead_letter_routes
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.trails.sql import TrailReads
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.form_tokens import FormTokens
from redrivekit import dead, keep

# Many of one moment, in several topics and partitions, and some whose moment isn't known.
LETTERS = [
    *(
        dead(offset, topic=topic, partition=partition, timestamp_ms=5 + (offset + partition) % 2)
        for offset, topic, partition in itertools.product(range(4), ("a.dlq", "b.dlq", "é.dlq"), (0, 1, 10))
    ),
    *(
        dead(offset, topic=topic)._replace(timestamp_ms=None)
        for offset in (90, 91)
        for topic in ("a.dlq", "c.dlq")
    ),
]
PENDING = Selection(state="pending")


@pytest.fixture
def reads(sql_database):
    keep(sql_database, LETTERS)
    return TrailReads(sql_database, Flows())


def handle(database, letters):
    store = SqlRedrive(database)
    for letter in letters:
        topic, partition, offset = letter.place
        one = Order(Selection(topic=topic, partition=partition, offset=offset), actor="me")
        assert store.dismiss(one, "done", 1) == 1


def test_the_order_has_no_ties(reads):
    listed = reads.list_dead_letters(PENDING, 1_000)
    assert len({letter.place for letter in listed}) == len(LETTERS)
    timed = [letter for letter in listed if letter.timestamp_ms is not None]
    assert listed[: len(timed)] == timed
    assert timed == sorted(
        timed, key=lambda each: (-each.timestamp_ms, -each.offset, each.topic, each.partition)
    )


@pytest.mark.parametrize("limit", [1, 3, 7, 1_000])
@pytest.mark.parametrize("handled", [False, True])
def test_page_after_page(reads, sql_database, limit, handled):
    everything = [letter.place for letter in reads.list_dead_letters(PENDING, 1_000)]
    seen, after = [], None
    while page := reads.list_dead_letters(PENDING, limit, after=after):
        seen += [letter.place for letter in page]
        after = page[-1].key
        if handled:
            handle(sql_database, page)
            keep(sql_database, [dead(1_000 + len(seen), timestamp_ms=99)])  # and new ones arrive
    assert seen == everything


def test_page_before_page(reads):
    everything = reads.list_dead_letters(PENDING, 1_000)
    for limit, at in itertools.product((1, 4, 1_000), range(len(everything))):
        found = reads.list_dead_letters(PENDING, limit, before=everything[at].key)
        assert found == everything[max(0, at - limit) : at], (limit, at)
        assert (
            reads.list_dead_letters(PENDING, limit, after=everything[at].key) == everything[at + 1 :][:limit]
        )


@pytest.fixture
def client(reads):
    routes = [
        *dead_letter_routes(reads),
        *DeadLetterList(reads, FormPages(FormTokens(), writable=True)).routes(),
    ]
    app = build_app(routes, token=None, local=True, on_error=lambda part, error: None, error_page=error_page)
    return TestClient(app, base_url="http://127.0.0.1")


def places(text):
    return re.findall(r'data-label="Failed">.*?href="(/dead-letters/[^"]*)"', text, re.DOTALL)


def turned(text, rel):
    found = re.search(rf'href="([^"]*)" rel="{rel}"', text)
    return None if found is None else "/dead-letters" + html.unescape(found[1])


def get(client, address):
    response = client.get(address, headers={"accept": "text/html"})
    assert response.status_code == 200, response.text
    return response.text


def test_next_and_previous_in_the_console(client, reads, sql_database):
    first = get(client, "/dead-letters?state=pending&limit=10")
    assert turned(first, "prev") is None
    seen, text = places(first), first
    while (address := turned(text, "next")) is not None:
        handle(sql_database, reads.list_dead_letters(PENDING, 10)[:1])
        text = get(client, address + "&limit=10")
        assert turned(text, "prev") is not None
        seen += places(text)
    assert len(seen) == len(set(seen)) == len(LETTERS)
    while (address := turned(text, "prev")) is not None:
        text = get(client, address + "&limit=10")
    assert places(text) == places(get(client, "/dead-letters?state=pending&limit=10"))
    assert "state=pending" in turned(text, "next")


def test_next_of_the_api(client, sql_database, reads):
    seen, after = [], ""
    while after is not None:
        data = client.get(f"/api/v1/dead-letters?state=pending&limit=9&after={after}").json()
        seen += [(each["topic"], each["partition"], each["offset"]) for each in data["dead_letters"]]
        handle(sql_database, reads.list_dead_letters(PENDING, 9))
        after = data["next"]
    assert seen[:9] != seen[9:18]
    assert len(seen) == len(set(seen)) == len(LETTERS)


@pytest.mark.parametrize(
    "after", ["x", "!!", "W10", "WzEsMl0", "W251bGwsbnVsbCxudWxsLG51bGxd", "x" * 3_000, "é"]
)
@pytest.mark.parametrize("path", ["/api/v1/dead-letters", "/dead-letters"])
def test_another_cursor_is_refused_in_one_line(client, path, after):
    response = client.get(f"{path}?after={after}")
    assert response.status_code == 400
    assert "after takes what this list says for its next page" in response.text


def test_offset_is_still_taken(client):
    pages = [
        client.get(f"/api/v1/dead-letters?limit=9&offset={at}").json()["dead_letters"]
        for at in range(0, 99, 9)
    ]
    assert len({json_place(each) for page in pages for each in page}) == len(LETTERS)
    cursor = client.get("/api/v1/dead-letters?limit=9").json()["next"]
    assert client.get(f"/api/v1/dead-letters?after={cursor}&offset=3").status_code == 400


def json_place(each):
    return each["topic"], each["partition"], each["offset"]
