"""Names of groups that Kafka takes and librdkafka doesn't."""

from __future__ import annotations

from flowtrail_collector.lag.ports import Failure

__all__ = ["is_askable", "not_askable"]


def is_askable(group: str) -> bool:
    """Whether librdkafka can ask about a group of this name: it takes no empty one, and ends them at a NUL."""
    return group != "" and "\0" not in group


def not_askable(group: str, why_not: str) -> Failure:
    """What is told of the others, where kafka-python can't stand in."""
    why = "its name is empty" if group == "" else "its name holds a NUL"
    return Failure("group", group, f"{why}: librdkafka can't ask about it, and {why_not}")
