"""What was published, and who reads it: counted once, with its first and last time, whatever interrupts it."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from flowtrail_collector.catalog.model import Alike, Published, PublishedKey, count_published, version_of
from flowtrail_collector.catalog.sql import SqlCatalog
from flowtrail_collector.catalog.web import catalog_routes
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.store.packs.learning import Learning
from flowtrail_collector.topology.model import Reaction, Reading, ReadingKey, alike, count_readings
from flowtrail_collector.topology.sql import SqlTopology
from storekit import EVENT

NOW_MS = 1_700_000_000_000
TYPES = ("OrderPlaced", "StockReserved", "PaymentCompleted")
SOURCES = ("/orders", "https://shop.example/inventory", "billing", None)
SCHEMAS = (None, "OrderPlaced/2", "https://registry/subjects/OrderPlaced/versions/13", "urn:nothing")


def made(count, seed):
    chosen = random.Random(seed)
    for number in range(count):
        subject = f"o{number}"
        yield EVENT._replace(
            topic=chosen.choice(("orders", "stock")), offset=number, event_id=f"e{number}",
            type=chosen.choice(TYPES), source=chosen.choice(SOURCES), dataschema=chosen.choice(SCHEMAS),
            subject=subject, key=chosen.choice((None, subject, "other")), correlation_id=None,
            timestamp_ms=NOW_MS + chosen.randrange(-1000, 1000), dead_letter=chosen.random() < 0.1,
        )  # fmt: skip


def expected(events):
    """Counted another way: each event into lists, then measured."""
    times, keys = defaultdict(list), defaultdict(list)
    for event in events:
        if event.dead_letter:
            continue
        last = (event.dataschema or "").split("/")[-1]
        version = last if last.isdecimal() else ""
        service = (event.source or "unknown").split("/")[-1]
        place = PublishedKey(event.topic, event.type, service, version)
        times[place].append(event.timestamp_ms)
        keys[place].append((event.key, event.subject))
    return {
        place: Published(
            len(found), sum(key is not None for key, _ in keys[place]),
            sum(key == subject for key, subject in keys[place]), min(found), max(found),
        )
        for place, found in times.items()
    }  # fmt: skip


def learn(database, *learners):
    learning = Learning(database, learners)
    while learning.learn():
        pass


def add(database, events):
    with store_on(database).unit() as unit:
        unit.add_events(list(events))


def test_every_event_counts_once_in_whatever_portions(sql_database):
    events = list(made(1_000, 1))
    for start in range(0, 1_000, 170):
        add(sql_database, events[start : start + 170])
        # Another life each time: nothing but what is stored is known.
        learn(sql_database, SqlCatalog(sql_database))
    assert SqlCatalog(sql_database).published() == expected(events)


def test_what_fails_halfway_is_counted_when_it_is_tried_again(sql_database, monkeypatch):
    events = list(made(100, 2))
    add(sql_database, events)
    catalog = SqlCatalog(sql_database)
    with monkeypatch.context() as broken:
        broken.setattr(
            "flowtrail_collector.catalog.sql._SAVE", f"INSERT INTO nowhere VALUES ({', '.join('?' * 9)})"
        )
        with pytest.raises(Exception, match="nowhere"):
            learn(sql_database, catalog)
    learn(sql_database, catalog)
    assert catalog.published() == expected(events)


@pytest.mark.parametrize(
    ("dataschema", "version"),
    [
        (None, ""), ("", ""), ("OrderPlaced", ""), ("OrderPlaced/2", "2"), ("OrderPlaced/two", ""),
        ("https://r:8081/subjects/OrderPlaced/versions/3", "3"), ("https://r/schemas/ids/9", ""), ("/2", ""),
    ],
)  # fmt: skip
def test_versions(dataschema, version):
    assert version_of(dataschema) == version


def test_made_up_types_and_services_are_bounded():
    known: dict[PublishedKey, Published] = {}
    found = {Alike("t", f"T{n}", None, None, False, False): range(n, 30, 9) for n in range(9)}
    count_published(known, found, most=4)
    assert sorted(key.type for key in known) == ["T0", "T1", "T2", "T3"]
    assert known["t", "T0", "unknown", ""] == (4, 0, 0, 0, 27)
    readings: dict[ReadingKey, Reading] = {}
    reactions = [Reaction("/a", "t", f"/s{n % 5}", 1, None, "T", n) for n in range(20)]
    assert count_readings(readings, alike(reactions), most=2) == {("t", "T", "s0"), ("t", "T", "s1")}
    assert readings["t", "T", "s0"] == (4, 15)


def test_who_reacts_to_which_type_as_the_api_tells_it(sql_database):
    placed = EVENT._replace(event_id="a", timestamp_ms=NOW_MS, dataschema="OrderPlaced/2", key="o1")
    reserved = EVENT._replace(
        event_id="b", topic="stock", type="StockReserved", source="/inventory", causation_id="a",
        timestamp_ms=NOW_MS + 1000,
    )  # fmt: skip
    add(sql_database, [placed, reserved])
    catalog = SqlCatalog(sql_database)
    topology = SqlTopology(sql_database, time_seconds=lambda: NOW_MS / 1000)
    learn(sql_database, catalog, topology)
    routes = catalog_routes(catalog.published, topology.readings, lambda: None, most=2)
    found = TestClient(Starlette(routes=routes)).get("/api/v1/catalog").json()
    assert found["since"] == "2023-11-14T22:13:20.000000Z"
    assert found["full"] is True
    assert [(row["topic"], row["type"], row["service"], row["version"]) for row in found["published"]] == [
        ("orders", "OrderPlaced", "orders", "2"), ("stock", "StockReserved", "inventory", None),
    ]  # fmt: skip
    assert (found["published"][0]["keyed"], found["published"][0]["keyed_by_subject"]) == (1, 1)
    assert found["readings"] == [
        {
            "topic": "orders", "type": "OrderPlaced", "service": "inventory", "events": 1,
            "last_time": "2023-11-14T22:13:21.000000Z",
        }
    ]  # fmt: skip
