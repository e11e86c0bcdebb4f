"""The console's lists: what is searched by its beginning, chosen from what is known, counted, and led on from."""

from __future__ import annotations

import pytest

from consolekit import Lag, Page, client_of
from flowtrail_collector.sagas.ports import SagaName
from trailkit.fakes import FakeReads


@pytest.fixture
def client():
    return client_of(FakeReads(), Lag(), {})


def test_the_beginning_of_an_id_leads_to_the_only_one_or_lists_them(client):
    assert client.get("/search", params={"q": "ord-1"}).url.path == "/trails/ord-1"
    assert client.get("/search", params={"q": "ord-"}).url.path == "/trails/ord-1"
    several = FakeReads()
    several.begins_with = lambda prefix, limit: [
        SagaName(f"ord-{number}", f"flow-{number}", "fulfilment", "open", 1000, number == 2)
        for number in range(1, 4)
    ]
    found = client_of(several, Lag(), {}).get("/search", params={"q": "ord-"})
    assert (found.status_code, found.url.path) == (200, "/search")
    assert [a["href"] for tag, a in Page(found.text).tags if tag == "a" and "/trails/" in a["href"]] == [
        "/trails/ord-1", "/trails/ord-2", "/trails/ord-3",
    ]  # fmt: skip
    assert found.text.count('badge stuck">stuck') == 1
    assert client.get("/search", params={"q": "nobody"}).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "hint"), [("ord-19", True), ("ord-1xyz", True), ("or", False), ("zzz", False)]
)
def test_an_id_that_is_nearly_one_is_suggested(client, wanted, hint):
    page = client.get(f"/trails/{wanted}")
    assert page.status_code == 404
    assert "Nothing is known of" in page.text
    assert ('href="/trails/ord-1"' in page.text) is hint
    assert ("Ids that begin like it" in page.text) is hint


def test_a_group_leads_to_its_partitions(client):
    for path in ("/", "/lag"):
        assert 'href="/lag?group=billing"' in client.get(path).text, path
    page = client.get("/lag?group=billing").text
    for told in ('<td data-label="Partition" class="number">7</td>', ">12</td>", ">15</td>", "2</td>"):
        assert told in page
    assert (
        "No broker knows a consumer group called <code>nobody</code>" in client.get("/lag?group=nobody").text
    )
    queues = client_of(FakeReads(), Lag("rabbitmq:orders.billing"), {})
    assert "Lag of rabbitmq:orders.billing" in queues.get("/lag?group=billing").text


def test_what_is_known_can_be_chosen_from_a_list(client):
    for path, names in {
        "/dead-letters?group=gone": ("state", "group", "topic", "flow"),
        "/sagas": ("flow", "outcome", "step"),
        "/sagas/causes": ("flow", "state", "step"),
    }.items():
        page = Page(client.get(path).text)
        assert {a["name"] for tag, a in page.tags if tag == "select"} == set(names), path
    # Of what isn't known there is a field; what was chosen is shown even if nothing has it any more.
    assert '<option value="gone" selected>' in client.get("/dead-letters?group=gone").text
    assert '<input name="error"' in client.get("/dead-letters").text


def test_trouble_comes_first_and_is_counted(client):
    page = client.get("/").text
    places = [
        page.index(f"<h2>{name}</h2>") for name in ("Stuck", "Dead letters", "Consumer groups", "Flows")
    ]
    assert places == sorted(places)
    card = page[places[-1] :]
    assert 'href="/sagas?flow=fulfilment&amp;stuck=true">1</a>' in card
    assert ">1 stuck</a>" in page
    assert ">1 pending dead letter</a>" in page
    assert ">1 group in trouble</a>" in page
