"""Samples on either database: written once a minute, all or nothing; thinned out they say the same; what is old goes."""

from __future__ import annotations

import random
import threading

import pytest

from flowtrail_collector.errors import FencedError
from flowtrail_collector.history.model.blocks import Block, Kind, bucketed
from flowtrail_collector.history.model.counting import Standing
from flowtrail_collector.history.model.windows import DAY, HOUR, MINUTE, QUARTER, WINDOWS
from flowtrail_collector.history.ports import Key
from flowtrail_collector.history.sampler import HistoryKeeper
from flowtrail_collector.history.sources import KINDS, LAG, MESSAGES, OUTCOMES
from flowtrail_collector.history.view import History
from trailkit.minutes import START, Minutes, lag, outcomes


def test_an_empty_store(samples, clock):
    assert samples.standing() is None
    assert samples.kept() == []
    assert samples.block(Key(LAG, MINUTE, START)) is None
    assert samples.read(LAG, 0, 2 * START) == []
    history = History(samples)
    for window in WINDOWS.values():
        stretch = window.until(clock.now + 10)
        lines = history.lag(stretch).messages(5), history.lag(stretch).seconds(5)
        assert [found.lines for found in lines] == [[], []]
        for read in (
            history.outcomes,
            history.edges,
            history.dead_letters,
        ):
            assert (read(stretch, 5).lines, read(stretch, 5).left_out) == ([], 0)
        assert history.durations(stretch, 5).lines == []


def test_a_sample_a_minute(minutes):
    assert minutes.after(lag(a=5), outcomes(f=100))
    assert minutes.after(lag(a=7, b=1), outcomes(f=103))
    assert minutes.after(lag(b=0), outcomes(f=103, g=2))
    assert minutes.values(LAG, ("a", MESSAGES), 3) == [5, 7, None]
    assert minutes.values(LAG, ("b", MESSAGES), 3) == [None, 1, 0]
    # What was counted before the first sample was counted at some time.
    assert minutes.values(OUTCOMES, ("f", "completed"), 3) == [None, 3, 0]
    assert minutes.values(OUTCOMES, ("g", "completed"), 3) == [None, 0, 2]


def test_a_second_sample_of_a_minute_changes_nothing(minutes):
    minutes.after(lag(a=5), outcomes(f=1))
    minutes.after(lag(a=6), outcomes(f=2))
    assert not minutes.after(lag(a=99), outcomes(f=99), minutes=0)
    minutes.restart()
    assert not minutes.after(lag(a=99), outcomes(f=99), minutes=0)
    assert minutes.values(LAG, ("a", MESSAGES), 2) == [5, 6]
    assert minutes.values(OUTCOMES, ("f", "completed"), 2) == [None, 1]


def test_a_restart_between_two_minutes_loses_nothing(minutes):
    for count in range(5):
        minutes.restart()
        minutes.after(lag(a=count), outcomes(f=count * 10))
    assert minutes.values(LAG, ("a", MESSAGES), 5) == [0, 1, 2, 3, 4]
    assert minutes.values(OUTCOMES, ("f", "completed"), 5) == [None, 10, 10, 10, 10]


def test_the_minute_of_a_start_counts_from_the_start_on(samples, minutes, clock):
    clock.now += MINUTE + 20
    minutes.outcomes.told = outcomes(f=100)
    minutes.restart()
    clock.now -= 20
    minutes.after(lag(a=1), outcomes(f=130, g=2))
    assert minutes.values(OUTCOMES, ("f", "completed"), 2) == [None, 30]
    assert minutes.values(LAG, ("a", MESSAGES), 2) == [None, 1]
    found = History(samples).outcomes(WINDOWS["1h"].until(clock.now + 10), 5).lines
    assert {line.name[0]: line.values[-1] for line in found} == {"f": 45, "g": 3}  # in 40 seconds


