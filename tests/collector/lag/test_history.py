"""What a partition's history may claim about arrival times."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.lag.model import NOTHING_TO_READ, PartitionHistory

NOW = 1_700_000_000.0


def test_a_record_arrived_between_the_two_observations_around_it() -> None:
    history = PartitionHistory()
    history.observe(10, NOW, NOW)
    history.observe(20, NOW + 10, NOW + 10)

    assert history.arrival(10, 20) == (pytest.approx(NOW + 0.5), 10.0)
    assert history.arrival(19, 20) == (pytest.approx(NOW + 9.5), 10.0)


def test_an_idle_stretch_counts_up_to_its_end() -> None:
    history = PartitionHistory()
    history.observe(10, NOW, NOW)
    history.observe(10, NOW + 3600, NOW + 3600)
    history.observe(11, NOW + 3601, NOW + 3601)

    assert history.arrival(10, 11) == (pytest.approx(NOW + 3600.5), 1.0)


def test_what_arrived_before_the_first_observation_is_not_known() -> None:
    history = PartitionHistory()
    history.observe(10, NOW, NOW)
    history.observe(20, NOW + 10, NOW + 10)

    assert history.arrival(9, 20) is None


def test_a_real_timestamp_is_exact() -> None:
    history = PartitionHistory()
    history.observe(10, NOW, NOW)
    history.observe(20, NOW + 10, NOW + 10)
    history.learn(15, NOW + 9, NOW + 11)

    assert history.arrival(15, 20) == (NOW + 9, 0.0)
    assert history.arrival(14, 20) == (pytest.approx(NOW + 9 * 0.9), 9.0)


def test_a_real_timestamp_tells_about_the_time_before_the_first_observation() -> None:
    history = PartitionHistory()
    history.observe(10, NOW, NOW)
    history.learn(4, NOW - 3600, NOW)

    assert history.arrival(4, 10) == (NOW - 3600, 0.0)
    assert history.arrival(3, 10) is None


def test_a_timestamp_in_the_future_says_nothing() -> None:
    history = PartitionHistory()
    history.observe(10, NOW, NOW)
    history.observe(11, NOW + 4, NOW + 4)
    history.learn(10, NOW + 86400, NOW + 4)

    assert history.arrival(10, 11) == (pytest.approx(NOW + 2), 4.0)


def test_a_timestamp_from_before_an_observation_is_held_to_it() -> None:
    history = PartitionHistory()
    history.observe(10, NOW, NOW)
    history.observe(11, NOW + 4, NOW + 4)
    # Somebody imports records of last year.
    history.learn(10, NOW - 365 * 86400, NOW + 4)

    assert history.arrival(10, 11) == (NOW, 0.0)


def test_a_log_that_got_shorter_forgets() -> None:
    history = PartitionHistory()
    assert history.observe(10, NOW, NOW)
    assert not history.observe(3, NOW + 5, NOW + 5)
    assert history.arrival(2, 3) is None
    assert history.observe(5, NOW + 10, NOW + 10)
    assert history.arrival(3, 5) == (pytest.approx(NOW + 6.25), 5.0)


def test_a_record_heard_of_before_its_end_offset_is_no_truncation() -> None:
    history = PartitionHistory()
    history.observe(10, NOW, NOW)
    history.learn(12, NOW + 1, NOW + 1)
    assert history.observe(11, NOW + 1, NOW + 1)
    assert history.observe(20, NOW + 5, NOW + 5)
    assert history.arrival(12, 20) == (NOW + 1, 0.0)


def test_offsets_without_records_wait_for_nothing() -> None:
    history = PartitionHistory()
    history.observe(10, NOW, NOW)
    history.observe(12, NOW + 5, NOW + 5)
    history.learn_first(10, 12, None, is_record=False)
    assert history.arrival(10, 12) == (NOTHING_TO_READ, 0.0)

    history.observe(13, NOW + 10, NOW + 10)
    assert history.arrival(10, 13) == (pytest.approx(NOW + 7.5), 5.0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["grow", "idle", "learn", "first"]), st.integers(0, 400), st.floats(-1e6, 1e6)
        ),
        max_size=400,
    )
)
def test_whatever_happens_arrivals_rise_with_offsets_and_none_is_in_the_future(
    events: list[tuple[str, int, float]],
) -> None:
    history = PartitionHistory()
    end, now = 0, NOW
    history.observe(0, now, now)
    for kind, amount, skew in events:
        now += 1.0
        if kind == "grow":
            end += amount
        if kind in ("grow", "idle"):
            history.observe(end, now - 0.1, now)
        elif kind == "learn" and end:
            history.learn(amount % end, now + skew, now)
        elif end:
            at = min(end, amount % end + 3)
            arrived = history.learn(at, now + skew, now) if at < end else None
            history.learn_first(amount % end, at, arrived, is_record=at < end)
    known = [history.arrival(offset, end) for offset in range(max(0, end - 300), end)]
    times = [at for found in known if found for at, _ in [found] if at != NOTHING_TO_READ]
    assert all(later >= earlier - 0.1 for earlier, later in pairwise(times))
    assert all(at <= now for at in times)
    assert all(found[1] >= 0 for found in known if found)


@given(
    st.lists(st.floats(-1e6, 5.0), min_size=1, max_size=40).flatmap(
        lambda ages: st.tuples(st.just(ages), st.permutations(range(len(ages))), st.integers(1, 40))
    )
)
def test_a_record_is_no_older_than_those_before_it_in_whatever_order_clocks_are_read(
    case: tuple[list[float], list[int], int],
) -> None:
    """Timestamps from before the start go back wherever old records were imported, or a clock was late."""
    ages, order, count = case
    history = PartitionHistory()
    history.observe(len(ages), NOW - 0.1, NOW)
    for offset in order[:count]:
        stamp = NOW + ages[offset]
        history.learn_first(offset, offset, history.learn(offset, stamp, NOW), is_record=True)
    told = {offset: NOW + ages[offset] for offset in order[:count] if ages[offset] <= 1.0}
    for offset in told:
        expected = max(time for at, time in told.items() if at <= offset)
        assert history.arrival(offset, len(ages)) == (min(expected, NOW), 0.0)


def test_what_was_looked_at_is_bounded_too() -> None:
    history = PartitionHistory()
    history.observe(100_000, NOW, NOW)
    for offset in range(0, 100_000, 10):
        history.learn(offset, NOW - 100_000 + offset, NOW)
    assert history.arrival(99_990, 100_000) == (NOW - 10, 0.0)
    middle, _ = history.arrival(50_005, 100_000) or (0.0, 0.0)
    assert middle == pytest.approx(NOW - 50_000, abs=5_000)


def test_memory_stays_bounded_and_the_recent_past_exact() -> None:
    history = PartitionHistory()
    for i in range(100_000):
        history.observe(i * 10, NOW + i, NOW + i)
    assert len(history) <= 129
    at, width = history.arrival(999_980, 999_990) or (0, 0)
    assert at == pytest.approx(NOW + 99_998, abs=1)
    assert width == 1.0
    # The far past keeps its shape, if not its detail.
    found = history.arrival(500_000, 999_990)
    assert found is None or found[0] == pytest.approx(NOW + 50_000, rel=0.01)
