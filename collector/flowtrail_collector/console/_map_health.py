"""What is wrong at a node of the service map, in the words of everywhere else, and where one looks further."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from flowtrail_collector.broker_names import RABBITMQ, without_broker
from flowtrail_collector.console._map_nodes import BAD, WARN, Note
from flowtrail_collector.dead_letters.model.cause import CauseRow
from flowtrail_collector.dead_letters.model.letter import PENDING
from flowtrail_collector.lag.words import needs_attention
from flowtrail_collector.sagas.model.causes import LATE, StuckCause
from flowtrail_collector.wording import counted

__all__ = ["Health", "health_of", "level_of"]

Group = Mapping[str, Any]
"""A group, as the lag API answers it."""
_FINE = (None, "", "ok")


@dataclass(slots=True)
class _Letters:
    pending: int = 0
    last_hour: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """How those are who read.

    Attributes:
        groups: By the name of the node that they are part of, those that need attention first.
        readings: How a group reads a topic, by topic and name of the node.
        letters: Pending dead letters by group.
        stuck: What stuck instances wait for, by group.
    """

    groups: Mapping[str, Sequence[Group]] = field(default_factory=dict)
    readings: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    letters: Mapping[str, _Letters] = field(default_factory=dict)
    stuck: Mapping[str, Sequence[tuple[str, int]]] = field(default_factory=dict)

    def notes(self, name: str) -> list[Note]:
        """What is said of a service: nothing, if all is well."""
        groups = self.groups.get(name, ())
        notes = [note for group in groups for note in _verdict(group, several=len(groups) > 1)]
        return [*notes, *self._dead_letters(name), *self._stuck(name)]

    def href(self, name: str) -> str:
        """The page of a service's groups; empty if it has none."""
        groups = [("group", group["group"]) for group in self.groups.get(name, ())]
        return f"/lag?{urlencode(groups)}" if groups else ""

    def _names(self, name: str) -> list[str]:
        return list(dict.fromkeys([name, *(group["group"] for group in self.groups.get(name, ()))]))

    def _dead_letters(self, name: str) -> Iterable[Note]:
        for group in self._names(name):
            letters = self.letters.get(group)
            if letters is not None and letters.pending:
                lately = f"{letters.last_hour or 'none'} in the last hour"
                href = f"/dead-letters?{urlencode({'group': group, 'state': PENDING})}"
                text = f"{counted(letters.pending, 'dead letter')}, {lately}"
                yield Note(text, href, BAD if letters.last_hour else WARN)

    def _stuck(self, name: str) -> Iterable[Note]:
        causes = [cause for group in self._names(name) for cause in self.stuck.get(group, ())]
        instances = sum(count for _, count in causes)
        if instances:
            one = len(causes) == 1
            href = f"/sagas?{urlencode({'cause': causes[0][0]})}" if one else "/sagas/causes?state=late"
            waits = "waits" if instances == 1 else "wait"
            yield Note(f"{counted(instances, 'stuck instance')} {waits} for it", href, BAD)


def health_of(
    groups: Sequence[Group],
    topics: Iterable[str],
    letters: Iterable[CauseRow] = (),
    stuck: Iterable[tuple[StuckCause, str | None]] = (),
) -> Health:
    """What is known of all nodes.

    Args:
        groups: Lag by consumer group and topic, those that need attention first.
        topics: Those on the map.
        letters: Pending dead letters, by cause.
        stuck: Why instances are stuck, and the group that should move them.
    """
    own: dict[str, list[Group]] = defaultdict(list)
    readings: dict[tuple[str, str], Mapping[str, Any]] = {}
    exchanges = [topic for topic in topics if topic.startswith(RABBITMQ)]
    for group in groups:
        name = group["group"]
        # A queue is called after its exchange and the group it belongs to.
        exchange = max((each for each in exchanges if name.startswith(f"{each}.")), key=len, default=None)
        if exchange is not None:
            name = name.removeprefix(f"{exchange}.")
        own[name].append(group)
        for topic in group["topics"]:
            readings[exchange or topic["topic"], name] = topic
    return Health(own, readings, _by_group(letters), _by_reader(stuck))


def level_of(status: str | None) -> str:
    """How much a lag status stands out."""
    if not needs_attention(status):
        return ""
    return WARN if status == "behind" else BAD


def _verdict(group: Group, *, several: bool) -> Iterable[Note]:
    verdict = group.get("verdict")
    if verdict in _FINE:
        return
    says = group.get("says")
    whose = f"{without_broker(group['group'])}: " if several else ""
    status = group.get("status")
    # That nobody reads a group in which nothing is unread, the verdict says already.
    text = f"{whose}{verdict}: {says}" if says and status not in _FINE else f"{whose}{verdict}"
    yield Note(text, "", level_of(status))


def _by_group(letters: Iterable[CauseRow]) -> dict[str, _Letters]:
    found: dict[str, _Letters] = defaultdict(_Letters)
    for row in letters:
        if row.cause is not None:  # of any kind: the group of one of them isn't that of the others
            found[row.example.group or ""].pending += row.letters
            found[row.example.group or ""].last_hour += row.last_hour
    return found


def _by_reader(stuck: Iterable[tuple[StuckCause, str | None]]) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for row, by in stuck:
        if by is not None and row.state == LATE:
            found[by].append((row.cause, row.instances))
    return found
