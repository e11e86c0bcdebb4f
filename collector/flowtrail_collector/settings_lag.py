"""What can be set about lag, on the command line and in `FLOWTRAIL_*` variables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from flowtrail_collector.errors import ConfigurationError

__all__ = ["LagConfig"]

Granularity = Literal["partition", "topic", "group"]


@dataclass(frozen=True, slots=True)
class LagConfig:
    """What is watched, and how it is told.

    Attributes:
        groups: Pattern of the groups looked at, found anywhere in the name; None for all.
        topics: The same for topics; None for all but Kafka's own.
        granularity: How fine the exported series are: `partition`, `topic` or `group`.
        window_seconds: The span a group's behaviour is judged over.
        read_committed: Pattern of groups whose lag ends at the last stable offset.
        probes: Records looked at per collection to learn when they were written; 0: none is ever read.
        otlp_endpoint: OTLP/HTTP receiver that all metrics are pushed to; empty for none.
        otlp_interval_seconds: Pause between two pushes.
    """

    groups: str | None = None
    topics: str | None = None
    granularity: Granularity = "partition"
    window_seconds: float = 120.0
    read_committed: str | None = None
    probes: int = 100
    otlp_endpoint: str = ""
    otlp_interval_seconds: float = 30.0

    def validate(self) -> None:
        """Check the section.

        Raises:
            ConfigurationError: Says which setting is wrong and what it takes.
        """
        patterns = {"groups": self.groups, "topics": self.topics, "read-committed": self.read_committed}
        for name, pattern in patterns.items():
            try:
                re.compile(pattern or "")
            except re.error as error:
                raise ConfigurationError(
                    f"--lag-{name} is not a regular expression: {pattern!r}: {error}"
                ) from error
        for option, seconds in (
            ("--lag-window", self.window_seconds),
            ("--otlp-metrics-interval", self.otlp_interval_seconds),
        ):
            if seconds <= 0:
                raise ConfigurationError(f"{option} must be greater than 0")
        if self.probes < 0:
            raise ConfigurationError("--lag-probes must be 0 or more")
        if self.otlp_endpoint and not self.otlp_endpoint.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"--otlp-metrics-endpoint takes an address such as http://localhost:4318,"
                f" not {self.otlp_endpoint!r}"
            )
