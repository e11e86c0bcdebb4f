"""What the management API says of queues, as figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from flowtrail_collector.dead_letters.model.x_death import is_delay_queue

__all__ = ["Queue", "is_followed", "read_queue", "with_totals"]

_DROPS = "drop-head"
_TAKEN = ("ack", "deliver_no_ack", "get_no_ack")


class Queue(NamedTuple):
    """A queue at one moment; None where the server doesn't tell.

    Attributes:
        name: Its name.
        type: `classic` or `quorum`.
        ready: Messages that wait.
        unacknowledged: Messages that were delivered and not acknowledged yet.
        consumers: Who consumes from it.
        published: How many were published to it since the server began to count.
        publish_rate: A second; likewise ack_rate.
        taken: How many were acknowledged, or handed out for good, since then.
        limit: How many may wait in it; None for any number.
        drops: Whether it makes room for new ones by dropping the oldest.
        head_ms: Timestamp of the message that waits longest, in milliseconds since the epoch.
    """

    name: str
    type: str
    ready: int
    unacknowledged: int
    consumers: int
    published: int | None
    publish_rate: float | None
    ack_rate: float | None
    head_ms: int | None
    taken: int = 0
    limit: int | None = None
    drops: bool = False

    @property
    def messages(self) -> int:
        """All that are in it."""
        return self.ready + self.unacknowledged


def is_followed(found: Mapping[str, Any], holds_dead_letters: Callable[[str], bool]) -> bool:
    """Whether a queue has readers who may be behind.

    Not a stream, whose readers keep their own offsets; not a queue of dead letters, which is looked at elsewhere; not
    one in which messages wait until they are due; not one that the server named for a reply.
    """
    name = str(found["name"])
    if found.get("type") == "stream" or name.startswith("amq.") or holds_dead_letters(name):
        return False
    waits = is_delay_queue(name) and "x-dead-letter-routing-key" in found.get("arguments", {})
    return not waits


def read_queue(found: Mapping[str, Any]) -> Queue | None:
    """What the management API says of a queue; None while it knows no counts of it."""
    ready, unacknowledged = found.get("messages_ready"), found.get("messages_unacknowledged")
    if not isinstance(ready, int) or not isinstance(unacknowledged, int):
        return None
    stats = found.get("message_stats") or {}
    head = found.get("head_message_timestamp")
    return Queue(
        str(found["name"]),
        str(found.get("type", "classic")),
        ready,
        unacknowledged,
        int(found.get("consumers") or 0),
        stats.get("publish") if stats else 0,
        (stats.get("publish_details") or {}).get("rate"),
        (stats.get("ack_details") or {}).get("rate"),
        head * 1000 if isinstance(head, int) else None,
        sum(int(stats.get(name) or 0) for name in _TAKEN),
        *_limit_of(found),
    )


def with_totals(
    queues: Mapping[str, Queue], totals: Mapping[str, tuple[int, int] | None]
) -> dict[str, Queue]:
    """Queues, by name, with the counts that are known of them since."""
    return {
        name: queue._replace(ready=total[0], unacknowledged=total[1])
        for name, queue in queues.items()
        if (total := totals.get(name)) is not None
    }


def _limit_of(found: Mapping[str, Any]) -> tuple[int | None, bool]:
    """How many messages may wait, and whether the oldest are dropped then; of two limits the smaller one counts."""
    arguments, policy = found.get("arguments") or {}, found.get("effective_policy_definition") or {}
    limits = [
        each for each in (arguments.get("x-max-length"), policy.get("max-length")) if isinstance(each, int)
    ]
    overflow = arguments.get("x-overflow", policy.get("overflow", _DROPS))
    return min(limits, default=None), bool(limits) and overflow == _DROPS
