"""What the watch makes of readings: since when a group is ill that it has seen well."""

from __future__ import annotations

import pytest

from flowtrail_collector.conditions import Condition, Starting
from flowtrail_collector.lag.model import GroupReading, Status
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.lag.words import needs_attention
from flowtrail_collector.oncall.watch import Watch
from trailkit.fakes import FakeReads


def reading(status):
    return GroupReading("billing", "classic", "stable", 1.0, status=status)


@pytest.mark.parametrize("before", list(Status))
@pytest.mark.parametrize("after", [status for status in Status if needs_attention(status.name.lower())])
def test_a_group_is_ill_since_its_status_changed(before, after):
    view, now = LagView(), [100.0]
    watch = Watch(view, FakeReads(), dict, time_seconds=lambda: now[0])
    watch.look()
    for moment, status in ((110.0, before), (120.0, None), (130.0, after), (140.0, after), (150.0, None)):
        now[0] = moment
        view.publish([reading(status)], moment, ())
        watch.look()
    (group,) = watch.seen().groups
    # Before the first reading of it nobody knows how long it had been so.
    assert (group.name, group.state) == ("billing", after.name.lower())
    assert group.since_ms == (None if needs_attention(before.name.lower()) else 130_000)
    assert watch.seen().began_ms == 100_000


def test_a_part_that_is_about_to_begin_is_no_trouble_and_one_that_fails_is_told_at_once():
    now, parts = [100.0], {"lag": Condition.of(Starting("hasn't collected lag yet"))}
    watch = Watch(LagView(), FakeReads(), lambda: parts, time_seconds=lambda: now[0])
    watch.look()
    assert watch.seen().problems == []
    assert watch.seen().starting == parts
    now[0] += 1
    parts = {"lag": Condition.of("no Kafka broker answers at kafka:9092"), "tail": Condition.of(None)}
    watch.look_at_parts()
    (told,) = watch.seen().problems
    assert (told.name, told.state, told.since_ms) == ("lag", "no Kafka broker answers at kafka:9092", 101_000)
    assert watch.seen().starting == {}


def test_what_fails_at_the_first_look_is_told_by_it():
    watch = Watch(
        LagView(), FakeReads(), lambda: {"tail": Condition.of("no broker")}, time_seconds=lambda: 1.0
    )
    watch.look()
    assert [told.name for told in watch.seen().problems] == ["tail"]
