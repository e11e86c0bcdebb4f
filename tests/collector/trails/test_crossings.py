"""What is told of an edge: which types and events went over it last, and what is certain of how long they took."""

from __future__ import annotations

import math
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.store.packs.learning import Learning
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.topology import sql_lately
from flowtrail_collector.topology.lately import KEPT, TypePair, newest
from flowtrail_collector.topology.model import LATENCY_BUCKETS_SECONDS, Edge, EdgeKey, Reaction
from flowtrail_collector.topology.rates import EdgeRates
from flowtrail_collector.topology.sql import SqlTopology
from flowtrail_collector.topology.view import TopologyView, merged, percentiles
from flowtrail_collector.topology.web import topology_routes
from storekit import EVENT

NOW_MS = 1_700_000_000_000
EDGE = EdgeKey("orders", "orders", "inventory")


@pytest.fixture
def database(sql_database):
    return sql_database


def write(database, number, at_ms, effect_type="StockReserved"):
    """An order, and what inventory made of it 40 ms later."""
    placed = EVENT._replace(
        topic="orders", offset=2 * number, event_id=f"placed-{number}", type="OrderPlaced", source="/orders",
        subject=f"order-{number}", causation_id=None, correlation_id=None, timestamp_ms=NOW_MS + at_ms,
    )  # fmt: skip
    reserved = placed._replace(
        topic="inventory", offset=2 * number + 1, event_id=f"reserved-{number}", type=effect_type, source="/inventory",
        causation_id=placed.event_id, timestamp_ms=NOW_MS + at_ms + 40,
    )  # fmt: skip
    with store_on(database).unit() as unit:
        unit.add_events([placed, reserved])


def learned(database):
    topology = SqlTopology(database, time_seconds=lambda: NOW_MS / 1000)
    while Learning(database, [topology]).learn():
        pass
    return topology


def test_the_last_events_of_an_edge_are_kept_with_their_types(database):
    for number in range(KEPT + 5):
        write(database, number, number * 1_000, "StockReservationFailed" if number % 2 else "StockReserved")
    topology = learned(database)
    crossings = topology.crossings([EDGE])
    assert [each.subject for each in crossings] == [f"order-{number}" for number in range(KEPT + 4, 4, -1)]
    assert crossings[0].event_id == f"reserved-{KEPT + 4}"
    assert crossings[0].latency_seconds == pytest.approx(0.04)
    assert crossings[0].at_ms == NOW_MS + (KEPT + 4) * 1_000 + 40
    types = topology.types()[EDGE]
    assert {pair: reading.events for pair, reading in types.items()} == {
        TypePair("OrderPlaced", "StockReserved"): 13, TypePair("OrderPlaced", "StockReservationFailed"): 12,
    }  # fmt: skip
    assert topology.edges()[EDGE].last_ms == crossings[0].at_ms
    assert topology.crossings([EdgeKey("a", "b", "c")]) == []


def test_made_up_types_cant_fill_the_store(database, monkeypatch):
    monkeypatch.setattr(sql_lately, "_MAX_TYPES", 3)
    for number in range(5):
        write(database, number, number, f"Type{number}")
    assert len(learned(database).types()[EDGE]) == 3
    write(database, 9, 9, "Type0")
    assert learned(database).types()[EDGE][TypePair("OrderPlaced", "Type0")].events == 2


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(8)), st.lists(st.integers(1, 4), max_size=5))
def test_in_whatever_portions_events_are_read_the_same_is_kept(tmp_path_factory, order, cuts):
    with closing(SqliteDatabase(tmp_path_factory.mktemp("c") / "s.sqlite")) as database:
        at = 0
        for cut in [*cuts, len(order)]:
            for number in order[at : at + cut]:
                write(database, number, number * 1_000)
            at += cut
            learned(database)
        topology = learned(database)
        assert [each.subject for each in topology.crossings([EDGE])] == [
            f"order-{n}" for n in range(7, -1, -1)
        ]
        assert topology.types()[EDGE] == {TypePair("OrderPlaced", "StockReserved"): (8, NOW_MS + 7_040)}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=40), st.integers(1, 6))
