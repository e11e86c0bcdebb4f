"""How much counters rose, exactly.

`increase` scales what it saw up to the whole window (17 becomes 16.2 or 18.4), and a series that begins within it
adds nothing for its first value: the first dead letter of a kind would never be counted. These subtract samples, and
tell a counter that began within the window, which counts from 0, from one that Prometheus merely began to see.
"""

from __future__ import annotations

from dashboards.source.selecting import RANGE, STEP, select

_COLLECTOR_SEEN = select("flowtrail_collector_store_bytes")
"""Only whoever reports the figures of all collectors has it, in every scrape."""


def risen(by: str, metric: str, *matchers: str) -> str:
    """How much a counter of the collector rose in the time range shown; the store keeps it, so it never falls.

    Began within it means: fewer samples than there were scrapes.
    """
    counter = select(metric, *matchers)
    samples = f"sum by ({by}) (count_over_time({counter}[{RANGE}]))"
    began = f"{samples} < on () group_left () sum(count_over_time({_COLLECTOR_SEEN}[{RANGE}]))"
    return (
        f"clamp_min(max by ({by}) ({counter}) - (max by ({by}) ({counter} offset {RANGE})"
        f" or (min by ({by}) (min_over_time({counter}[{RANGE}])) unless ({began}))"
        f" or 0 * max by ({by}) ({counter})), 0)"
    )


def risen_in_processes(metric: str, *matchers: str) -> str:
    """How much a counter that processes keep rose in the time range shown, one series for each of its own.

    A process that was started again counts from 0, and what it had counted until then isn't lost (if it comes back
    within an hour); one that has ended still counts with what it had.
    """
    counter = select(metric, *matchers)
    last = f"last_over_time({counter}[{RANGE}])"
    began = (
        f"count_over_time({counter}[{RANGE}])"
        f" < on (job, instance) group_left () sum_over_time({select('up')}[{RANGE}])"
    )
    lost = f"sum_over_time((last_over_time({counter}[1h] offset {STEP}) > {counter})[{RANGE}:{STEP}])"
    return (
        f"clamp_min({last} - (last_over_time({counter}[1h] offset {RANGE})"
        f" or (min_over_time({counter}[{RANGE}]) unless ({began})) or 0 * {last})"
        f" + ({lost} or 0 * {last}), 0)"
    )


def arrived(by: str, metric: str, *matchers: str) -> str:
    """How much a counter of the collector rose from each point of a graph to the next."""
    counter = select(metric, *matchers)
    return (
        f"clamp_min(max by ({by}) ({counter}) - (max by ({by}) ({counter} offset {STEP})"
        f" or 0 * max by ({by}) ({counter}) and on () max({_COLLECTOR_SEEN} offset {STEP})), 0)"
    )


def arrived_in_processes(metric: str, *matchers: str) -> str:
    """How much a counter that processes keep rose from each point of a graph to the next."""
    counter = select(metric, *matchers)
    return (
        f"((({counter} - {counter} offset {STEP}) >= 0)"
        f" or ({counter} and on (job, instance) {select('up')} offset {STEP}))"
    )
