"""The copies of dead letters that go back: what stands in Kafka, put as it was before it died."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from flowtrail.wire import Header, Record
from flowtrail.wire import dead_letters as own
from flowtrail_collector.broker_names import has_offsets
from flowtrail_collector.dead_letters.model.letter import DeadLetter, Place
from flowtrail_collector.dead_letters.model.redrive import (
    Action,
    Original,
    Refusal,
    Route,
    counted_headers,
    left_out,
    original_place,
    oversize_of,
    replays_of,
    returned_headers,
    route,
    source_place,
    too_large,
)
from flowtrail_collector.dead_letters.model.replacement import Replacement
from flowtrail_collector.dead_letters.ports import (
    HeadersLackingRecord,
    Order,
    Outgoing,
    RecordMover,
    RedriveStore,
)

__all__ = ["Copies", "Sending", "replaced"]

_READ_SECONDS = 15.0
_REFERENCE = "reference"


class Sending(NamedTuple):
    """A dead letter with its copy."""

    letter: DeadLetter
    route: Route
    outgoing: Outgoing


class _Read(NamedTuple):
    """What stands in Kafka, by the places of the dead letters.

    Attributes:
        records: The letters; of share groups the originals, where there are any.
        sources: What stands where they died, of those whose value was left out and of those that died again.
    """

    records: Mapping[Place, Record]
    sources: Mapping[Place, Record]


class Copies:
    """Makes the copies for one redrive. One thread at a time.

    Args:
        store: Knows which topics hold dead letters.
        kafka: Where records are read.
        order: What was asked for.
        replacement: What goes in place of parts of the one dead letter that is sent.
    """

    def __init__(
        self,
        store: RedriveStore,
        kafka: RecordMover,
        order: Order,
        replacement: Replacement | None = None,
    ) -> None:
        self._store = store
        self._kafka = kafka
        self._order = order
        self._replacement = replacement
        self._known: dict[str, int] = {}
        self._sources: dict[str, bool] = {}

    def of(self, letters: Sequence[DeadLetter]) -> tuple[list[Sending], dict[Place, str]]:
        """The copies of these dead letters, and of those that can't go, why.

        Raises:
            ServiceUnreachableError: No broker answers.
        """
        sending, refused = self._made(letters)
        over = self._over(sending)
        refused.update(over)
        stay = {place: reason for place, (_, reason) in refused.items()}
        return [item for item in sending if item.letter.place not in over], stay

    def one(self, letter: DeadLetter) -> Sending | str:
        """The copy of a dead letter, however large it is; or why there is none.

        Raises:
            ServiceUnreachableError: No broker answers.
        """
        sending, refused = self._made([letter])
        return sending[0] if sending else refused[letter.place][1]

    def stopped(self, letters: Sequence[DeadLetter]) -> list[tuple[str, str]]:
        """Of those that have a way to go, the ones that can't: topic and reason of each."""
        sending, refused = self._made(letters)
        refused.update(self._over(sending))
        return [(topic, reason) for topic, reason in refused.values() if topic is not None]

    def _made(
        self, letters: Sequence[DeadLetter]
    ) -> tuple[list[Sending], dict[Place, tuple[str | None, str]]]:
        """The copies, and of those that can't go where they would have gone, if anywhere, and why they don't."""
        self._look_at(letters)
        refused: dict[Place, tuple[str | None, str]] = {}
        sending: list[Sending] = []
        read = self._read(letters)
        for letter in _as_they_lie(letters, read.records):
            way = self._way(letter, read)
            if isinstance(read.records.get(letter.place), HeadersLackingRecord):
                way = Refusal.HEADERS_LACKING  # what names its topic is among them
            if isinstance(way, Refusal):
                refused[letter.place] = None, way.value
                continue
            copy = _copy(letter, way, read)
            if isinstance(copy, str):
                refused[letter.place] = way.topic, copy
            else:
                sending.append(Sending(letter, way, replaced(self._placed(copy), self._replacement)))
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

    def _read(self, letters: Sequence[DeadLetter]) -> _Read:
        originals = {letter.place: place for letter in letters if (place := original_place(letter))}
        firsts = {
            letter.place: place
            for letter in letters
            if (letter.oversize or self._sources.get(letter.source_topic or ""))
            and (place := source_place(letter))
        }
        places = [*(letter.place for letter in letters), *originals.values(), *firsts.values()]
        found = self._kafka.read(places, _READ_SECONDS)
        records = dict(found)
        for letter in letters:
            record = records.get(letter.place)
            if record is None or not has_offsets(letter.topic):
                continue
            if record.timestamp_ms != letter.timestamp_ms:
                del records[letter.place]  # a topic recreated: another record stands there now
        for place, original in originals.items():
            if place in records and original in found:
                records[place] = found[original]
        lacking = {
            letter.place: place
            for letter in letters
            if letter.place in records
            and letter.place not in firsts
            and oversize_of(letter, records[letter.place].headers)
            and (place := source_place(letter))
        }
        if lacking:
            found = {**found, **self._kafka.read([*lacking.values()], _READ_SECONDS)}
        sources = {place: found[source] for place, source in (firsts | lacking).items() if source in found}
        return _Read(records, sources)

    def _way(self, letter: DeadLetter, read: _Read) -> Route | Refusal:
        replays = letter.replays or 0
        record, source = read.records.get(letter.place), read.sources.get(letter.place)
        if record is not None:
            replays = max(replays, replays_of(record.headers))
            if source is not None and oversize_of(letter, record.headers):
                replays = max(replays, replays_of(source.headers))
        order = self._order
        return route(letter, to=order.to, replay_limit=order.replay_limit, known=self._known, replays=replays)

    def _placed(self, copy: Outgoing) -> Outgoing:
        partition = copy.partition
        if partition is not None and not 0 <= partition < self._known.get(copy.topic, 0):
            return copy._replace(partition=None)
        return copy


