"""Samples in slots: packed and thinned out they say the same, and nothing that isn't known ever gets a value."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail_collector.history.model.axis import time_ticks, value_scale
from flowtrail_collector.history.model.blocks import Block, Kind, bucketed, put, thinned
from flowtrail_collector.history.model.counting import Standing, added
from flowtrail_collector.history.model.packing import LARGEST, Packed, pack
from flowtrail_collector.history.model.ranking import Ranking
from flowtrail_collector.history.model.windows import DAY, HOUR, MINUTE, QUARTER, WINDOWS, Stretch
from flowtrail_collector.quantiles import at_most

NAMES = [("a",), ("b", "é\ud800\x00"), ("", "c")]
START = 1_767_225_600  # midnight
KINDS = st.sampled_from(Kind)


@st.composite
def hours(draw, start=START, kinds=KINDS):
    """An hour of samples, of all, some or none of the names; in some minutes nothing is known."""
    kind, chance = draw(kinds), draw(st.randoms(use_true_random=False))
    most, missing = draw(st.integers(1, 10**6)), draw(st.sampled_from([0.0, 0.1, 0.6, 1.0]))
    block = Block.empty(start, MINUTE, 60)
    for place in range(60):
        if chance.random() >= missing:
            least = 0 if kind is Kind.COUNTER else -most
            found = {name: chance.randint(least, most) for name in NAMES if chance.random() < 0.6}
            block.note(place, found, chance.randint(1, 120_000), whole=chance.random() < 0.7)
    return kind, block


def meant(block, kind, name, start, end):
    """What a name's value is between two moments: as written, and as slow as can be."""
    values = []
    for place, covered in enumerate(block.covered):
        if covered and start <= block.start + place * block.step < end:
            column = block.columns.get(name) or [None] * len(block.covered)
            values.append(0 if column[place] is None and block.whole[place] else column[place])
    if kind is Kind.COUNTER:
        return sum(values) if values and None not in values else None
    return max((value for value in values if value is not None), default=None)


@pytest.mark.slow
@given(hours())
def test_a_packed_block_says_the_same(drawn):
    kind, block = drawn
    packed = Packed(pack(block, kind))
    assert (packed.start, packed.step) == (block.start, block.step)
    assert (list(packed.covered), list(packed.whole)) == (block.covered, block.whole)
    assert Block.of(packed).columns == block.columns
    assert packed.column(("nobody",)) is None
    assert packed.size(("nobody",)) is None
    for name, size in packed.sizes:
        assert size == packed.size(name)
        known = [value for value in block.columns[name] if value is not None]
        assert size == (max(known) if kind is Kind.GAUGE else sum(known))


@given(st.lists(st.none() | st.integers(-(2**70), 2**70), min_size=1, max_size=60), st.sampled_from(Kind))
def test_values_of_any_size_are_packed(values, kind):
    block = Block(START, MINUTE, [1] * len(values), [0] * len(values), {("a",): values})
    expected = [None if value is None else max(-LARGEST, min(value, LARGEST)) for value in values]
    assert Packed(pack(block, kind)).column(("a",)) == expected