def test_a_start_after_a_gap_says_nothing_of_the_gap(minutes, clock):
    minutes.after(lag(a=1), outcomes(f=1))
    minutes.after(lag(a=1), outcomes(f=2))
    clock.now += 3 * MINUTE + 30
    minutes.lag.told, minutes.outcomes.told = lag(a=9), outcomes(f=50)
    minutes.restart()
    clock.now -= 30
    minutes.after(lag(a=9), outcomes(f=57))
    assert minutes.values(LAG, ("a", MESSAGES), 6) == [1, 1, None, None, None, 9]
    assert minutes.values(OUTCOMES, ("f", "completed"), 6) == [None, 1, None, None, None, 7]


def test_a_part_that_runs_begins_with_how_counters_stand(samples, minutes):
    minutes.outcomes.told = outcomes(f=7)
    stop = threading.Event()
    stop.set()
    minutes.clock.now += 90
    minutes.sampler.run(stop)
    standing = samples.standing()
    assert standing.slot == (START + 90) // MINUTE - 1
    assert standing.at_ms == (START + 90) * 1000
    assert standing.counts[OUTCOMES] == {("f", "completed"): 7}


def test_minutes_without_a_collector_are_gaps(minutes):
    minutes.after(lag(a=1), outcomes(f=1))
    minutes.after(lag(a=1), outcomes(f=2))
    minutes.after(lag(a=1), outcomes(f=50), minutes=4)
    minutes.after(lag(a=1), outcomes(f=51))
    assert minutes.values(LAG, ("a", MESSAGES), 7) == [1, 1, None, None, None, 1, 1]
    assert minutes.values(OUTCOMES, ("f", "completed"), 7) == [None, 1, None, None, None, None, 1]


def test_figures_that_are_not_known_are_gaps(minutes):
    minutes.after(lag(a=1), outcomes(f=1))
    minutes.after(None, outcomes(f=2))
    minutes.after(lag(a=1), None)
    minutes.after(lag(a=1), outcomes(f=9))
    minutes.after(lag(a=1), outcomes(f=10))
    assert minutes.values(LAG, ("a", MESSAGES), 5) == [1, None, 1, 1, 1]
    assert minutes.values(OUTCOMES, ("f", "completed"), 5) == [None, 1, None, None, 1]


def test_a_counter_that_goes_back_is_a_gap_and_never_negative(minutes):
    for f, g in ((5, 5), (8, 6), (2, 7), (3, 9)):
        minutes.after(lag(), outcomes(f=f, g=g))
    minutes.after(lag(), outcomes(g=9))
    minutes.after(lag(), outcomes(g=10))
    assert minutes.values(OUTCOMES, ("f", "completed"), 6) == [None, 3, None, 1, None, 0]
    assert minutes.values(OUTCOMES, ("g", "completed"), 6) == [None, 1, 1, 2, 0, 1]


@pytest.mark.parametrize("back", [1, 2, 59, 61, 24 * 60 + 10, 60 * 24 * 400])
def test_a_clock_that_goes_back_changes_nothing_that_was_written(minutes, back):
    for count in range(4):
        minutes.after(lag(a=count), outcomes(f=count))
    then = minutes.clock.now
    minutes.after(lag(a=70), outcomes(f=70), minutes=-back)
    minutes.after(lag(a=80), outcomes(f=77))
    minutes.clock.now, here = then, minutes.clock.now
    assert minutes.values(LAG, ("a", MESSAGES), 4) == [0, 1, 2, 3]
    assert minutes.values(OUTCOMES, ("f", "completed"), 4) == [None, 1, 1, 1]
    minutes.clock.now = here
    written = 2 if here < then - 4 * MINUTE else 0
    if written:
        assert minutes.values(LAG, ("a", MESSAGES), 2) == [70, 80]
        assert minutes.values(OUTCOMES, ("f", "completed"), 2) == [None, 7]
    minutes.clock.now = then
    minutes.after(lag(a=4), outcomes(f=90), minutes=2)
    minutes.after(lag(a=5), outcomes(f=91))
    assert minutes.values(LAG, ("a", MESSAGES), 2) == [4, 5]
    assert minutes.values(OUTCOMES, ("f", "completed"), 2)[1] == 1


