"""Stored events count for flows that come later: each once, whatever was counted, whenever it is ended and begun again."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest
from click.testing import CliRunner

from flowtrail_collector.cli._app import cli as command
from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.folding import Fold
from flowtrail_collector.sagas.model.followed import Followed
from sagakit import NOW_MS, Happening, core

OTHER = "flows: {other: {starts: Unheard, completes: Of}}"
ORDERS = """\
flows:
  orders:
    starts: Placed
    steps:
      pay: {done: Paid, within: 10s}
      ship: {done: Shipped, within: 10s}
    completes: Shipped
    cancels: Cancelled
"""
PAID_ONLY = "flows: {orders: {starts: Placed, steps: {pay: {done: Paid, within: 10s}}, completes: Closed}}"


def story(seed, flows=40):
    """Orders in disorder, some events twice, one thrown-in retry copy's worth of strangers."""
    chance, happened = random.Random(seed), []
    for number in range(flows):
        kinds = ["Placed", "Paid", "Shipped"][: chance.randint(1, 3)] + ["Cancelled"] * (
            chance.random() < 0.2
        )
        own = [Happening(kind, 1_000 * place, flow=f"f{number}") for place, kind in enumerate(kinds, 1)]
        happened += own + own[: chance.randint(0, 1)]
    chance.shuffle(happened)
    return happened


def follow(made):
    """What a collector notes at its start."""
    made.store.follow({flow.name: flow.followed for flow in made.flows.by_name.values()})


def fold(made, since_ms=0, is_copy=lambda topic: False):
    return Fold(made.store, made.flows, is_copy=is_copy, time_seconds=lambda: NOW_MS / 1000).run(since_ms)


def counted(made):
    made.pass_time(60_000)
    return made.counters(), made.kinds()


def read_with(folder, file, parts, until_ms=20_000):
    with core(folder, file) as made:
        follow(made)
        for part in parts:
            made.read(part, until_ms=until_ms)


@pytest.mark.parametrize("before", [OTHER, PAID_ONLY])
@pytest.mark.parametrize("seed", range(4))
def test_what_was_read_before_counts_as_if_it_had_been_followed(tmp_path, before, seed):
    """Half is read under a file without the flow, or without some of its types; then the rest under the new one."""
    happened = story(seed)
    half = len(happened) // 2
    with core(tmp_path, ORDERS, name="straight.sqlite") as made:
        follow(made)
        made.read(happened)
        expected = counted(made)
    read_with(tmp_path, before, [happened[:half]], until_ms=0)
    with core(tmp_path, ORDERS) as made:
        follow(made)
        made.read(happened[half:], until_ms=0)
        assert fold(made).flows == {"orders"}
        assert fold(made).events == 0
        made.pass_time(60_000)
        assert _without_order(counted(made)) == _without_order(expected)


def _without_order(found):
    """Which of two events was read first can't show any more."""
    counters, kinds = found
    return {key: value for key, value in counters.items() if key[0] not in ("out_of_order_events",)}, kinds


class Ended(Exception):
    """The process is gone."""


@pytest.mark.parametrize("ends", [[0], [1], [0, 1, 0, 2], [3, 3]])
def test_ended_on_the_way_it_goes_on_from_there(tmp_path, monkeypatch, ends):
    monkeypatch.setattr("flowtrail_collector.sagas.folding._PER_TRANSACTION", 20)
    happened = story(7)
    with core(tmp_path, ORDERS, name="straight.sqlite") as made:
        follow(made)
        made.read(happened)
        expected = counted(made)
    read_with(tmp_path, OTHER, [happened])
    for portions in ends:
        with core(tmp_path, ORDERS) as made:
            follow(made)
            left = iter(range(portions))
            asked = made.store.events

            def events(*arguments, left=left, asked=asked):
                if next(left, None) is None:
                    raise Ended
                return asked(*arguments)

            monkeypatch.setattr(made.store, "events", events)
            with pytest.raises(Ended):
                fold(made)
    with core(tmp_path, ORDERS) as made:
        fold(made)
        made.pass_time(20_000)
        assert _without_order(counted(made)) == _without_order(expected)