def _as_they_lie(letters: Sequence[DeadLetter], records: Mapping[Place, Record]) -> list[DeadLetter]:
    """In the order in which they were read; what is gone comes last."""
    ranks = {place: n for n, place in enumerate(records)}
    return sorted(letters, key=lambda letter: ranks.get(letter.place, len(ranks)))


def replaced(copy: Outgoing, replacement: Replacement | None) -> Outgoing:
    """A copy with new parts in place of its own; another key finds its own partition."""
    if replacement is None:
        return copy
    parts = replacement.parts
    return Outgoing(
        copy.topic,
        None if "key" in parts else copy.partition,
        parts.get("key", copy.key),
        parts.get("value", copy.value),
        replacement.headers_after(copy.headers),
    )


def _copy(letter: DeadLetter, way: Route, read: _Read) -> Outgoing | str:
    """The copy of a record, or why there is none.

    Some projects replace the headers of an earlier death: the first letter has them still. Of a value that was
    left out only the original is worth sending.
    """
    record, source = read.records.get(letter.place), read.sources.get(letter.place)
    if record is None:
        return Refusal.GONE.value
    if isinstance(source, HeadersLackingRecord):
        return Refusal.HEADERS_LACKING.value
    if letter.convention == "share-group" and record.value is None and record.topic == letter.topic:
        return Refusal.NO_COPY.value
    oversize = oversize_of(letter, record.headers)
    stands = _standing(letter, record, source, oversize)
    if oversize and (source is None or stands is not Original.THERE):
        return left_out(letter, stands)
    if source is not None and stands is Original.THERE:
        headers = source.headers
        if way.action is Action.QUARANTINED:
            headers = _quarantined(record, source) if oversize else record.headers
        record = record if not oversize else source
        return Outgoing(
            way.topic, way.partition, record.key, record.value, counted_headers(headers, way.replays)
        )
    if way.action is Action.QUARANTINED:
        headers = counted_headers(record.headers, way.replays)
    else:
        headers = returned_headers(record.headers, letter.convention, way.replays)
    return Outgoing(way.topic, way.partition, record.key, record.value, headers)


def _standing(letter: DeadLetter, record: Record, source: Record | None, oversize: str | None) -> Original:
    """Whether the record at the place that a letter's headers name is the one that died.

    Headers are written by whoever can write to the topic, and topics are recreated.
    """
    if source is None:
        return Original.GONE
    if oversize != _REFERENCE and record.key != source.key:
        return Original.ANOTHER
    if oversize is None and record.value != source.value:
        return Original.ANOTHER
    if letter.source_timestamp_ms is not None:
        same = letter.source_timestamp_ms == source.timestamp_ms
        return Original.THERE if same else Original.ANOTHER
    if oversize is None:
        return Original.THERE
    if oversize == _REFERENCE:
        return Original.UNSURE
    same = _own_headers(record) == _own_headers(source)
    return Original.THERE if same else Original.ANOTHER


def _own_headers(record: Record) -> list[Header]:
    return [header for header in own.without_dead_letter(record.headers) if header[0] != own.REPLAYS]


def _quarantined(letter: Record, source: Record) -> list[Header]:
    """The original's headers, and beside them what the letter says of how it died."""
    died = [header for header in letter.headers if header[0] in own.ADDED - {own.OVERSIZE}]
    return [*own.without_dead_letter(source.headers), *died]
