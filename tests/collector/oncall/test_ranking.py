"""In which order somebody on call hears of changes, and that none of them is lost on the way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.oncall.model import MOST, Change, Kind, Place, folded, ranked

BLINDING = (Kind.BROKER, Kind.COLLECTOR)
PLACE = Place("/lag", "flowtrail lag")
NAMES = st.tuples(st.sampled_from("abc"))
CHANGES = st.builds(
    Change,
    st.sampled_from(list(Kind)),
    NAMES,
    st.just("text"),
    st.just(PLACE),
    st.integers(0, 4),
    st.sampled_from(["orders", "messages"]),
    st.none() | st.integers(0, 4),
    st.none() | st.sampled_from("xy"),
)
MANY = st.lists(CHANGES, max_size=20, unique_by=lambda change: change.key)


@given(MANY, st.integers(0, 25), st.randoms())
def test_the_order_doesnt_depend_on_the_order_they_come_in(changes, most, dice):
    mixed = list(changes)
    dice.shuffle(mixed)
    assert ranked(mixed, most) == ranked(changes, most)


@given(MANY, st.integers(0, 25))
def test_it_is_bounded_and_nothing_worse_is_left_out(changes, most):
    shown = ranked(changes, most)
    assert len(shown) == min(most, len(changes))
    assert len(ranked(changes)) <= MOST
    assert ranked(changes, len(changes))[:most] == shown
    left = [change for change in changes if change not in shown]
    for worse in left:
        assert all(
            change.kind in BLINDING or (worse.kind not in BLINDING and change.touched >= worse.touched)
            for change in shown
        )


@given(MANY, CHANGES)
def test_one_more_change_leaves_the_order_of_the_others_as_it_was(changes, more):
    before = ranked(changes, 99)
    after = ranked([*changes, more], 99)
    after.remove(more)
    assert after == before


@given(MANY)
def test_by_orders_touched_then_the_newest_then_what_has_no_beginning(changes):
    shown = [change for change in ranked(changes, 99) if change.kind not in BLINDING]
    for first, second in pairwise(shown):
        assert first.touched >= second.touched
        if first.touched == second.touched and second.since_ms is not None:
            assert first.since_ms is not None
            assert first.since_ms >= second.since_ms


@given(MANY)
def test_what_blinds_the_collector_comes_first(changes):
    kinds = [change.kind in BLINDING for change in ranked(changes, 99)]
    assert kinds == sorted(kinds, reverse=True)


@st.composite
def some_that_follow(draw):
    """Changes, some of which follow from another one, which may be missing."""
    changes = draw(MANY)
    keys = [change.key for change in changes if change.kind in (Kind.GROUP, Kind.DEAD_LETTERS)]
    for change in changes:
        because = None
        if change.kind is Kind.STUCK:
            because = draw(st.none() | st.sampled_from([*keys, (Kind.GROUP, ("nobody",))]))
        yielded = Change(
            change.kind, change.name, change.text, change.next, change.touched, change.of, change.since_ms,
            change.trail, because,
        )  # fmt: skip
        changes[changes.index(change)] = yielded
    return changes


@given(some_that_follow(), st.randoms())
def test_what_follows_from_another_change_is_part_of_it(changes, dice):
    mixed = list(changes)
    dice.shuffle(mixed)
    shown = {change.key: change for change in folded(changes)}
    assert {change.key: change for change in folded(mixed)} == shown
    causes = {change.key for change in changes if change.because is None}
    for change in changes:
        if change.because in causes:
            assert change.key not in shown
            cause = shown[change.because]
            assert cause.touched >= change.touched or cause.of != change.of
            assert cause.trail or not change.trail
        else:
            assert change.key in shown


@pytest.mark.parametrize("kind", list(Kind))
def test_alike_in_all_else_the_kind_decides(kind):
    others = [Change(other, ("a",), "text", PLACE) for other in reversed(Kind)]
    assert [change.kind for change in ranked(others)].index(kind) == list(Kind).index(kind)
