"""What queries are made of: selectors, and the usual ways to sum them up."""

from __future__ import annotations

TARGET = 'job=~"$job", instance=~"$instance"'
FLOW = 'flow=~"$flow"'
GROUP = 'group=~"$group"'
TOPIC = 'topic=~"$topic"'
SERVICE_TOPIC = 'messaging_destination_name=~"$topic"'
COMPLETED = 'outcome="completed"'
TIMED_OUT = 'outcome="timed_out"'
FAILED = 'error_type!=""'

RATE = "$__rate_interval"
RANGE = "$__range"
STEP = "$__interval"


def select(metric: str, *matchers: str) -> str:
    """A selector with the matchers that every query has."""
    return f"{metric}{{{', '.join((TARGET, *matchers))}}}"


def latest(by: str, metric: str, *matchers: str) -> str:
    """A gauge of the collector."""
    return f"max by ({by}) ({select(metric, *matchers)})"


def per_second(by: str, metric: str, *matchers: str) -> str:
    """A counter of the collector, per second."""
    return f"max by ({by}) (rate({select(metric, *matchers)}[{RATE}]))"


def quantile(share: float, by: str, histogram: str, *matchers: str) -> str:
    """A quantile of a histogram over the last moments."""
    buckets = select(f"{histogram}_bucket", *matchers)
    return f"histogram_quantile({share}, sum by ({by}, le) (rate({buckets}[{RATE}])))"


def summed(by: str, counter: str, *matchers: str) -> str:
    """A counter of the services, per second."""
    return f"sum by ({by}) (rate({select(counter, *matchers)}[{RATE}]))"


def slow_ones(histogram: str, *matchers: str) -> str:
    """Nothing to draw, but exemplars: of what took more than a second. Those of all would be a carpet along zero."""
    slow = r'le!~"0\\..*|1(\\.0)?"'
    return f"{select(f'{histogram}_bucket', slow, *matchers)} < 0"


BEHIND_SECONDS = 30
"""A group whose oldest unread record has waited longer is behind; others have merely not read the newest yet."""

ANSWERING = f"count({select('flowtrail_collector_info')})"
"""How many collectors answer; nothing at all while none does."""

NOTHING = f"0 * {ANSWERING}"
"""0 while a collector answers, so that nothing known never looks like nothing wrong."""

COLLECTORS = f"and on (job, instance) last_over_time({select('flowtrail_collector_info')}[1d])"
"""Of Prometheus' own series those of collectors, also of one that has stopped answering within a day."""
