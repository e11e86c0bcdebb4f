"""Who reads what: taken from spans that anybody may have written, kept on either database, listed."""

from __future__ import annotations

import random
from typing import Any

import pytest
from starlette.testclient import TestClient

from flowtrail_collector.errors import StoreError
from flowtrail_collector.readers.model import ReaderKey, read_by, seen_in
from flowtrail_collector.readers.service import ReaderNotes
from flowtrail_collector.readers.sql import SqlReaders
from flowtrail_collector.readers.web import reader_routes
from flowtrail_collector.spans.model import Resource, Span, SpanKind, SpanStatus
from flowtrail_collector.spans.queue import SpanQueue
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.sql import Database
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.web.app import build_app

MS = 1_000_000
NOW_MS = 1_900_000_000_000
PROCESS = {"messaging.operation.type": "process", "messaging.destination.name": "orders"}
READS = {**PROCESS, "messaging.consumer.group.name": "g", "flowtrail.reads": "OrderPlaced/2"}


def span(attributes: dict[str, Any], *, end_ms: int = NOW_MS, **settings: Any) -> Span:
    given: dict[str, Any] = {"kind": SpanKind.CONSUMER, "service": "billing", **settings}
    resource = Resource(given.pop("service"))
    end = end_ms * MS
    return Span("a" * 32, "b" * 16, None, resource, "process", given.pop("kind"), end, end,
                attributes=attributes, **given)  # fmt: skip


def key(version: int = 2, **settings: Any) -> ReaderKey:
    return ReaderKey("billing", "g", "orders", "OrderPlaced", version, "")._replace(**settings)


@pytest.mark.parametrize(
    ("attributes", "settings", "read"),
    [
        (READS, {}, {key()}),
        ({**READS, "flowtrail.contracts": "registry"}, {}, {key(contracts="registry")}),
        ({**READS, "flowtrail.contracts": "elsewhere"}, {}, {key()}),
        ({**READS, "flowtrail.contracts": 7}, {}, {key()}),
        ({**READS, "flowtrail.reads": ["OrderPlaced/1", "a/b/3", 5, "c", "/1"]}, {}, {key(1), key(3, type="a/b")}),
        ({**READS, "flowtrail.reads": "OrderPlaced/" + "9" * 10}, {}, set()),
        ({**READS, "flowtrail.reads": "OrderPlaced/²"}, {}, set()),
        ({**READS, "flowtrail.reads": "OrderPlaced/-1"}, {}, set()),
        ({**READS, "flowtrail.reads": {"a": 1}}, {}, set()),
        ({**READS, "flowtrail.reads": "x" * 257 + "/1"}, {}, set()),
        ({**READS, "flowtrail.reads": "a\x00b/1"}, {}, set()),
        ({**READS, "flowtrail.reads": "a\ud800b/1"}, {}, set()),
        (READS, {"service": "s" * 257}, set()),
        ({**READS, "messaging.operation.type": "receive"}, {}, set()),
        (READS, {"kind": SpanKind.PRODUCER}, set()),
        # What was there before the attribute, and other libraries.
        ({**PROCESS, "cloudevents.event_type": "OrderPlaced"}, {}, {key(0, group="")}),
        ({"messaging.operation": "process", "cloudevents.event_type": "A"}, {}, {key(0, group="", topic="", type="A")}),
        ({**PROCESS, "cloudevents.event_type": "A"}, {"status": SpanStatus.ERROR}, set()),
        ({**PROCESS, "cloudevents.event_type": "A", "flowtrail.outcome": "duplicate"}, {}, set()),
        (PROCESS, {}, set()),
    ],
)  # fmt: skip
def test_what_a_span_tells(
    attributes: dict[str, Any], settings: dict[str, Any], read: set[ReaderKey]
) -> None:
    made = span(attributes, **settings)
    assert set(seen_in([made], NOW_MS)) == read


def test_the_reads_of_one_span_are_bounded() -> None:
    made = span({**READS, "flowtrail.reads": [f"T{number}/1" for number in range(1_000)]})
    assert len(list(read_by(made))) <= 32


def test_no_sender_is_ahead_of_the_clock() -> None:
    later, sooner = span(READS, end_ms=NOW_MS + 10**9), span(READS, end_ms=NOW_MS - 5)
    assert seen_in([sooner, later], NOW_MS) == {key(): NOW_MS}
    assert seen_in([sooner], NOW_MS) == {key(): NOW_MS - 5}


