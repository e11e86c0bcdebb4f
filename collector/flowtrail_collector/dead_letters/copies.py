"""The copies of dead letters that go back: what stands in Kafka, put as it was before it died."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from flowtrail.wire import Record
from flowtrail_collector.dead_letters.model.letter import DeadLetter, Place
from flowtrail_collector.dead_letters.model.redrive import (
    Action,
    Refusal,
    Route,
    counted_headers,
    original_place,
    replays_of,
    returned_headers,
    route,
    source_place,
    too_large,
)
from flowtrail_collector.dead_letters.ports import Order, Outgoing, RecordMover, RedriveStore

__all__ = ["Copies", "Sending"]

_READ_SECONDS = 15.0


class Sending(NamedTuple):
    """A dead letter with its copy."""

    letter: DeadLetter
    route: Route
    outgoing: Outgoing


class Copies:
    """Makes the copies for one redrive. One thread at a time.

    Args:
        store: Knows which topics hold dead letters.
        kafka: Where records are read.
        order: What was asked for.
    """

    def __init__(self, store: RedriveStore, kafka: RecordMover, order: Order) -> None:
        self._store = store
        self._kafka = kafka
        self._order = order
        self._known: dict[str, int] = {}
        self._sources: dict[str, bool] = {}

    def of(self, letters: Sequence[DeadLetter]) -> tuple[list[Sending], dict[Place, str]]:
        """The copies of these dead letters, and of those that can't go, why.

        Raises:
            ServiceUnreachableError: No broker answers.
        """
        sending, refused = self._made(letters)
        over = self._over(sending)
        refused.update({place: reason for place, (_, reason) in over.items()})
        return [item for item in sending if item.letter.place not in over], refused

    def oversized(self, letters: Sequence[DeadLetter]) -> list[tuple[str, str]]:
        """Of those that would go, the ones that their topics don't take: topic and reason of each."""
        sending, _ = self._made(letters)
        return list(self._over(sending).values())

    def _made(self, letters: Sequence[DeadLetter]) -> tuple[list[Sending], dict[Place, str]]:
        self._look_at(letters)
        refused: dict[Place, str] = {}
        sending: list[Sending] = []
        records, first_letters = self._read(letters)
        for letter in letters:
            record = records.get(letter.place)
            fate = self._fate(letter, record)
            if isinstance(fate, Refusal) or record is None:
                refused[letter.place] = (fate if isinstance(fate, Refusal) else Refusal.GONE).value
                continue
            copy = _copy(letter, record, fate, first_letters.get(letter.place))
            sending.append(Sending(letter, fate, self._placed(copy)))
        return sending, refused

    def _over(self, sending: Sequence[Sending]) -> dict[Place, tuple[str, str]]:
        limits = self._kafka.exceeded_limits([item.outgoing for item in sending])
        return {
            item.letter.place: (item.route.topic, too_large(item.route.topic, limit))
            for item, limit in zip(sending, limits, strict=True)
            if limit is not None
        }

    def make_quarantines(self, sending: Iterable[Sending]) -> None:
        """Make the quarantine topics that these copies go to, where they aren't there.

        Raises:
            ServiceUnreachableError: One can't be made.
        """
        wanted = {item.route.topic for item in sending if item.route.action is Action.QUARANTINED}
        if not wanted <= self._known.keys():
            self._known.update(self._kafka.partitions(wanted))
        for topic in wanted - self._known.keys():
            self._kafka.make_topic(topic, 1)
            self._known[topic] = 1

    def _look_at(self, letters: Sequence[DeadLetter]) -> None:
        wanted = {letter.source_topic for letter in letters if letter.source_topic is not None}
        unsure = wanted - self._sources.keys()
        if unsure:
            holding = self._store.dead_letter_topics(unsure)
            self._sources.update({topic: topic in holding for topic in unsure})
        if self._order.to is not None:
            wanted = {self._order.to}
        if not wanted <= self._known.keys():
            self._known.update(self._kafka.partitions(wanted))

    def _read(self, letters: Sequence[DeadLetter]) -> tuple[dict[Place, Record], dict[Place, Record]]:
        """The records by the dead letters' places, and of those that died again the first letters.

        Of share groups the originals, where there are any.
        """
        originals = {letter.place: place for letter in letters if (place := original_place(letter))}
        firsts = {
            letter.place: place
            for letter in letters
            if self._sources.get(letter.source_topic or "") and (place := source_place(letter))
        }
        places = [*(letter.place for letter in letters), *originals.values(), *firsts.values()]
        found = self._kafka.read(places, _READ_SECONDS)
        records = dict(found)
        for letter in letters:
            record = records.get(letter.place)
            if record is not None and record.timestamp_ms != letter.timestamp_ms:
                del records[letter.place]  # a topic made anew: another record stands there now
        for place, original in originals.items():
            if place in records and original in found:
                records[place] = found[original]
        first_letters = {
            letter.place: found[firsts[letter.place]]
            for letter in letters
            if firsts.get(letter.place) in found and _is_first(letter, records, found[firsts[letter.place]])
        }
        return records, first_letters

    def _fate(self, letter: DeadLetter, record: Record | None) -> Route | Refusal:
        if record is None:
            return Refusal.GONE
        if letter.convention == "share-group" and record.value is None and record.topic == letter.topic:
            return Refusal.NO_COPY
        replays = max(letter.replays or 0, replays_of(record.headers))
        order = self._order
        return route(letter, to=order.to, replay_limit=order.replay_limit, known=self._known, replays=replays)

    def _placed(self, copy: Outgoing) -> Outgoing:
        partition = copy.partition
        if partition is not None and not 0 <= partition < self._known.get(copy.topic, 0):
            return copy._replace(partition=None)
        return copy


def _is_first(letter: DeadLetter, records: Mapping[Place, Record], first: Record) -> bool:
    """Whether the record at the place that a letter's headers name is the letter it was before it died again.

    Headers are written by whoever can write to the topic, and topics are made anew.
    """
    record = records.get(letter.place)
    if record is None or record.key != first.key or record.value != first.value:
        return False
    return letter.source_timestamp_ms is None or letter.source_timestamp_ms == first.timestamp_ms


def _copy(letter: DeadLetter, record: Record, way: Route, first: Record | None) -> Outgoing:
    """The copy of a record. Some projects replace the headers of an earlier death: the first letter has them still."""
    if way.action is Action.QUARANTINED:
        headers = counted_headers(record.headers, way.replays)
    elif first is not None:
        headers = counted_headers(first.headers, way.replays)
    else:
        headers = returned_headers(record.headers, letter.convention, way.replays)
    return Outgoing(way.topic, way.partition, record.key, record.value, headers)
