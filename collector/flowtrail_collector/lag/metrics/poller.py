"""What the lag poller says about itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowtrail_collector.lag.metrics.lines import column, escape, head
from flowtrail_collector.lag.ports import Failure

__all__ = ["CycleFigures", "about"]

_PREFIX = "flowtrail_collector_lag"
# A cluster that goes away takes thousands of groups along; `failing` counts them all.
_MAX_FAILURES = 100


@dataclass(frozen=True, slots=True)
class CycleFigures:
    """What the poller says about its last collection.

    Attributes:
        ended_at: seconds since the epoch.
        duration: seconds from the first request to the page (of the collection before: this one's page isn't
            finished while it is written).
        cycles: collections so far.
        errors: failures so far, by scope.
        failing: how much fails at present, by scope.
        failures: what fails at present.
    """

    ended_at: float
    duration: float
    cycles: int
    groups: int
    pairs: int
    errors: dict[str, int]
    failing: dict[str, int]
    failures: Sequence[Failure] = ()


def about(figures: CycleFigures, now: float, *, openmetrics: bool) -> bytes:
    """The families of the poller itself, with the age as of now."""
    gauges = {
        "age_seconds": ("Age of the lag figures shown here.", max(0.0, now - figures.ended_at)),
        "cycle_seconds": ("Duration of the last completed lag collection.", figures.duration),
        "groups": ("Groups examined.", figures.groups),
        "pairs": ("Committed (group, partition) pairs examined.", figures.pairs),
    }
    text = [
        head(f"{_PREFIX}_{name}", help_text).decode() + f"{_PREFIX}_{name} {value:.10g}\n"
        for name, (help_text, value) in gauges.items()
    ]
    text.append(head(f"{_PREFIX}_failing", "What could not be read in the last collection.").decode())
    text += [f'{_PREFIX}_failing{{scope="{scope}"}} {n}\n' for scope, n in figures.failing.items()]
    # A counter's family has the suffix in the Prometheus format and lacks it in OpenMetrics.
    suffix = "" if openmetrics else "_total"
    text.append(head(f"{_PREFIX}_cycles{suffix}", "Lag collections so far.", "counter").decode())
    text.append(f"{_PREFIX}_cycles_total {figures.cycles}\n")
    text.append(head(f"{_PREFIX}_errors{suffix}", "Reads that failed so far.", "counter").decode())
    text += [f'{_PREFIX}_errors_total{{scope="{scope}"}} {n}\n' for scope, n in figures.errors.items()]
    shown = figures.failures[:_MAX_FAILURES]
    labels = [
        f'scope="{each.scope}",name="{escape(each.name)}",reason="{escape(each.reason)}"' for each in shown
    ]
    why = "What could not be read in the last collection, and why; always 1."
    return "".join(text).encode() + column(f"{_PREFIX}_failure", why, labels, [1] * len(labels))
