"""Spans of one trace are packed together, whenever they come, and whatever an earlier version kept is taken over."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from flowtrail_collector.spans.model import Resource, Span, SpanKind, SpanStatus
from flowtrail_collector.spans.ports import ServiceCall, TraceQuery
from flowtrail_collector.spans.sql.forgetting import traces_with
from flowtrail_collector.spans.sql.packs import trace_id_of
from flowtrail_collector.spans.sql.search import SqlSpanSearch
from flowtrail_collector.spans.sql.store import SqlSpans

START_NS = 1_700_000_000_000_000_000
SERVICES = [Resource(name, {"service.name": name}) for name in ("orders", "billing", "shipping")]


def some_spans(number: int, seed: int = 1, seconds: int = 3_000) -> list[Span]:
    """Spans of a few traces in which services call each other, over more than one pack's time."""
    chance = random.Random(seed)
    found = []
    for place in range(number):
        trace = chance.randrange(number // 8 + 1) + 1
        start_ns = START_NS + chance.randrange(seconds * 10**9)
        parent = f"{chance.randrange(number) + 1:016x}" if chance.random() < 0.7 else None
        found.append(
            Span(f"{trace:032x}", f"{place + 1:016x}", parent, chance.choice(SERVICES), f"name {place % 7}",
                 chance.choice(list(SpanKind)), start_ns, start_ns + chance.randrange(10**9),
                 SpanStatus.OK, attributes={"messaging.message.id": f"m{place}",
                                            "messaging.message.conversation_id": f"flow-{trace}"})
        )  # fmt: skip
    return found


def in_portions(store: SqlSpans, spans: Sequence[Span], seed: int = 2) -> int:
    """Give spans to a store in any order and portions, some of them twice; how many it calls new."""
    chance, new = random.Random(seed), 0
    left = [*spans, *chance.sample(spans, len(spans) // 4)]
    chance.shuffle(left)
    while left:
        size = chance.randint(1, 40)
        new += store.add([replace(span) for span in left[:size]])
        left = left[size:]
    return new


def by_time(spans: Sequence[Span]) -> list[Span]:
    return sorted(spans, key=lambda span: (span.start_ns, span.span_id))


@pytest.fixture
def store(sql_database: Any) -> SqlSpans:
    return SqlSpans(sql_database)


def test_whatever_the_portions_every_span_is_kept_once(store: SqlSpans) -> None:
    spans = some_spans(300)
    assert in_portions(store, spans) == 300
    traces = sorted({span.trace_id for span in spans})
    assert store.spans(traces) == by_time(spans)
    assert store.count(traces) == 300
    for limit in (1, 17, 299):
        assert store.spans(traces, limit) == by_time(spans)[:limit]
    for number in (0, 150, 299):
        assert store.trace_ids(f"m{number}") == [spans[number].trace_id]


def test_traces_with_the_same_lower_half_are_told_apart(sql_database: Any, store: SqlSpans) -> None:
    spans = [
        replace(
            span,
            trace_id=f"{upper:016x}{span.trace_id[16:]}",
            attributes={**span.attributes, "messaging.message.conversation_id": f"{upper}-{span.trace_id}"},
        )
        for upper in (0, 1, 2**63)
        for span in some_spans(40)
    ]
    in_portions(store, spans)
    for flow in {str(span.attributes["messaging.message.conversation_id"]) for span in spans}:
        upper, _, lower = flow.partition("-")
        assert set(store.trace_ids(flow)) == {f"{int(upper):016x}{lower[16:]}"}
        with sql_database.read() as connection:
            assert {trace_id_of(*key) for key in traces_with(connection, [flow])} == set(
                store.trace_ids(flow)
            )
    # What all of them have leads to all of them.
    assert {trace[:16] for trace in store.trace_ids("m1")} == {f"{upper:016x}" for upper in (0, 1, 2**63)}


def test_a_search_finds_what_looking_at_each_span_finds(sql_database: Any, store: SqlSpans) -> None:
    spans = some_spans(300)
    in_portions(store, spans)
    search = SqlSpanSearch(sql_database)
    chance = random.Random(3)
    for _ in range(20):
        first, last = sorted(START_NS + chance.randrange(3_000 * 10**9) for _ in range(2))
        name = chance.choice([None, "name 3"])
        query = TraceQuery(
            "billing", operation=name, start_ns=first, end_ns=last, limit=chance.choice([3, 1_000])
        )
        fitting = [
            span
            for span in by_time(spans)[::-1]
            if span.service == "billing" and first <= span.start_ns <= last and name in (None, span.name)
        ]
        assert search.find(query) == list(dict.fromkeys(span.trace_id for span in fitting))[: query.limit]


@pytest.mark.slow
def test_calls_are_those_between_the_spans(sql_database: Any, store: SqlSpans) -> None:
    spans = some_spans(300)
    in_portions(store, spans)
    services = {(span.trace_id, span.span_id): span.service for span in spans}
    counted: dict[tuple[str, str], int] = {}
    for span in spans:
        caller = services.get((span.trace_id, span.parent_span_id or ""))
        if caller and caller != span.service:
            counted[caller, span.service] = counted.get((caller, span.service), 0) + 1
    expected = [ServiceCall(*pair, number) for pair, number in sorted(counted.items())]
    assert expected
    assert SqlSpanSearch(sql_database).calls(0, 2**63 - 1) == expected


def test_nothing_leads_to_what_was_forgotten(sql_database: Any, store: SqlSpans) -> None:
    spans = some_spans(200)
    in_portions(store, spans)
    while store.prune(older_than_seconds=1e9, keep_at_most=60, limit=30):
        pass
    left = store.spans(sorted({span.trace_id for span in spans}))
    assert 0 < len(left) <= 60
    left_ids = {span.attributes["messaging.message.id"] for span in left}
    for number in range(200):
        assert bool(store.trace_ids(f"m{number}")) is (f"m{number}" in left_ids)
    for span in left:
        assert store.trace_ids(str(span.attributes["messaging.message.conversation_id"])) == [span.trace_id]
    store.prune(older_than_seconds=-10, keep_at_most=60)
    with sql_database.read() as connection:
        assert [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("span_packs", "span_keys")] == [0, 0]  # fmt: skip


def test_what_an_earlier_version_kept_is_taken_over(sql_database: Any) -> None:
    spans = some_spans(120)
    new = SqlSpans(sql_database)
    new.add(
        [replace(spans[0], resource=resource) for resource in SERVICES]
    )  # so that the resources are there
    new.prune(older_than_seconds=-10, keep_at_most=10)
    with sql_database.transaction() as connection:
        ids = dict(connection.execute("SELECT service, id FROM span_resources").fetchall())
        for number, span in enumerate(spans, 1):
            row = (
                number, bytes.fromhex(span.trace_id), bytes.fromhex(span.span_id),
                bytes.fromhex(span.parent_span_id) if span.parent_span_id else None, ids[span.service],
                span.name, int(span.kind), span.start_ns, span.end_ns, int(span.status), 1_700_000_000,
                json.dumps({"a": span.attributes}),
            )  # fmt: skip
            columns = "id, trace_id, span_id, parent_id, resource_id, name, kind, start_ns, end_ns, status, received_s, detail"
            connection.execute(f"INSERT INTO spans ({columns}) VALUES ({','.join('?' * 12)})", row)
    store = SqlSpans(sql_database)
    later = [replace(span, trace_id="e" * 32) for span in some_spans(10, seed=9)]
    store.add([*later, spans[5]])  # sent again meanwhile
    while store.take_over(50):
        pass
    traces = sorted({span.trace_id for span in spans})
    assert store.spans(traces) == by_time(spans)
    assert store.spans(["e" * 32]) == by_time(later)
    assert store.trace_ids("m100") == [spans[100].trace_id]
    assert store.prune(older_than_seconds=1e6, keep_at_most=10**6) == 119
