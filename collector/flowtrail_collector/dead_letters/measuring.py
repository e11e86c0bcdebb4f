"""Which dead letters are larger than their topics take, said before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from flowtrail_collector.dead_letters.copies import Copies
from flowtrail_collector.dead_letters.model.survey import Group
from flowtrail_collector.dead_letters.ports import Order, RecordMover, RedriveStore

__all__ = ["measured"]

# What is measured is read from Kafka, and somebody waits for the answer.
_MAX_MEASURED = 1_000
_AT_A_TIME = 50


def measured(
    store: RedriveStore, kafka: RecordMover, order: Order, groups: Sequence[Group]
) -> tuple[dict[tuple[str, str], int], int]:
    """The dead letters of a redrive that their topics don't take.

    Sizes aren't stored. Only where a dead letter topic takes larger records than the topic that its records go to
    are they read.

    Returns:
        Their number by topic and reason; how many were too many to be read.

    Raises:
        ServiceUnreachableError: No broker answers.
    """
    ways = {(group.topic, order.to or group.source_topic) for group in groups}
    limits = kafka.size_limits({topic for way in ways for topic in way if topic is not None})
    narrower = {
        (dead, target)
        for dead, target in ways
        if target in limits and limits[target or ""] < limits.get(dead, limits[target or ""])
    }
    found: Counter[tuple[str, str]] = Counter()
    left = _MAX_MEASURED
    unmeasured = 0
    copies = Copies(store, kafka, order)
    for dead, target in sorted(narrower, key=str):
        selection = replace(order.selection, topic=dead)
        if order.to is None:
            selection = replace(selection, source_topic=target)
        total = sum(
            group.letters
            for group in groups
            if (group.topic, order.to or group.source_topic) == (dead, target)
        )
        letters = store.matching(selection, left)
        left -= len(letters)
        unmeasured += total - min(total, len(letters))
        for at in range(0, len(letters), _AT_A_TIME):
            for reason in copies.oversized(letters[at : at + _AT_A_TIME]):
                found[reason] += 1
    return dict(found), unmeasured