def test_what_was_followed_and_forgotten_is_not_counted_again(tmp_path):
    """Ended instances go after a while; their events may stay longer."""
    read_with(
        tmp_path, ORDERS, [[Happening(kind, 1_000, flow="f") for kind in ("Placed", "Paid", "Shipped")]]
    )
    with core(tmp_path, ORDERS) as made:
        made.pass_time(60_000)
        with made.database.transaction() as connection:
            connection.execute("DELETE FROM sagas")
        assert fold(made).events == 0
        assert made.counters()["started", "orders"] == 1


def test_ended_instances_stay_as_they_are(tmp_path):
    read_with(
        tmp_path, PAID_ONLY, [[Happening(kind, 1_000) for kind in ("Placed", "Paid", "Shipped", "Closed")]]
    )
    with core(tmp_path, PAID_ONLY) as made:
        made.pass_time(60_000)
        assert made.ended() == {"completed": 1}
    with core(tmp_path, ORDERS) as made:
        follow(made)
        assert (fold(made).left, fold(made).left) == (1, 0)
        assert counted(made)[0]["ended", "orders", "completed"] == 1


def test_a_flow_that_left_the_file_and_came_back_has_a_gap_that_is_folded(tmp_path):
    days = [[Happening(kind, 1_000, flow=f"f{day}") for kind in ("Placed", "Paid")] for day in range(3)]
    for file, day in zip((ORDERS, OTHER, ORDERS), days, strict=True):
        read_with(tmp_path, file, [day], until_ms=0)
    with core(tmp_path, ORDERS) as made:
        assert (fold(made).begun, fold(made).begun) == (1, 0)
        assert made.counters()["started", "orders"] == 3


def test_only_events_since_a_moment_and_the_rest_later(tmp_path):
    read_with(tmp_path, OTHER, [[Happening("Placed", 1_000, flow="a"), Happening("Placed", 9_000, flow="b")]])
    with core(tmp_path, ORDERS) as made:
        follow(made)
        assert [fold(made, since).begun for since in (5_000, 5_000, 0, 0)] == [1, 0, 1, 0]


def test_copies_that_wait_to_be_tried_again_are_no_events(tmp_path):
    read_with(tmp_path, OTHER, [[Happening("Placed", 1_000)]])
    with core(tmp_path, ORDERS) as made:
        follow(made)
        assert fold(made, is_copy=lambda topic: topic == "orders").events == 0


def test_instances_by_another_id_and_events_without_it(tmp_path):
    read_with(
        tmp_path, OTHER, [[Happening("Placed", 1_000), Happening("Placed", 1_000, "other", subject=None)]]
    )
    with core(tmp_path, ORDERS + "    correlate: subject\n") as made:
        follow(made)
        folded = fold(made)
        assert (folded.begun, folded.without_id) == (1, 1)


def test_a_store_of_the_version_before_was_followed_from_its_beginning(tmp_path):
    with core(tmp_path, ORDERS) as made:
        made.read([Happening("Placed", 1_000)])
        made.pass_time(2_000)
    with core(tmp_path, ORDERS) as made:
        follow(made)
        assert fold(made).events == 0


@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        ([], True),
        ([(1, None)], False),
        ([(1, 20)], False),
        ([(1, 10), (10, 20)], False),
        ([(5, 20), (1, 5)], False),
        ([(1, 10), (11, 20)], True),
        ([(2, 20)], True),
        ([(1, 19)], True),
        ([(1, 10), (8, None)], False),
    ],
)
def test_ranges_of_rows(rows, missing):
    followed = Followed({("f", "A"): rows})
    assert followed.missing([("f", "A")], 1, 20) == ({("f", "A")} if missing else set())
    has = [followed.has("f", "A", row) for row in range(1, 20)]
    assert all(has) is not missing


def keyed(made, happened):
    """Events whose headers don't say which flow they belong to; the record's key does."""
    headers = [[pair for pair in item.headers if pair[0] != "ce_correlationid"] for item in happened]
    records = [
        Incoming("shop", 0, place, item.at_ms, item.flow.encode(), headers[place])
        for place, item in enumerate(happened)
    ]
    made.ingest.apply(records, [Advance("shop", 0, None, len(records), 0)])


