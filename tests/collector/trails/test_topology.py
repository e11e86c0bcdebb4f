"""Edges: counted once, in whatever order cause and effect are read, whatever interrupts it."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from itertools import accumulate, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.metrics.exposition import Exposition
from flowtrail_collector.store.packs.learning import Learning
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.topology.exemplars import EdgeExemplars
from flowtrail_collector.topology.metrics import TopologyMetrics
from flowtrail_collector.topology.model import (
    LATENCY_BUCKETS_SECONDS,
    Edge,
    EdgeKey,
    Reaction,
    alike,
    count_reactions,
    service_of,
)
from flowtrail_collector.topology.sql import SqlTopology
from storekit import EVENT
from storekit.events import stored_events

NOW_MS = 1_700_000_000_000


@pytest.fixture
def database(sql_database):
    return sql_database


@pytest.fixture
def topology(database):
    return SqlTopology(database, time_seconds=lambda: NOW_MS / 1000)


def write(database, *events, trace_id=None):
    """Events one by one, as if each had been read alone: in packs, their order is another one."""
    for number, (topic, event_id, source, cause, at_ms, *dead) in enumerate(events):
        event = EVENT._replace(
            topic=topic, offset=number, event_id=event_id, source=source, causation_id=cause, correlation_id=None,
            timestamp_ms=NOW_MS + at_ms, trace_id=trace_id, dead_letter=bool(dead),
        )  # fmt: skip
        with store_on(database).unit() as unit:
            unit.add_events([event])


def learn_some(database, topology):
    return Learning(database, [topology]).learn()


def learn(database, topology):
    while learn_some(database, topology):
        pass
    return {key: edge.events for key, edge in topology.edges().items()}


ORDERS = ("orders", "e1", "/orders", None, 0)
STOCK = ("inventory", "e2", "/inventory", "e1", 40)
PAID = ("payments", "e3", "https://shop.example/billing", "e2", 300)
EDGES = {EdgeKey("orders", "orders", "inventory"): 1, EdgeKey("inventory", "inventory", "billing"): 1}


def test_reactions_become_edges(database, topology):
    write(database, ORDERS, STOCK, PAID)
    assert learn(database, topology) == EDGES
    edge = topology.edges()[EdgeKey("orders", "orders", "inventory")]
    assert edge.latency_seconds == pytest.approx(0.04)
    assert edge.buckets[LATENCY_BUCKETS_SECONDS.index(0.05)] == 1


def test_a_cause_that_is_read_later_counts(database, topology):
    write(database, PAID, STOCK)
    assert learn(database, topology) == {EdgeKey("inventory", "inventory", "billing"): 1}
    write(database, ORDERS)
    learn_some(database, topology)
    assert learn(database, topology) == EDGES


def test_an_old_effect_doesnt_wait_for_ever(database):
    late = SqlTopology(database, time_seconds=lambda: NOW_MS / 1000 + 3600)
    write(database, STOCK)
    assert learn(database, late) == {}
    assert learn_some(database, late) == 0
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM edge_pending").fetchone() == (0,)


def read_until(database, after_ms):
    """Everything of a topic has been read until then."""
    with database.transaction() as connection:
        connection.execute("DELETE FROM positions")
        connection.execute(
            "INSERT INTO positions (topic, partition, next_offset, watermark_ms) VALUES ('orders', 0, 1, ?)",
            (NOW_MS + after_ms,),
        )


def test_in_history_an_effect_waits_until_its_cause_must_have_been_read(database):
    """A day old when it is read, from partitions that are read side by side."""
    late = SqlTopology(database, time_seconds=lambda: NOW_MS / 1000 + 86_400)
    read_until(database, -1_000)
    write(database, STOCK)
    assert learn(database, late) == {}
    read_until(database, 500_000)
    write(database, ORDERS)
    assert learn(database, late) == {EdgeKey("orders", "orders", "inventory"): 1}
    write(database, ("payments", "e9", "/billing", "nobody", 300))
    learn(database, late)
    assert pending(database) == 1
    read_until(database, 700_000)
    write(database, ("orders", "e10", "/orders", None, 0))
    learn(database, late)
    assert pending(database) == 0


def test_effects_beyond_those_held_in_memory_wait_as_well(database, topology, monkeypatch):
    monkeypatch.setattr("flowtrail_collector.topology.waiting._MOST_AT_HAND", 2)
    write(database, STOCK, *(("payments", f"n{n}", "/billing", "unknown", 0) for n in range(5)))
    learn(database, topology)
    assert pending(database) == 6
    write(database, ORDERS)
    assert learn(database, topology) == {EdgeKey("orders", "orders", "inventory"): 1}
    assert pending(database) == 5


def pending(database):
    with database.read() as connection:
        tables = ("edge_pending", "edge_aside")
        return sum(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)


def test_repeated_events_and_dead_letters_count_once(database, topology):
    write(database, ORDERS, STOCK, STOCK, ("inventory.billing.dlq", "e2", "/inventory", "e1", 90, True))
    assert learn(database, topology) == {EdgeKey("orders", "orders", "inventory"): 1}


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations([ORDERS, STOCK, PAID]), st.lists(st.integers(1, 3), max_size=2))
def test_any_order_in_any_portions_gives_the_same_edges(tmp_path_factory, order, cuts):
    database = SqliteDatabase(tmp_path_factory.mktemp("t") / "s.sqlite")
    try:
        at = 0
        for cut in [*cuts, 3]:
            write(database, *order[at : at + cut])
            at += cut
            # A new object each time: nothing is remembered outside the store.
            learn_some(database, SqlTopology(database, time_seconds=lambda: NOW_MS / 1000))
        assert learn(database, SqlTopology(database, time_seconds=lambda: NOW_MS / 1000)) == EDGES
    finally:
        database.close()


EVENTS = st.tuples(
    st.sampled_from(["orders", "stock", "stock.dlq"]),
    st.sampled_from("abcdef"),
    st.sampled_from(["/orders", "/stock", None]),
    st.sampled_from([None, *"abcdefg"]),
    st.integers(0, 1_000),
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EVENTS, max_size=24), st.integers(1, 5), st.lists(st.integers(1, 6), max_size=6))
def test_copies_and_causes_count_the_same_wherever_a_portion_ends(
    tmp_path_factory, monkeypatch, events, portion, cuts
):
    monkeypatch.setattr("flowtrail_collector.store.packs.learning._BATCH", portion)
    events = [(*event, True) if event[0].endswith(".dlq") else event for event in events]
    with closing(SqliteDatabase(tmp_path_factory.mktemp("t") / "s.sqlite")) as database:
        topology = SqlTopology(database, time_seconds=lambda: NOW_MS / 1000)
        at = 0
        for cut in [*cuts, len(events)]:
            write(database, *events[at : at + cut])
            at += cut
            learn_some(database, topology)
        learn(database, topology)
        assert learn(database, topology) == counted(events)


def counted(events):
    """By hand: the first of each id that is no dead letter counts, and so does the first of its cause."""
    first = {}
    for topic, identity, source, cause, at_ms, *dead in events:
        if not dead:
            first.setdefault(identity, (topic, source, cause, at_ms))
    found = Counter()
    for _, source, cause, _ in first.values():
        if cause in first:
            found[EdgeKey(service_of(first[cause][1]), first[cause][0], service_of(source))] += 1
    return found


def test_the_number_of_edges_is_bounded():
    edges: dict[EdgeKey, Edge] = {}
    count_reactions(edges, alike([Reaction(f"/s{n}", "t", "/x", 1) for n in range(10)]), max_edges=3)
    assert len(edges) == 4
    assert edges[EdgeKey("other", "other", "other")].events == 7


def test_clocks_that_disagree_make_no_negative_latency():
    edges: dict[EdgeKey, Edge] = {}
    count_reactions(edges, alike([Reaction("/a", "t", "/b", -5)]), max_edges=3)
    assert edges[EdgeKey("a", "t", "b")].latency_seconds == 0


EARLIER_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


def test_a_wait_of_minutes_is_told_from_one_of_an_hour():
    """A quantile between two bounds is a guess, so those around what people wait for stand close together."""
    bounds = LATENCY_BUCKETS_SECONDS
    assert all(
        after / before <= 3.01 for before, after in pairwise(bounds) if before >= 300 and after <= 3600
    )
    assert bounds[-1] == 3600


def test_a_store_of_before_there_were_all_bounds_goes_on(database, topology):
    write(database, ORDERS, STOCK)
    learn(database, topology)
    kept = [n + 1 for n in range(len(EARLIER_BOUNDS) + 1)]
    with database.transaction() as connection:
        connection.execute("UPDATE edges SET buckets = ?, events = ?", (json.dumps(kept), sum(kept)))
    again = SqlTopology(database, time_seconds=lambda: NOW_MS / 1000)
    [edge] = again.edges().values()
    up_to = dict(zip((*LATENCY_BUCKETS_SECONDS, "+Inf"), accumulate(edge.buckets), strict=True))
    assert [up_to[bound] for bound in (*EARLIER_BOUNDS, "+Inf")] == list(accumulate(kept))
    write(database, ("payments", "e9", "/inventory", "e1", 1_000_000))
    learn(database, again)
    [edge] = SqlTopology(database, time_seconds=lambda: NOW_MS / 1000).edges().values()
    assert edge.buckets[LATENCY_BUCKETS_SECONDS.index(1800.0)] == 1
    assert sum(edge.buckets) == sum(kept) + 1


def test_metrics():
    edge = Edge()
    edge.add([0.04])
    edge.add([1e9])
    events, latency = TopologyMetrics(lambda: {EdgeKey("a", "t", "b"): edge}).families()
    assert events.samples[0].value == 2
    buckets = {sample.labels["le"]: sample.value for sample in latency.samples if "le" in sample.labels}
    assert (buckets["0.025"], buckets["0.05"], buckets["+Inf"]) == (0, 1, 2)


@pytest.mark.parametrize(
    ("source", "service"),
    [
        ("/billing", "billing"),
        ("https://x/y/", "y"),
        ("billing", "billing"),
        ("", "unknown"),
        (None, "unknown"),
        ("/", "unknown"),
    ],
)
def test_services_of_sources(source, service):
    assert service_of(source) == service


def test_latencies_carry_a_trace_in_openmetrics(database):
    exemplars = EdgeExemplars()
    topology = SqlTopology(database, on_reactions=exemplars.reacted, time_seconds=lambda: NOW_MS / 1000)
    write(database, ORDERS)
    write(database, STOCK, trace_id="d" * 32)
    write(database, PAID)
    learn(database, topology)
    page = Exposition(
        [TopologyMetrics(topology.edges, exemplar_of=exemplars.of)], on_error=lambda part, error: None
    ).page(openmetrics=True)
    (line,) = [line for line in b"".join(page.chunks()).decode().splitlines() if "trace_id" in line]
    assert line.startswith("flowtrail_edge_latency_seconds_bucket{")
    assert 'le="0.05"' in line
    assert 'target="inventory"' in line
    assert f'# {{trace_id="{"d" * 32}"}} 0.04 ' in line


@pytest.mark.parametrize("ahead", [1_000, 9_000_000])
def test_who_is_behind_finds_causes_and_copies_before_its_place(database, topology, ahead):
    write(database, ORDERS, STOCK)
    learn(database, topology)
    write(database, STOCK, PAID)
    with database.transaction() as connection:  # much more has been read meanwhile
        connection.execute(
            "INSERT INTO event_packs SELECT first_row + ?, events, newest_ms, body FROM event_packs"
            " ORDER BY first_row LIMIT 1",
            (ahead,),
        )
    assert learn(database, topology) == EDGES


def test_a_place_within_a_pack_is_gone_on_from(database, topology):
    """As a store has it that the version before wrote: there, places were those of events."""
    with store_on(database).unit() as unit:
        unit.add_events(
            EVENT._replace(
                topic=topic, event_id=event_id, source=source, causation_id=cause, correlation_id=event_id,
                timestamp_ms=NOW_MS + at_ms,
            )
            for topic, event_id, source, cause, at_ms in (ORDERS, STOCK, STOCK, PAID)
        )  # fmt: skip
    first, *_ = stored_events(database)
    with database.transaction() as connection:
        connection.execute("UPDATE edge_position SET event_row = ?", (first,))
    assert learn(database, topology) == EDGES
