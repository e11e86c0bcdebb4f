"""Where a dead letter goes, and what is left of its headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.dead_letters.model.conventions import CONVENTIONS
from flowtrail_collector.dead_letters.model.headers import read_headers
from flowtrail_collector.dead_letters.model.letter import DeadLetter, Selection
from flowtrail_collector.dead_letters.model.redrive import (
    Action,
    Refusal,
    Route,
    is_topic_name,
    quarantine_topic,
    replays_of,
    returned_headers,
    route,
)
from flowtrail_collector.dead_letters.model.survey import Group, survey
from redrivekit.conventions import FIXTURES

KNOWN = {"orders": 3, "elsewhere": 1, "__consumer_offsets": 50, "orders.dlq": 1}
LETTER = DeadLetter("orders.dlq", 0, 5, convention="flowtrail", source_topic="orders", source_partition=2)


def go(letter=LETTER, *, to=None, limit=3, replays=None):
    return route(letter, to=to, replay_limit=limit, known=KNOWN, replays=replays)


def changed(**values):
    return DeadLetter(**{"topic": "orders.dlq", "partition": 0, "offset": 5, "convention": "flowtrail",
                     "source_topic": "orders", "source_partition": 2, **values})  # fmt: skip


def test_back_to_its_partition():
    assert go() == Route(Action.REDRIVEN, "orders", 2, 1)


def test_elsewhere_its_key_says_which_partition():
    assert go(to="elsewhere") == Route(Action.REDRIVEN, "elsewhere", None, 1)


def test_quarantine_once_the_limit_is_reached():
    assert go(changed(replays=2)) == Route(Action.REDRIVEN, "orders", 2, 3)
    assert go(changed(replays=3)) == Route(Action.QUARANTINED, "orders.quarantine", None, 3)
    assert go(limit=0) == Route(Action.QUARANTINED, "orders.quarantine", None, 0)


def test_what_is_known_better_than_from_the_stored_headers_counts():
    assert go(changed(replays=0), replays=3).action is Action.QUARANTINED


def test_out_of_quarantine_only_below_the_limit():
    quarantined = changed(state="quarantined", replays=3)
    assert go(quarantined) is Refusal.LIMIT
    assert go(quarantined, limit=4) == Route(Action.REDRIVEN, "orders", 2, 4)


@pytest.mark.parametrize(
    ("letter", "refusal"),
    [
        (changed(convention="unknown", source_topic=None), Refusal.UNKNOWN_CONVENTION),
        (changed(source_topic=None), Refusal.NO_SOURCE),
        (changed(source_topic="orders.dlq"), Refusal.SAME_TOPIC),
        (changed(source_topic="deleted"), Refusal.NO_SUCH_TOPIC),
        # headers are written by whoever can write to the topic
        (changed(source_topic="__consumer_offsets"), Refusal.BAD_NAME),
        (changed(source_topic=".."), Refusal.BAD_NAME),
        (changed(source_topic="orders\n"), Refusal.BAD_NAME),
        (changed(source_topic="ord€rs"), Refusal.BAD_NAME),
        (changed(source_topic="x" * 250), Refusal.BAD_NAME),
    ],
)
def test_refused(letter, refusal):
    assert go(letter) is refusal
    assert go(letter, to="elsewhere").topic == "elsewhere"


@given(st.text(alphabet="ab.-_", min_size=1, max_size=249))
def test_the_quarantine_of_a_topic_can_exist(topic):
    name = quarantine_topic(topic)
    assert len(name) <= 249
    assert name.endswith(".quarantine")
    assert not is_topic_name(topic) or is_topic_name(name)


ORIGINAL = [
    ("ce_id", b"e1"),
    ("traceparent", b"00-x"),
    ("nothing", None),
    ("ce_id", b"twice"),
    ("NServiceBus.MessageId", b"m"),
]


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda convention: convention.name)
def test_the_original_headers_come_back_in_their_order_and_nothing_else(convention):
    added = [(name, b"1") for sources in convention.fields.values() for name, _ in sources]
    back = returned_headers([*ORIGINAL[:2], *added, *ORIGINAL[2:]], convention.name, 2)
    assert back == [*ORIGINAL, ("dlq.replays", b"2")]


@pytest.mark.parametrize("name", FIXTURES)
def test_what_each_project_wrote_goes_again(name):
    headers, read = FIXTURES[name]
    back = returned_headers([*ORIGINAL, *headers], read.convention, 1)
    # of SmallRye's, those of an earlier death come last
    earlier = headers[7:] if read.convention == "smallrye" else []
    kept = [header for header in headers if header[0].startswith("ce_")]
    assert back == [*ORIGINAL, *kept, *earlier, ("dlq.replays", b"1")]


def test_an_earlier_death_by_other_hands_is_kept():
    """Only the last death is undone: what stood there before belongs to the record."""
    headers = [("kafka_dlt-original-topic", b"a"), ("dlq.topic", b"orders"), ("dlq.replays", b"1")]
    assert returned_headers(headers, "flowtrail", 2) == [
        ("kafka_dlt-original-topic", b"a"),
        ("dlq.replays", b"2"),
    ]


@pytest.mark.parametrize(
    ("headers", "replays"),
    [
        ([], 0),
        ([("dlq.replays", b"2")], 2),
        ([("dlq.replays", b"1"), ("dlq.replays", b"2")], 2),
        ([("dlq.replays", None)], 0),
        ([("dlq.replays", b"-1")], 0),
        ([("dlq.replays", b"x")], 0),
        ([("dlq.replays", b"9" * 30)], 0),
        ([("dlq.replays", "٣".encode())], 0),
        ([("dlq.replays", b"999999999")], 1_000_000),
    ],
)
def test_replays(headers, replays):
    assert replays_of(headers) == replays


def test_every_convention_keeps_count():
    """Spring, Connect and the others copy what a redriven record brought along."""
    headers = [("dlq.replays", b"2"), ("kafka_dlt-original-topic", b"orders")]
    letter = read_headers(headers)
    assert (letter.convention, letter.replays) == ("spring-kafka", 2)


def test_a_survey_counts_what_would_happen():
    groups = [
        Group("orders.dlq", "flowtrail", "orders", "ValueError", 0, 1, 40),
        Group("orders.dlq", "flowtrail", "orders", "KeyError", 3, 0, 2),
        Group("orders.dlq", "unknown", None, None, 0, 4, 1),
    ]
    assert survey(groups, to=None, replay_limit=3, known=KNOWN) == {
        "total": 43,
        "unmeasured": 0,
        "by_error": [
            {"name": "ValueError", "count": 40},
            {"name": "KeyError", "count": 2},
            {"name": "?", "count": 1},
        ],
        "by_source_topic": [{"name": "orders", "count": 42}, {"name": "?", "count": 1}],
        "by_age": [
            {"name": "under 1 minute", "count": 2},
            {"name": "under 1 hour", "count": 40},
            {"name": "older", "count": 1},
        ],
        "by_target": [{"name": "orders", "count": 40}, {"name": "orders.quarantine", "count": 2}],
        "refused": [{"name": Refusal.UNKNOWN_CONVENTION.value, "count": 1}],
    }


def test_a_survey_stays_short_and_complete():
    groups = [Group("d", "flowtrail", "orders", f"Error{n}", 0, 0, n + 1) for n in range(100)]
    rows = survey(groups, to=None, replay_limit=3, known=KNOWN)["by_error"]
    assert len(rows) == 21
    assert sum(row["count"] for row in rows) == 5050
    assert rows[0] == {"name": "Error99", "count": 100}


def test_everything_is_asked_for_by_name():
    assert Selection().is_everything
    assert Selection(state="quarantined").is_everything
    assert not Selection(group="billing").is_everything
