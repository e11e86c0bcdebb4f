"""What can be set about lag collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.settings.checks import Section, check_pattern

Granularity = Literal["partition", "topic", "group"]

# Names that tools make up for one run: kafka-console-consumer, and anything with a UUID at its end.
_EPHEMERAL = r"^(console-consumer-\d+|.*[-_.][0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})$"


@dataclass(frozen=True, slots=True)
class LagSettings(Section):
    """What of lag is watched, how often, and how it is told.

    Attributes:
        interval_seconds: from the start of one collection to the start of the next.
        groups: pattern of the groups looked at, found anywhere in the name; None for all.
        topics: the same for topics; None for all but Kafka's own.
        read_committed: pattern of groups that read only committed transactions: their lag ends at the last
            stable offset. Kafka doesn't tell a group's isolation level, so it must be told here.
        granularity: `partition`, `topic` or `group`: how fine the exported series are.
        compat: other exporters' metric names to export as well (`kafka_exporter`).
        window_seconds: the span a group's behaviour is judged over.
        slow_seconds: how often what changes slowly is read (earliest offsets, members).
        ephemeral: pattern of groups that live for one run of a tool.
        forget_ephemeral_seconds: how long after their last member left those are forgotten.
        forget_empty_seconds: the same for every other group; None keeps them, so that a stopped consumer
            shows for as long as Kafka keeps its commits.
        keep_failing_seconds: how long a group's last figures are shown while it can't be read.
        timeout_seconds: how long a collection waits for what is slow; None for the interval, at most 10.
        probes: records looked at per collection to learn when a group's oldest unread record was written;
            0 turns it off (no record is then ever read).
        sample_seconds: how often end offsets are read between collections, so that arrivals are known to
            about this; read less often where it would take more than a twentieth of the time.
    """

    interval_seconds: float = 5.0
    groups: str | None = None
    topics: str | None = None
    read_committed: str | None = None
    granularity: Granularity = "partition"
    compat: tuple[str, ...] = ()
    window_seconds: float = 120.0
    slow_seconds: float = 60.0
    ephemeral: str = _EPHEMERAL
    forget_ephemeral_seconds: float = 900.0
    forget_empty_seconds: float | None = None
    keep_failing_seconds: float = 60.0
    timeout_seconds: float | None = None
    probes: int = 100
    sample_seconds: float = 1.0

    def validate(self) -> None:
        check_pattern(self.groups, "--lag-groups")
        check_pattern(self.topics, "--lag-topics")
        check_pattern(self.read_committed, "--lag-read-committed")
        if self.window_seconds <= 0:
            raise ConfigurationError("--lag-window must be greater than 0")
        if self.probes < 0:
            raise ConfigurationError("--lag-probes must be 0 or more")
        if self.interval_seconds <= 0:
            raise ConfigurationError("lag_interval_seconds must be greater than 0")
        for name in self.compat:
            if name != "kafka_exporter":
                raise ConfigurationError(f"--compat takes kafka_exporter, not {name!r}")

    @property
    def patience_seconds(self) -> float:
        """How long one collection waits for what is slow."""
        return self.timeout_seconds or min(self.interval_seconds, 10.0)
