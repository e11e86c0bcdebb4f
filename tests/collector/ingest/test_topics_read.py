"""What was read of each topic is counted exactly, whatever interrupts it, and said in one line where it is missed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail_collector.errors import FencedError
from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.events.topics import PartitionRead, TopicRead, advice, unseen
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.store.postgres.database import PostgresDatabase
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.trails.sql import TrailReads

FLOWS = parse_flows("mapping: {mapped*: {type: {field: $.kind}, id: {field: $.id}}}")
TOPICS = ("orders", "mapped", "mapped.dlq")
# Headers, value, and what the record lacks; in mapped topics the value may have it.
KINDS = {
    "whole": ([("ce_type", b"A"), ("ce_id", b"1"), ("ce_source", b"/s"), ("ce_subject", b"o"),
               ("ce_correlationid", b"f")], None),
    "typed": ([("ce_type", b"A")], b"{}"),
    "named": ([("ce_id", b"1")], b"{}"),
    "bare": (None, b"{}"),
    "mapped": ([], b'{"kind": "A", "id": "1"}'),
    "broken": ([("ce_id", b"")], b"[no JSON"),
    "empty": ([], None),
}  # fmt: skip
HAVE_TYPE = {"whole", "typed"}
HAVE_ID = {"whole", "named"}
FULL_IN_MAPPED = {"whole", "mapped"}

batches = st.lists(
    st.tuples(
        st.lists(
            st.tuples(
                st.sampled_from(TOPICS),
                st.integers(0, 1),
                st.sampled_from(sorted(KINDS)),
                st.integers(1, 9_000),
            ),
            max_size=12,
        ),
        st.sampled_from(["done", "fenced", "started anew"]),
        st.booleans(),
    ),
    max_size=6,
)


def expected(history):
    """Counted once more, by kind of record and topic, from what was committed."""
    places = {}
    for topic, partition, kind, at_ms in history:
        found = places.setdefault((topic, partition), [0, 0, 0, 0, 0, None])
        mapped = topic.startswith("mapped")
        has_type = kind in HAVE_TYPE or (mapped and kind == "mapped")
        has_id = kind in HAVE_ID or (mapped and kind == "mapped")
        found[0] += 1
        found[1] += 1
        found[2] += not has_type
        found[3] += not has_id
        found[4] += mapped and kind not in FULL_IN_MAPPED
        found[5] = at_ms if at_ms is not None else found[5]
    return {place: PartitionRead(place[1], *rest) for place, rest in places.items()}


def drive(make_database, steps):
    database = make_database()
    offsets, history = {}, []
    try:
        for drawn, end, timed in steps:
            records = [(*record[:3], record[3] if timed else None) for record in drawn]
            store = store_on(database)
            ingest = Ingest(store, FLOWS)
            begun, made = dict(offsets), []
            for topic, partition, kind, at_ms in records:
                offset = offsets.setdefault((topic, partition), 0)
                offsets[topic, partition] += 1
                headers, value = KINDS[kind]
                dead = topic.endswith(".dlq")
                made.append(
                    Incoming(topic, partition, offset, at_ms, b"k", headers, dead, value=lambda v=value: v)
                )
            wrong = 10**6 if end == "fenced" else 0
            advances = [
                Advance(
                    *place, begun[place] + wrong if place in begun else (wrong or None), offsets[place], 0
                )
                for place in dict.fromkeys(record[:2] for record in made)
            ]
            with pytest.raises(FencedError) if wrong and made else contextlib.nullcontext():
                ingest.apply(made, advances)
            if wrong and made:
                offsets = begun  # nothing happened: read again
            else:
                history += records
            if end == "started anew":
                database.close()
                database = make_database()
        reads = TrailReads(database, FLOWS).topics_read()
        found = {(read.topic, item.partition): item for read in reads for item in read.partitions}
        assert found == expected(history)
        for read in reads:
            own = [item for (topic, _), item in expected(history).items() if topic == read.topic]
            assert read.records == sum(item.records for item in own)
            assert read.last_offset == max(item.records for item in own) - 1
            assert read.last_ms == max((item.last_ms for item in own if item.last_ms), default=None)
    finally:
        database.close()


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches)
def test_counts_are_those_of_what_was_committed(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("read") / "store.sqlite"
    drive(lambda: SqliteDatabase(path), steps)


@pytest.mark.servers
def test_counts_on_postgres(postgres):
    whole = [
        (topic, partition, kind, 5) for topic in TOPICS for partition in (0, 1) for kind in sorted(KINDS)
    ]
    drive(
        lambda: PostgresDatabase(postgres),
        [(whole, end, timed) for end in ("done", "fenced", "started anew") for timed in (True, False)],
    )


def test_a_topic_made_anew_begins_anew(tmp_path):
    database = SqliteDatabase(tmp_path / "store.sqlite")
    store = store_on(database)
    store.remember_topic_ids({"orders": "1"})
    Ingest(store, FLOWS).apply([Incoming("orders", 0, 0, 1, None, None)], [Advance("orders", 0, None, 1, 0)])
    store.remember_topic_ids({"orders": "2"})
    assert TrailReads(database, FLOWS).topics_read() == []
    database.close()


def read(topic, records=10, **lacking):
    return TopicRead(topic, (PartitionRead(0, records, records, **lacking),))


def is_dead(topic):
    return topic.endswith(".dlq")


@pytest.mark.parametrize(
    ("reads", "line"),
    [
        ([], "no record has been read yet: --topics says which are, flowtrail doctor what answers"),
        (
            [read("a", 0)],
            "no record has been read yet: --topics says which are, flowtrail doctor what answers",
        ),
        ([read("a")], None),
        ([read("a", without_id=3)], None),
        ([read("a.dlq", without_type=3)], None),
        ([read("a", without_type=1)], "1 topic has records without a type: add a mapping for a"),
        (
            [read(name, without_type=1) for name in "dcba"],
            "4 topics have records without a type: add a mapping for a, b, c and 1 more",
        ),
        (
            [read("a", mapping_problems=1), read("b", without_type=2, mapping_problems=1)],
            "1 topic has records without a type: add a mapping for b;"
            " the mapping of 1 topic finds nothing usable in some records: a",
        ),
    ],
)
def test_why_nothing_is_known(reads, line):
    assert unseen(reads, is_dead) == line


@pytest.mark.parametrize("dead_letters", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("lacking", ["without_type", "without_id", "mapping_problems", None])
def test_there_is_something_to_do_exactly_where_something_lacks(lacking, mapped, dead_letters):
    item = read("a", **({lacking: 1} if lacking else {}))
    assert (advice(item, mapped=mapped, dead_letters=dead_letters) is None) == (lacking is None)