@pytest.mark.slow
@given(hours(), st.sampled_from([MINUTE, 5 * MINUTE, QUARTER, HOUR, DAY]), st.booleans())
def test_wider_slots_say_what_their_minutes_do(drawn, step, is_packed):
    kind, block = drawn
    slots, count = Packed(pack(block, kind)) if is_packed else block, -(-HOUR // step)
    found = bucketed([slots], kind, NAMES, start=START, step=step, count=count)
    for place in range(count):
        begin = START + place * step
        for name in NAMES:
            assert found.columns[name][place] == meant(block, kind, name, begin, begin + step)
        minutes = block.covered[place * step // MINUTE : (place + 1) * step // MINUTE]
        assert found.covered[place] == sum(minutes)


@pytest.mark.slow
@given(hours(), st.sampled_from([QUARTER, HOUR]))
def test_an_hour_that_was_thinned_out_and_kept_with_its_day_says_the_same(drawn, step):
    kind, block = drawn
    day = Block.empty(START, QUARTER, 96)
    other = Block.empty(START + HOUR, MINUTE, 60)
    other.note(7, {("a",): 3}, 60_000, whole=True)
    put(day, thinned(Block.of(Packed(pack(block, kind))), kind, QUARTER))
    put(day, thinned(other, kind, QUARTER))
    day = Packed(pack(day, kind))
    count = 2 * HOUR // step
    before = bucketed([block, other], kind, NAMES, start=START, step=step, count=count)
    after = bucketed([day], kind, NAMES, start=START, step=step, count=count)
    assert (after.covered, after.columns) == (before.covered, before.columns)


def test_nothing_outside_of_the_slots_counts():
    block = Block.empty(START, MINUTE, 60)
    block.note(9, {("a",): 5}, 60_000, whole=True)
    block.note(40, {("a",): 7}, 60_000, whole=True)
    found = bucketed([block], Kind.GAUGE, [("a",)], start=START + 10 * MINUTE, step=5 * MINUTE, count=5)
    assert found.columns["a",] == [None] * 5


@pytest.mark.slow
@given(hours(), st.integers(0, 60), st.integers(0, 60))
def test_whether_anything_is_known_is_seen_without_reading(drawn, first, end):
    kind, block = drawn
    packed = Packed(pack(block, kind))
    for name in [*NAMES, ("nobody",)]:
        known = [value for value in (block.columns.get(name) or [])[first:end] if value is not None]
        assert packed.is_known(name, first, end) is bool(known)


@st.composite
def some_hours(draw):
    """Up to three hours of samples of one kind, and a stretch that may begin and end within them."""
    kind = draw(KINDS)
    blocks = [draw(hours(START + at * HOUR, st.just(kind)))[1] for at in range(draw(st.integers(1, 3)))]
    step = draw(st.sampled_from([MINUTE, QUARTER, HOUR]))
    first, last = sorted(draw(st.lists(st.integers(-1, 4 * HOUR // step), min_size=2, max_size=2)))
    return kind, blocks, Stretch(START + first * step, step, last - first + 1)


@pytest.mark.slow
@settings(max_examples=40)
@given(some_hours(), st.integers(0, 3))
def test_no_name_that_is_left_out_gets_further_than_one_that_is_shown(drawn, most):
    kind, blocks, stretch = drawn
    values = {name: [] for name in NAMES}
    for block in blocks:
        for name, column in block.columns.items():
            for place, value in enumerate(column):
                if stretch.start <= block.start + place * MINUTE < stretch.end and value is not None:
                    values[name].append(value)
    reach = {
        name: max(found) if kind is Kind.GAUGE else sum(found) for name, found in values.items() if found
    }
    ranking = Ranking([Packed(pack(block, kind)) for block in blocks], kind, stretch)
    shown, others = ranking.largest(most)
    assert len(shown) == min(most, len(reach))
    assert len(shown) + others == len(reach)
    assert [reach[name] for name in shown] == sorted(reach.values(), reverse=True)[:most]
    assert ranking.sizes.keys() == reach.keys()
    assert all(ranking.sizes[name] >= reach[name] for name in reach)
    assert ranking.largest(most, lambda name: name == NAMES[0])[0] == [NAMES[0]][: most * (NAMES[0] in reach)]


# --- counters

COUNTS = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 50), max_size=3)


@given(COUNTS, COUNTS, st.integers(-3, 3), st.integers(-200_000, 400_000), st.booleans(), st.booleans())
def test_what_was_added_is_never_negative_and_never_made_up(old, new, slots, ms, was_cut, is_cut):
    before = Standing(100, 10**9, {"x": old}, frozenset("x" if was_cut else ""))
    now = Standing(100 + slots, 10**9 + ms, {"x": new}, frozenset("x" if is_cut else ""))
    found = added("x", before, now)
    if slots != 1 or not 0 < ms <= 180_000:
        assert (found.covered_ms, found.values) == (0, {})
        return
    assert found.covered_ms == ms
    for name in NAMES:
        told = found.values.get(name, 0 if found.whole else None)
        if name in new and (name in old or not was_cut):
            difference = new[name] - old.get(name, 0)
            assert told == (difference if difference >= 0 else None)
        elif name not in old and not was_cut and not is_cut:
            assert told in (0, None)
        else:
            assert told is None


def test_nothing_is_known_after_a_start_or_of_what_could_not_be_read():
    now = Standing(5, 300_000, {"x": {("a",): 5}})
    assert added("x", None, now).covered_ms == 0
    assert added("x", Standing(4, 240_000), now).covered_ms == 0
    assert added("y", Standing(4, 240_000, {"y": {}}), now).covered_ms == 0


# --- percentiles

BOUNDS = (0.1, 1.0, 10.0)


@given(st.lists(st.floats(0, 20) | st.sampled_from(BOUNDS), max_size=60), st.integers(1, 100))
def test_what_a_percentage_took_at_most_is_true_and_nothing_narrower_is_certain(durations, percent):
    counts = [
        sum(low < took <= high for took in durations) for low, high in pairwise((-1.0, *BOUNDS, math.inf))
    ]
    found = at_most([percent], BOUNDS, counts)
    if not durations:
        assert found is None
        return
    (bound,) = found
    assert bound in (*BOUNDS, math.inf)
    assert sum(took <= bound for took in durations) * 100 >= percent * len(durations)
    narrower = max((other for other in BOUNDS if other < bound), default=-1.0)
    assert sum(took <= narrower for took in durations) * 100 < percent * len(durations)


@given(st.lists(st.integers(0, 9), min_size=4, max_size=4))
def test_percentiles_are_in_order(counts):
    found = at_most([1, 50, 95, 99, 100], BOUNDS, counts)
    assert found is None if not any(counts) else found == sorted(found)


# --- axes

NOW = st.integers(0, 4 * 10**9)


@given(NOW, st.sampled_from(list(WINDOWS.values())))
def test_a_window_ends_with_the_present(now, window):
    stretch = window.until(now)
    assert stretch.start % stretch.step == 0
    assert stretch.end - stretch.start == window.seconds
    assert now - 2 * MINUTE < stretch.end <= now + window.step


@given(NOW, st.sampled_from(list(WINDOWS.values())))
def test_ticks_stand_at_round_times(now, window):
    stretch = window.until(now)
    ticks = time_ticks(stretch)
    assert 3 <= len(ticks) <= 8
    times = [stretch.start + tick.place * (stretch.end - stretch.start) for tick in ticks]
    assert {round(time) % (5 * MINUTE) for time in times} == {0}
    assert len({round(later - time) for time, later in pairwise(times)}) == 1
    assert all(0 <= tick.place <= 1 for tick in ticks)


def test_a_days_ticks():
    ticks = time_ticks(Stretch(START - 12 * HOUR, QUARTER, DAY // QUARTER))
    assert [tick.label for tick in ticks] == ["12:00", "18:00", "1 Jan", "06:00", "12:00"]


@given(st.floats(0, 1e15), st.booleans(), st.booleans())
def test_a_scale_holds_its_values_and_little_more(highest, seconds, whole):
    scale = value_scale(highest, seconds=seconds, whole=whole)
    assert scale.top >= highest * (1 - 1e-6)
    assert 2 <= len(scale.lines) <= 5
    assert scale.lines[0] == 0
    assert scale.lines[-1] == pytest.approx(scale.top)
    if whole:
        assert all(line == int(line) for line in scale.lines)
    if highest >= (3 if whole else 1e-9):
        assert scale.top <= highest * 3


@pytest.mark.parametrize(
    ("highest", "settings", "lines"),
    [
        (0, {}, (0, 1)),
        (1, {"whole": True}, (0, 1)),
        (2, {"whole": True}, (0, 1, 2)),
        (120, {}, (0, 50, 100, 150)),
        (7200, {"seconds": True}, (0, 3600, 7200)),
        (0.25, {"seconds": True}, (0, 0.1, 0.2, 0.3)),
        (90, {"seconds": True}, (0, 30, 60, 90)),
    ],
)
def test_known_scales(highest, settings, lines):
    assert value_scale(highest, **settings).lines == pytest.approx(lines)
