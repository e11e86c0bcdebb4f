"""What charts are made of, out of samples."""

from __future__ import annotations

import math
import threading

import pytest

from flowtrail_collector.history.model.windows import DAY, HOUR, MINUTE, SPARK, WINDOWS
from flowtrail_collector.history.ports import Figures
from flowtrail_collector.history.sampler import HistoryKeeper, Sampler
from flowtrail_collector.history.sources import KINDS, MESSAGES, SECONDS, STEPS
from flowtrail_collector.history.view import History
from trailkit.minutes import lag, outcomes
from trailkit.past import Told


def test_lag_and_seconds_of_groups(samples, minutes, clock):
    for value in (3, 9, None, 4):
        figures = {("a", MESSAGES): 1, ("a", SECONDS): 1_500, ("b", MESSAGES): 50}
        if value is not None:
            figures["a", MESSAGES] = value
        minutes.after(
            Figures(figures if value is not None else {("b", MESSAGES): 2}, whole=False), outcomes()
        )
    history, stretch = History(samples), WINDOWS["1h"].until(clock.now + 10)
    lag_of = history.lag(stretch)
    found = lag_of.messages(1)
    assert (found.lines[0].name, found.lines[0].values[-4:]) == (("b",), [50, 50, 2, 50])
    assert found.left_out == 1
    assert lag_of.messages(5, ["a"]).lines[0].values[-5:] == [None, 3, 9, None, 4]
    assert lag_of.seconds(5).lines[0].values[-4:] == [1.5, 1.5, None, 1.5]
    assert lag_of.messages(5, ["nobody"]).lines == []
    spark = history.lag(SPARK.until(clock.now + 10)).messages(5, ["a"]).lines[0].values
    assert spark[-1] == 9


@pytest.mark.parametrize("window", WINDOWS.values())
def test_what_a_clock_that_was_ahead_made_wide_says_nothing_of_narrow_slots(samples, minutes, clock, window):
    for count in range(90):
        minutes.after(lag(a=5), outcomes(f=count))
    keeper = HistoryKeeper(samples, KINDS, time_seconds=lambda: clock.now + DAY)
    assert keeper.forget(threading.Event())
    history, stretch = History(samples), window.until(clock.now + 10)
    (line,) = history.lag(stretch).messages(5).lines
    assert {value for value in line.values if value is not None} == {5}
    known = sum(value is not None for value in line.values)
    # The hour that is over is known by its quarters alone; the other half of an hour by its minutes.
    assert known * stretch.step == {"1h": 1, "6h": 1, "24h": 3, "7d": 4}[window.name] * HOUR // 2
    assert history.outcomes(stretch, 5).lines[0].values[-1] is not None


def test_rates_are_those_of_the_time_that_is_known(samples, minutes, clock):
    clock.now += 4  # seconds past the minute
    minutes.after(lag(), outcomes(f=0))
    minutes.after(lag(), outcomes(f=30))
    clock.now += 30
    minutes.after(lag(), outcomes(f=60))
    clock.now -= 30
    minutes.after(lag(), outcomes(f=90))
    minutes.after(lag(), outcomes(f=90), minutes=3)
    found = History(samples).outcomes(WINDOWS["1h"].until(clock.now + 10), 5)
    rates = [None if value is None else round(value, 6) for value in found.lines[0].values[-7:]]
    assert rates == [None, 30, 20, 60, None, None, None]
    by_hours = History(samples).outcomes(WINDOWS["7d"].until(clock.now + 10), 5)
    assert by_hours.lines[0].values[-1] == pytest.approx(90 / 3)


def test_percentiles_of_steps(samples, clock):
    steps = Told(STEPS)
    sampler = Sampler([steps], samples, time_seconds=clock)
    counts = {("f", "charge", "0.5"): 0, ("f", "charge", "1"): 0, ("f", "ship", "+Inf"): 0}
    for added in ((0, 0, 0), (10, 0, 0), (0, 0, 0), (10, 10, 3)):
        clock.now += MINUTE
        for name, more in zip(counts, added, strict=True):
            counts[name] += more
        steps.told = Figures(dict(counts), whole=True)
        sampler.sample()
    found = History(samples).durations(WINDOWS["1h"].until(clock.now + 10), 5)
    lines = {line.name: line.values[-4:] for line in found.lines}
    assert lines["f", "charge", "p50"] == [None, 0.5, None, 0.5]
    assert lines["f", "charge", "p95"] == [None, 0.5, None, 1]
    assert lines["f", "ship", "p99"] == [None, None, None, math.inf]
    assert [line.name[1] for line in found.lines] == ["ship"] * 3 + ["charge"] * 3
    assert History(samples).durations(WINDOWS["1h"].until(clock.now + 10), 1).left_out == 1
    assert History(samples).durations(WINDOWS["1h"].until(clock.now + 10), 5, "g").lines == []
