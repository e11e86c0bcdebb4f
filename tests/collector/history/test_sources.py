"""What is sampled is what the slices say; what they don't know is left out."""

from __future__ import annotations

import pytest

from flowtrail_collector.dead_letters.model.cause import CauseRow
from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.history import sources
from flowtrail_collector.history.sources import (
    MESSAGES,
    SECONDS,
    STARTED,
    DeadLetterSource,
    EdgeSource,
    LagSource,
    OutcomeSource,
    StepSource,
    cause_of,
)
from flowtrail_collector.lag.model import GroupReading
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.topology.model import Edge, EdgeKey

NOW = 1_767_225_600.0


def reading(group, lag, seconds, read_at=NOW - 5):
    return GroupReading(group, "consumer", "Stable", read_at, sum_lag=lag, max_seconds=seconds)


def lag_of(*readings, at=NOW - 5, interval=15.0):
    view = LagView()
    if at is not None:
        view.publish(readings, at, ())
    return LagSource(view, interval).figures(NOW)


def test_lag_is_what_the_last_collection_says():
    found = lag_of(
        reading("a", 3, 1.5), reading("", 0, 0.0), reading("of a part nothing is known", None, None)
    )
    assert found.values == {("a", MESSAGES): 3, ("a", SECONDS): 1_500, ("", MESSAGES): 0, ("", SECONDS): 0}
    assert not found.whole


@pytest.mark.parametrize(
    ("at", "interval", "is_known"),
    [(None, 15, False), (NOW - 80, 15, True), (NOW - 100, 15, False), (NOW - 100, 60, True), (NOW - 200, 60, False),
     (NOW + 30, 15, True), (NOW + 3_600, 15, False)],
)  # fmt: skip
def test_lag_of_another_time_is_not_known(at, interval, is_known):
    assert (lag_of(reading("a", 3, 1.5), at=at, interval=interval) is not None) is is_known


def test_a_group_that_could_not_be_read_is_left_out():
    found = lag_of(
        reading("a", 3, 1.5, read_at=NOW - 500), reading("b", 4, None, read_at=NOW), reading("c", 1, 1, None)
    )
    assert found.values == {("b", MESSAGES): 4}


def test_beyond_a_bound_those_that_lag_most_are_kept(monkeypatch):
    monkeypatch.setattr(sources, "_MAX_GROUPS", 2)
    found = lag_of(*(reading(f"g{lag}", lag, 0.0) for lag in (None, 1, 9, 5)))
    assert {group for group, _ in found.values} == {"g9", "g5"}


class Counters:
    """A store's counters."""

    def __init__(self, counts):
        self.counts = counts

    def counters(self, prefix):
        return {key: value for key, value in self.counts.items() if key[0].startswith(prefix)}


COUNTERS = Counters(
    {
        ("saga_started", ("f",)): 7.0,
        ("saga_ended", ("f", "completed")): 5.0,
        ("saga_step_duration_seconds_bucket", ("f", "charge", "0.5")): 4.0,
        ("saga_step_duration_seconds_sum", ("f", "charge")): 1.25,
        ("saga_duration_seconds_bucket", ("f", "completed", "0.5")): 4.0,
    }
)
EDGES = {EdgeKey("a", "t", "b"): Edge(3, 0.5)}


def test_counters_are_the_stores():
    found = OutcomeSource(COUNTERS, lambda: True).figures(NOW)
    assert (found.values, found.whole) == ({("f", STARTED): 7, ("f", "completed"): 5}, True)
    found = StepSource(COUNTERS, lambda: True).figures(NOW)
    assert (found.values, found.whole) == ({("f", "charge", "0.5"): 4}, True)
    found = EdgeSource(lambda: EDGES, lambda: True).figures(NOW)
    assert (found.values, found.whole) == ({("a", "t", "b"): 3}, True)


def test_beyond_a_bound_nothing_is_said_of_the_smaller_ones(monkeypatch):
    monkeypatch.setattr(sources, "_MAX_COUNTERS", 1)
    found = OutcomeSource(COUNTERS, lambda: True).figures(NOW)
    assert (found.values, found.whole) == ({("f", STARTED): 7}, False)


def cause(number, *, fingerprint="f", letters=2):
    headers = DeadLetterHeaders(
        "own", "orders", group="billing", error_type="Timeout", error_message=f"no {number}"
    )
    letter = DeadLetter("dlq", 0, number, 1, "e", "OrderPlaced", None, None, "pending", *headers)
    return CauseRow(fingerprint, letters, 1, 1, 0, 0, letter)


class Letters:
    """Lists causes."""

    def __init__(self, *rows):
        self.rows = rows
        self.asked = None

    def list_causes(self, selection, now_ms, limit):
        self.asked = selection.state
        return list(self.rows[:limit])


def test_pending_dead_letters_by_cause():
    letters = Letters(
        cause(1, fingerprint="f1"), cause(2, fingerprint="f2", letters=9), cause(3, fingerprint=None)
    )
    found = DeadLetterSource(letters, lambda: True).figures(NOW)
    assert letters.asked == "pending"
    assert found.whole
    told = {cause_of(name)["cause"]: (value, cause_of(name)) for name, value in found.values.items()}
    assert {fingerprint: value for fingerprint, (value, _) in told.items()} == {"f1": 2, "f2": 9, None: 2}
    assert told["f1"][1] == {
        "cause": "f1", "group": "billing", "event_type": "OrderPlaced", "error_type": "Timeout", "message": "no *",
    }  # fmt: skip
    assert set(told[None][1].values()) == {None}


def test_of_one_cause_there_is_one_name_whichever_is_its_newest_dead_letter():
    names = {
        name
        for number in range(5)
        for name in DeadLetterSource(Letters(cause(number)), lambda: True).figures(NOW).values
    }
    assert len(names) == 1


def test_beyond_a_bound_of_causes_the_others_are_not_said_to_have_none():
    rows = [cause(number, fingerprint=str(number)) for number in range(150)]
    found = DeadLetterSource(Letters(*rows), lambda: True).figures(NOW)
    assert (len(found.values), found.whole) == (100, False)


@pytest.mark.parametrize("make", [
    lambda is_read: OutcomeSource(COUNTERS, is_read),
    lambda is_read: StepSource(COUNTERS, is_read),
    lambda is_read: EdgeSource(lambda: EDGES, is_read),
    lambda is_read: DeadLetterSource(Letters(cause(1)), is_read),
])  # fmt: skip
def test_while_nothing_is_read_nothing_is_known(make):
    assert make(lambda: False).figures(NOW) is None
    assert make(lambda: True).figures(NOW) is not None