@pytest.mark.parametrize(
    ("correlation", "begun", "unmapped"),
    [
        ("{from: key}", 1, {}),
        ("[{header: order}, {from: key}]", 1, {}),
        ("{field: $.order}", 2, {"shop": 2}),
        ("{header: order}", 2, {"shop": 2}),
    ],
)
def test_a_mapping_that_came_later(tmp_path, correlation, begun, unmapped):
    """Where topic and key tell, events find together; else each stays a flow of its own, and that is said."""
    with core(tmp_path, OTHER) as made:
        follow(made)
        keyed(made, [Happening("Placed", 1_000), Happening("Paid", 2_000)])
    with core(tmp_path, f"{ORDERS}mapping: {{shop: {{correlation: {correlation}}}}}\n") as made:
        follow(made)
        folded = fold(made)
        assert (folded.events, folded.begun, dict(folded.unmapped)) == (2, begun, unmapped)
        assert fold(made).events == 0


def test_headers_win_over_a_mapping_that_came_later(tmp_path):
    read_with(tmp_path, OTHER, [[Happening("Placed", 1_000, flow="a"), Happening("Paid", 1_000, flow="a")]])
    with core(tmp_path, f"{ORDERS}mapping: {{orders: {{correlation: {{from: topic}}}}}}\n") as made:
        follow(made)
        assert fold(made).begun == 1
        with made.database.read() as connection:
            assert connection.execute("SELECT key FROM sagas").fetchall() == [("a",)]


def run(*arguments):
    return CliRunner().invoke(command, ["flows", *map(str, arguments)], standalone_mode=False)


def test_the_command_says_what_it_did_and_what_it_could_not(tmp_path):
    file, store = tmp_path / "flows.yaml", tmp_path / "store.sqlite"
    file.write_text(ORDERS)
    read_with(tmp_path, OTHER, [[Happening("Placed", NOW_MS), Happening("Paid", NOW_MS)]])
    first = run("apply", file, "--store", store)
    assert first.output.startswith(
        "2 events added to 1 instance, 1 of them new: orders\nevents are stored since"
    )
    again = json.loads(run("apply", file, "--store", store, "--json").stdout)
    assert (again["events"], again["flows"]) == (0, [])


def test_the_command_makes_no_store_and_takes_none_from_a_collector(tmp_path):
    from flowtrail_collector.store.open import open_store

    file, store = tmp_path / "flows.yaml", tmp_path / "store.sqlite"
    file.write_text(ORDERS)
    assert "there is no such file" in str(run("apply", file, "--store", store).exception)
    assert not store.exists()
    opened = open_store(store)
    try:
        assert "stop that one" in str(run("apply", file, "--store", store).exception)
    finally:
        opened.database.close()


def test_numbers_of_rows_go_on_though_every_event_is_old(tmp_path):
    """Else a row's number would name another event, one that was never counted."""
    from flowtrail_collector.store.pruner import SqlPruner

    read_with(
        tmp_path, ORDERS, [[Happening("Placed", 1_000, flow="a"), Happening("Placed", 1_000, flow="b")]]
    )
    with core(tmp_path, ORDERS) as made:
        with made.database.transaction() as connection:
            connection.execute("UPDATE edge_position SET event_row = 100")
        newest = made.database.newest_event_row()
        SqlPruner(made.database).prune_events(10**15, 5_000)
        made.read([Happening("Placed", 2_000, flow="c")])
        assert made.database.newest_event_row() == newest + 1
        assert parse_flows(ORDERS).types >= {"Placed"}
        assert fold(made).events == 0


def test_counters_are_those_of_the_distinct_events(tmp_path):
    happened = story(3)
    read_with(tmp_path, OTHER, [happened])
    with core(tmp_path, ORDERS) as made:
        follow(made)
        folded = fold(made)
        known = Counter((item.flow, item.type) for item in happened)
        assert folded.events == len(known)
        assert made.counters().get(("duplicate_events", "orders"), 0) == known.total() - len(known)
