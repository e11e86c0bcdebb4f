"""What was read of each topic, and what of it can't be seen anywhere, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from flowtrail_collector.broker_names import RABBITMQ

__all__ = ["QUARANTINE", "PartitionRead", "TopicRead", "advice", "holds_copies", "unseen"]

QUARANTINE = ".quarantine"
"""How the topic ends where a redrive gives up."""
# `orders.billing.retry.5s` is ours, `orders-retry-0` Spring's.
_COPIES = re.compile(r"(?i).+[._-]retry(?:[._-].*)?|.+\.quarantine")

_NAMED = 3


@dataclass(frozen=True, slots=True)
class PartitionRead:
    """What was read of a partition.

    Attributes:
        partition: Its number.
        next_offset: The offset behind the last record that was read, and behind the markers of transactions and what
            else holds no record there; or where reading begins.
        records: Records read since the store was made.
        without_type: Of those, how many have no event type.
        without_id: How many have no event id.
        mapping_problems: In how many the topic's mapping found nothing usable.
        last_ms: Timestamp of the last record, in ms since the epoch; None if none was read, or it has none.
        watermark_ms: Everything written until then has been read, in ms since the epoch; 0 before the first look.
    """

    partition: int
    next_offset: int
    records: int = 0
    without_type: int = 0
    without_id: int = 0
    mapping_problems: int = 0
    last_ms: int | None = None
    watermark_ms: int = 0

    @property
    def last_offset(self) -> int | None:
        """The last offset that was read, a record's or that of a marker behind it; None if no record was."""
        return self.next_offset - 1 if self.records else None


@dataclass(frozen=True, slots=True)
class TopicRead:
    """What was read of a topic: the sums of its partitions, the highest offset, the latest time."""

    topic: str
    partitions: tuple[PartitionRead, ...]

    @property
    def records(self) -> int:
        """Records read."""
        return sum(item.records for item in self.partitions)

    @property
    def without_type(self) -> int:
        """Records without an event type, neither in their headers nor by a mapping: in no trail, moving nothing."""
        return sum(item.without_type for item in self.partitions)

    @property
    def without_id(self) -> int:
        """Records without an event id: their place is their id, so one published twice is two events."""
        return sum(item.without_id for item in self.partitions)

    @property
    def mapping_problems(self) -> int:
        """Records in which the topic's mapping found nothing usable."""
        return sum(item.mapping_problems for item in self.partitions)

    @property
    def last_offset(self) -> int | None:
        """The highest offset that was read, in whichever partition."""
        return max(
            (item.last_offset for item in self.partitions if item.last_offset is not None), default=None
        )

    @property
    def watermark_ms(self) -> int:
        """Everything written until then has been read, in ms since the epoch: the least of its partitions."""
        return min((item.watermark_ms for item in self.partitions), default=0)

    @property
    def last_ms(self) -> int | None:
        """Timestamp of the latest record, in ms since the epoch."""
        return max((item.last_ms for item in self.partitions if item.last_ms is not None), default=None)


def holds_copies(topic: str) -> bool:
    """Whether a topic holds copies of events that are elsewhere, to be tried again or kept aside, by its name."""
    return _COPIES.fullmatch(topic) is not None


def advice(read: TopicRead, *, mapped: bool, dead_letters: bool) -> str | None:
    """What to do so that all of a topic is seen; None if all is.

    Args:
        read: The topic.
        mapped: The flow file has a mapping for it.
        dead_letters: It holds dead letters, which are read by the mappings of the topics they came from.
    """
    if read.mapping_problems:
        return "the mapping finds nothing usable in some records: compare it with them"
    if read.without_type:
        if dead_letters:
            return "records without a type: add a mapping for the topics they came from to the flow file"
        if mapped:
            return "records without a type: say in the mapping where theirs comes from"
        option = "--rabbitmq-exchanges" if read.topic.startswith(RABBITMQ) else "--topics"
        return f"records without a type: add a mapping to the flow file, or leave the topic out with {option}"
    if read.without_id:
        return "records without an id: one that is published twice counts twice; a mapping can name one"
    return None


def unseen(reads: Sequence[TopicRead], holds_dead_letters: Callable[[str], bool]) -> str | None:
    """Why something may not be known although it happened, in one line; None if all that was read is known.

    Args:
        reads: All topics that are read.
        holds_dead_letters: Tells by a topic's name whether it does: those repeat what other topics say.
    """
    if not any(read.records for read in reads):
        return "no record has been read yet: --topics says which are, flowtrail doctor what answers"
    reads = [read for read in reads if not holds_dead_letters(read.topic)]
    untyped = [read.topic for read in reads if read.without_type]
    wrong = [read.topic for read in reads if read.mapping_problems and read.topic not in untyped]
    parts = []
    if untyped:
        have = "topics have" if len(untyped) > 1 else "topic has"
        parts.append(f"{len(untyped)} {have} records without a type: add a mapping for {_named(untyped)}")
    if wrong:
        topics = "topics" if len(wrong) > 1 else "topic"
        parts.append(
            f"the mapping of {len(wrong)} {topics} finds nothing usable in some records: {_named(wrong)}"
        )
    return "; ".join(parts) or None


def _named(topics: Iterable[str]) -> str:
    first, rest = sorted(topics)[:_NAMED], len(list(topics)) - _NAMED
    return ", ".join(first) + (f" and {rest} more" if rest > 0 else "")