def test_kept_is_the_first_and_the_last_time(sql_database: Database) -> None:
    """Against a dict, in any order and any number of portions; what is opened again says the same."""
    chance = random.Random(7)
    readers = SqlReaders(sql_database)
    expected: dict[ReaderKey, tuple[int, int]] = {}
    for _ in range(20):
        seen = {
            key(
                chance.randint(0, 3), service=chance.choice("ab'é"), type=chance.choice("XY")
            ): chance.randint(1, 99)
            for _ in range(chance.randint(1, 6))
        }
        readers.note(seen)
        for found, at in seen.items():
            first, last = expected.get(found, (at, at))
            expected[found] = min(first, at), max(last, at)
    kept = {row.key: (row.first_ms, row.last_ms) for row in SqlReaders(sql_database).seen()}
    assert kept == expected
    assert readers.known() == len(expected)
    recent = {row.key for row in readers.seen(since_ms=50, type="X")}
    assert recent == {found for found, (_, last) in expected.items() if last >= 50 and found.type == "X"}


def test_made_up_readers_push_out_only_those_seen_longest_ago(sql_database: Database) -> None:
    readers = SqlReaders(sql_database, max_readers=5)
    readers.note({key(1): 10, key(2): 500})
    readers.note({key(9, service=f"made up {number}"): 100 + number for number in range(50)})
    kept = {row.key for row in readers.seen()}
    assert len(kept) == readers.known() == 5
    assert key(2) in kept
    assert key(1) not in kept


class Counting:
    def __init__(self) -> None:
        self.noted: list[dict[ReaderKey, int]] = []
        self.failure: Exception | None = None

    def note(self, seen: dict[ReaderKey, int]) -> None:
        if self.failure is not None:
            raise self.failure
        self.noted.append(dict(seen))


def test_a_reader_that_goes_on_is_noted_once_a_minute() -> None:
    store = Counting()
    notes = ReaderNotes(store, time_seconds=lambda: NOW_MS / 1000)  # type: ignore[arg-type]
    for second in range(0, 180, 5):
        notes.note([span(READS, end_ms=NOW_MS - 180_000 + second * 1000)])
    assert [at - NOW_MS for noted in store.noted for at in noted.values()] == [-180_000, -120_000, -60_000]


def test_what_couldnt_be_noted_is_noted_with_the_next_try() -> None:
    store = Counting()
    notes = ReaderNotes(store, time_seconds=lambda: NOW_MS / 1000)  # type: ignore[arg-type]
    store.failure = StoreError("away")
    with pytest.raises(StoreError):
        notes.note([span(READS)])
    store.failure = None
    notes.note([span(READS)])
    assert store.noted == [{key(): NOW_MS}]


def test_what_is_acknowledged_is_noted(sql_database: Database) -> None:
    """The spans of one request are there, and so are their readers, once its future is done."""
    import threading

    readers = SqlReaders(sql_database)
    queue = SpanQueue(SqlSpans(sql_database), note=ReaderNotes(readers).note)
    stop = threading.Event()
    thread = threading.Thread(target=queue.run, args=(stop,))
    thread.start()
    try:
        queue.put([span(READS)]).result(60)
        assert [row.key for row in readers.seen()] == [key()]
    finally:
        stop.set()
        thread.join()


def test_the_list_over_http(tmp_path: Any) -> None:
    database = SqliteDatabase(tmp_path / "store.sqlite")
    readers = SqlReaders(database)
    readers.note({key(): NOW_MS - 60_000, key(0, group="", type="Other"): NOW_MS - 86_400_000})
    routes = reader_routes(readers, time_seconds=lambda: NOW_MS / 1000)
    client = TestClient(build_app(routes, token=None, on_error=lambda part, error: None))
    everything = client.get("/api/v1/readers").json()
    assert [(row["type"], row["version"], row["group"]) for row in everything["readers"]] == [
        ("OrderPlaced", 2, "g"), ("Other", None, None),
    ]  # fmt: skip
    assert everything["readers"][0]["last_seen"] == "2030-03-17T17:45:40.000000Z"
    recent = client.get("/api/v1/readers", params={"since": "1h"}).json()
    assert ([row["type"] for row in recent["readers"]], recent["known"]) == (["OrderPlaced"], 2)
    assert (
        client.get("/api/v1/readers", params={"type": "Other"}).json()["readers"][0]["service"] == "billing"
    )
    for query in ({"since": "soon"}, {"type": "x" * 600}, {"tipe": "a"}):
        answer = client.get("/api/v1/readers", params=query)
        assert (answer.status_code, set(answer.json())) == (400, {"error"})
    database.close()
