"""What one sender does never hides the spans of another, however many names, processes or equal ids it has."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from flowtrail_collector.spans.model import Resource, Span, SpanKind
from flowtrail_collector.spans.ports import TraceQuery
from flowtrail_collector.spans.sql.search import SqlSpanSearch
from flowtrail_collector.spans.sql.store import SqlSpans

START = (time.time_ns() // 10**9 - 60) * 10**9


def span_of(number, service="orders", name="op", **changes):
    resource = changes.pop("resource", None) or Resource(service)
    span = Span(f"{number + 1:032x}", f"{number + 1:016x}", None, resource, name, SpanKind.SERVER,
                START + number, START + number + 5)  # fmt: skip
    return replace(span, **changes)


@pytest.fixture
def store(sql_database):
    return SqlSpans(sql_database)


@pytest.fixture
def search(sql_database):
    return SqlSpanSearch(sql_database)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [100, 4_000, 12_000])
def test_a_service_with_ids_in_its_names_leaves_room_for_the_others_operations(store, search, batch):
    chatty = [span_of(n, "chatty", f"GET /users/{n}") for n in range(12_000)]
    for start in range(0, len(chatty), batch):
        store.add(chatty[start : start + batch])
    store.add([span_of(12_000, "shop", "charge")])
    store.add([span_of(12_001, "chatty", "late"), span_of(12_002, "till", "count")])
    assert [item.name for item in search.operations("shop")] == ["charge"]
    assert [item.name for item in search.operations("till")] == ["count"]
    assert 500 <= len(search.operations("chatty")) < 12_000


def test_the_limit_of_names_holds_over_restarts(sql_database, search):
    for turn in range(3):
        store = SqlSpans(sql_database)
        store.add([span_of(turn * 900 + n, "chatty", f"GET /{turn}/{n}") for n in range(900)])
    assert len(search.operations("chatty")) <= 1_000


@pytest.mark.parametrize("short_lived", [10, 250, 600])
def test_many_short_lived_processes_leave_the_long_lived_one_found(store, search, short_lived):
    old = Resource("jobs", {"service.instance.id": "old"})
    store.add([span_of(0, resource=old)])
    store.add([
        span_of(n + 1, resource=Resource("jobs", {"service.instance.id": f"{n}"})) for n in range(short_lived)
    ])  # fmt: skip
    latest = span_of(10_000, resource=old)
    store.add([latest])
    assert search.find(TraceQuery("jobs", limit=1)) == [latest.trace_id]
    assert len(search.find(TraceQuery("jobs", limit=1_500))) >= min(short_lived, 200)


@pytest.mark.parametrize("length", [1, 511, 512, 513, 4_096])
def test_an_id_finds_its_trace_however_long_it_is(store, length):
    text = "é" * length
    store.add([span_of(1, attributes={"messaging.message.id": text})])
    assert store.trace_ids(text) == [span_of(1).trace_id]


def test_other_spans_with_the_same_ids_are_kept_and_what_is_sent_again_is_not(store):
    first = span_of(1)
    second = replace(first, name="another", end_ns=first.end_ns + 1)
    assert store.add([first, second, first]) == 2
    assert store.add([second, first]) == 0
    assert sorted(item.name for item in store.spans([first.trace_id])) == ["another", "op"]