def test_the_newest_are_those_that_sorting_all_would_give(found, most):
    reactions = [
        Reaction("/a", "t", "/b", 1.0, at_ms=at, event_id=f"e{n}-{i}") for i, (at, n) in enumerate(found)
    ]
    kept = newest((), reactions, most)
    assert [each.at_ms for each in kept] == sorted((each.at_ms for each in reactions), reverse=True)[:most]
    assert newest(kept, reactions, most) == newest((), reactions, most) or len(kept) == most


LATENCIES = st.lists(st.floats(0, 10_000), min_size=1, max_size=60)


@given(LATENCIES)
def test_no_more_than_its_share_takes_longer_than_a_percentile_and_none_smaller_is_certain(latencies):
    edge = Edge()
    edge.add(latencies)
    found = percentiles(edge)
    assert found is not None
    for percent, bound in zip((50, 95, 99), found.values(), strict=True):
        within = sum(latency <= bound for latency in latencies)
        assert within * 100 >= percent * len(latencies)
        smaller = [each for each in LATENCY_BUCKETS_SECONDS if each < bound]
        if smaller:
            assert sum(latency <= smaller[-1] for latency in latencies) * 100 < percent * len(latencies)


@given(LATENCIES, LATENCIES)
def test_edges_told_as_one_have_the_percentiles_of_all_that_went_over_them(one, other):
    edges, whole = {EdgeKey("a", "t", "c"): Edge(), EdgeKey("b", "t", "c"): Edge()}, Edge()
    for edge, latencies in zip(edges.values(), (one, other), strict=True):
        edge.add(latencies)
        whole.add(latencies)
    view = merged(TopologyView(lambda: edges).edges())
    assert percentiles(view.edge) == percentiles(whole)
    assert view.edge.events == len(one) + len(other)


def test_a_rate_and_its_percentiles_are_those_of_the_last_minute():
    now, edge = [0.0], Edge()
    key = EdgeKey("a", "t", "b")
    rates = EdgeRates(
        lambda: {key: Edge(edge.events, edge.latency_seconds, list(edge.buckets))}, clock=lambda: now[0]
    )
    edge.add([500.0])
    rates.sample()
    assert rates.rates() == {}
    for _ in range(6):
        edge.add([0.02])
    now[0] = 60.0
    rates.sample()
    found = rates.rates()[key]
    assert found.per_second == pytest.approx(0.1)
    assert percentiles(found.lately) == {"p50": 0.025, "p95": 0.025, "p99": 0.025}
    [view] = TopologyView(lambda: {key: edge}, rates=rates.rates).edges()
    assert not view.is_at_rest
    now[0] = 120.0
    rates.sample()
    now[0] = 180.0
    rates.sample()
    [view] = TopologyView(lambda: {key: edge}, rates=rates.rates).edges()
    assert view.is_at_rest
    assert percentiles(view.lately) is None


def test_the_api_tells_what_the_map_draws(database):
    write(database, 1, 0)
    topology = learned(database)
    view = TopologyView(topology.edges, types=topology.types, crossings=topology.crossings)
    client = TestClient(Starlette(routes=topology_routes(view)))
    [edge] = client.get("/api/v1/topology").json()["edges"]
    assert edge == {
        "source": "orders", "topic": "orders", "target": "inventory", "events": 1,
        "types": [{"cause": "OrderPlaced", "effect": "StockReserved", "events": 1}],
        "last": "2023-11-14T22:13:20.040000Z", "mean_latency_seconds": 0.04,
        "latency_at_most_seconds": {"p50": 0.05, "p95": 0.05, "p99": 0.05}, "last_minute": None,
    }  # fmt: skip
    answer = client.get("/api/v1/topology/crossings?source=orders&target=inventory").json()
    assert [each["subject"] for each in answer["crossings"]] == ["order-1"]
    assert client.get("/api/v1/topology/crossings?source=nobody").json()["crossings"] == []


def test_beyond_the_last_bound_json_says_null():
    edge = Edge()
    edge.add([1e6])
    client = TestClient(Starlette(routes=topology_routes(TopologyView(lambda: {EDGE: edge}))))
    [told] = client.get("/api/v1/topology").json()["edges"]
    assert told["latency_at_most_seconds"] == {"p50": None, "p95": None, "p99": None}
    assert percentiles(edge) == dict.fromkeys(("p50", "p95", "p99"), math.inf)