def test_two_samplers_write_each_minute_once(samples, clock):
    """The lease moved on, and the worker that had it doesn't know yet."""
    workers = [Minutes(samples, clock) for _ in range(2)]
    dice = random.Random(5)
    for count in range(12):
        clock.now += MINUTE
        for worker in dice.sample(workers, dice.randint(1, 2)):
            worker.after(lag(a=count), outcomes(f=count * 2), minutes=0)
    assert workers[0].values(LAG, ("a", MESSAGES), 12) == list(range(12))
    assert workers[1].values(OUTCOMES, ("f", "completed"), 12) == [None, *[2] * 11]


def test_a_sample_follows_the_one_it_says_or_is_not_written(samples, minutes):
    minutes.after(lag(a=1), outcomes(f=1))
    standing = samples.standing()
    block = Block.empty(START, MINUTE, 60)
    block.note(0, {("a", MESSAGES): 99}, 60_000, whole=False)
    for before in (None, Standing(standing.slot - 1, standing.at_ms)):
        with pytest.raises(FencedError):
            samples.sampled(standing, before, {LAG: (Kind.GAUGE, block)})
    assert samples.standing() == standing
    assert minutes.values(LAG, ("a", MESSAGES), 1) == [1]


def hours(samples, clock, count):
    """Many hours of samples, some of which are missing; what they were."""
    dice = random.Random(count)
    minutes, total = Minutes(samples, clock), 0
    for _ in range(count * 60):
        total += dice.randint(0, 9)
        known = dice.random()
        minutes.after(
            lag(a=dice.randint(0, 99)) if known > 0.1 else None,
            outcomes(f=total) if known > 0.05 else None,
            minutes=1 if dice.random() < 0.98 else dice.randint(2, 40),
        )
    return minutes


def everything(samples, start, count):
    found = {}
    for of, name in ((LAG, ("a", MESSAGES)), (OUTCOMES, ("f", "completed"))):
        blocks = samples.read(of, start, start + count * QUARTER)
        block = bucketed(blocks, KINDS[of], [name], start=start, step=QUARTER, count=count)
        found[of] = (block.covered, block.columns[name])
    return found


@pytest.mark.slow(5)
def test_what_was_thinned_out_says_the_same(samples, clock):
    hours(samples, clock, 6)
    slots = int(clock.now - START) // QUARTER + 1
    before = everything(samples, START, slots)
    assert sum(value is not None for value in before[LAG][1]) > 20
    keeper = HistoryKeeper(samples, KINDS, time_seconds=clock)
    assert keeper.forget(threading.Event()) == 0
    clock.now += DAY - 3 * HOUR
    assert keeper.forget(threading.Event()) > 0
    assert {key.step for key in samples.kept()} == {MINUTE, QUARTER}
    assert everything(samples, START, slots) == before
    clock.now += 2 * DAY
    keeper.forget(threading.Event())
    assert {key.step for key in samples.kept()} == {QUARTER}
    assert everything(samples, START, slots) == before
    # An hour that was thinned out takes no more samples: they would count beside its quarters.
    minutes = Minutes(samples, clock)
    minutes.after(lag(a=1_000), outcomes(f=1), minutes=START // MINUTE + 100 - clock.now // MINUTE)
    assert everything(samples, START, slots) == before


def test_what_is_old_goes_and_what_a_wrong_clock_left_ahead(samples, minutes, clock):
    for ahead in (0, 3 * DAY, 9 * DAY):
        minutes.restart()
        clock.now = START + ahead
        minutes.after(lag(a=1), outcomes(f=1))
    clock.now = START + 4 * DAY
    keeper = HistoryKeeper(samples, KINDS, time_seconds=clock)
    keeper.forget(threading.Event())
    assert sorted(key.start for key in samples.kept() if key.of == LAG) == [START, START + 3 * DAY]
    clock.now = START + 9 * DAY + MINUTE
    keeper.forget(threading.Event())
    assert [key.start for key in samples.kept() if key.of == LAG] == [START + 3 * DAY]
