"""Troubles over time: nobody on call is told that one is younger than was said before, and none is forgotten at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.oncall.model import SPAN_MS, Change, Kind, Place
from flowtrail_collector.oncall.sql import SqlTroubles
from flowtrail_collector.oncall.troubles import LASTING, Trouble, Troubles

MINUTE = 60_000
EVERY = frozenset(Kind)
PLACE = Place("/lag", "flowtrail lag")


def change(kind: Kind, name: str, since_ms: int | None = None, **values) -> Change:
    return Change(kind, (name,), f"{name} is ill", PLACE, since_ms=since_ms, **values)


# Each look comes some time after the one before, and says of each trouble since when it is, or that nobody knows.
LOOKS = st.lists(
    st.tuples(
        st.integers(1, 20 * MINUTE),
        st.dictionaries(
            st.tuples(st.sampled_from(list(Kind)), st.sampled_from("ab")),
            st.none() | st.integers(0, 3 * SPAN_MS),
        ),
    ),
    max_size=12,
)


@given(LOOKS)
def test_the_age_of_a_trouble_never_goes_down_while_it_is_told(looks):
    troubles, now, before = Troubles(), 10 * SPAN_MS, {}
    for later, present in looks:
        now += later
        troubles.look(
            [change(kind, name, None if ago is None else now - ago) for (kind, name), ago in present.items()],
            EVERY,
            now,
        )
        told = {each.change.key: each for each in troubles.all()}
        assert {key for key, each in told.items() if each.ended_ms is None} == {
            (kind, (name,)) for kind, name in present
        }
        for key, each in told.items():
            was = before.get(key)
            goes_on = was is not None and (was.ended_ms is None or now - was.ended_ms <= 5 * MINUTE)
            if not goes_on:
                continue
            if was.change.since_ms is None:
                # It was so before anybody looked: at the latest it began when it was noticed.
                assert each.change.since_ms is None or each.change.since_ms <= was.noticed_ms
            else:
                assert each.change.since_ms is None or each.change.since_ms <= was.change.since_ms
            assert each.noticed_ms == was.noticed_ms
        before = told


@pytest.mark.parametrize("kind", list(Kind))
def test_what_ended_is_told_for_half_an_hour_and_what_was_counted_is_just_no_more(kind):
    troubles = Troubles()
    troubles.look([change(kind, "a", 0)], EVERY, MINUTE)
    for minute in range(2, 34):
        now = minute * MINUTE
        troubles.look([], EVERY, now)
        going, ended = troubles.shown(now)
        assert going == []
        is_told = kind in LASTING and now - 2 * MINUTE <= SPAN_MS
        assert [(each.key, each.since_ms, each.ended_ms) for each in ended] == (
            [((kind, ("a",)), 0, 2 * MINUTE)] if is_told else []
        )


@pytest.mark.parametrize("kind", sorted(LASTING))
def test_what_was_not_looked_for_has_not_ended(kind):
    troubles = Troubles([Trouble(change(kind, "a", 0), 0)])
    troubles.look([], EVERY - {kind}, MINUTE)
    ((found,), ended) = troubles.shown(MINUTE)
    assert (found.key, ended) == ((kind, ("a",)), [])


def test_what_comes_back_at_once_had_not_ended_and_what_comes_back_later_is_new():
    troubles = Troubles()
    troubles.look([change(Kind.GROUP, "a", 0)], EVERY, MINUTE)
    troubles.look([], EVERY, 2 * MINUTE)
    troubles.look([change(Kind.GROUP, "a", 5 * MINUTE)], EVERY, 6 * MINUTE)
    assert [(each.since_ms, each.ended_ms) for each in troubles.shown(6 * MINUTE)[0]] == [(0, None)]
    troubles.look([], EVERY, 7 * MINUTE)
    troubles.look([change(Kind.GROUP, "a", 19 * MINUTE)], EVERY, 20 * MINUTE)
    assert [(each.since_ms, each.ended_ms) for each in troubles.shown(20 * MINUTE)[0]] == [
        (19 * MINUTE, None)
    ]


def test_what_goes_on_for_long_is_counted_and_no_longer_listed():
    troubles = Troubles()
    for minute in (0, 20, 31, 60):
        troubles.look([change(Kind.GROUP, "a", 0)], EVERY, minute * MINUTE)
        going, _ = troubles.shown(minute * MINUTE)
        assert (len(going), troubles.lasting(minute * MINUTE)) == ((1, 0) if minute <= 30 else (0, 1))


def test_a_restart_forgets_nothing_and_a_long_absence_everything(sql_database):
    kept = SqlTroubles(sql_database)
    assert list(kept.troubles(0)) == []
    told = [
        Trouble(
            change(
                kind,
                f"{kind.value} \0'é",
                None if kind is Kind.LOST else 7,
                because=(Kind.BROKER, ("x", "y")),
            ),
            9,
        )
        for kind in Kind
    ]
    told = [
        each._replace(change=replace(each.change, next=Place("/p?a=1", "c d"), trail="t", touched=3))
        for each in told
    ]
    told.append(Trouble(change(Kind.GROUP, "over", 1, quiet=True), 2, 11))
    kept.keep(told, 12)
    assert sorted(map(repr, kept.troubles(12))) == sorted(map(repr, told))
    assert list(kept.troubles(13)) == []
    kept.keep(told[:1], 14)
    assert list(kept.troubles(0)) == told[:1]
