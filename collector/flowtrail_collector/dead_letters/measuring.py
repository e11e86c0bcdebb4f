"""Which dead letters have a way to go and can't, said before anything is sent: too large, or their value is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from flowtrail_collector.dead_letters.copies import Copies
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.dead_letters.model.survey import Group
from flowtrail_collector.dead_letters.ports import Order, RecordMover, RedriveStore

__all__ = ["measured"]

# What is measured is read from Kafka, and somebody waits for the answer.
_MAX_MEASURED = 1_000
_MAX_COUNTED = 100_000
_AT_A_TIME = 50


def measured(
    store: RedriveStore, kafka: RecordMover, order: Order, groups: Sequence[Group]
) -> tuple[dict[tuple[str, str], int], int]:
    """The dead letters of a redrive that their topics don't take, or whose value was left out and is gone.

    Sizes aren't stored. Read are those whose value was left out, and others only where a dead letter topic takes
    larger records than the topic that its records go to.

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
    copies = Copies(store, kafka, order)
    letters = store.oversize(order.selection, _MAX_COUNTED)
    unmeasured = max(0, len(letters) - _MAX_MEASURED)
    letters = letters[:_MAX_MEASURED]
    _count(copies, letters, found)
    left = _MAX_MEASURED - len(letters)
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
        _count(copies, [letter for letter in letters if letter.oversize is None], found)
    return dict(found), unmeasured


def _count(copies: Copies, letters: Sequence[DeadLetter], found: Counter[tuple[str, str]]) -> None:
    for at in range(0, len(letters), _AT_A_TIME):
        found.update(copies.stopped(letters[at : at + _AT_A_TIME]))
