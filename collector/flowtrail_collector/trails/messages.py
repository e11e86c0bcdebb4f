"""Events and spans brought together: for each event, where it was published and who handled it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from flowtrail_collector.broker_names import rabbitmq_name
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.spans import attributes as names
from flowtrail_collector.spans.model import Span, SpanKind
from flowtrail_collector.trails.model import TrailInputs

_MILLION = 1_000_000
_RABBITMQ = "rabbitmq"

Place = tuple[str, int, int]
SpanKey = tuple[str, str]


@dataclass(slots=True, eq=False)
class Publication:
    """One appearance of an event in a topic: the record, the send span, or both.

    Attributes:
        copied_from: What it is a copy of, the nearest first; empty for what a producer published, as far as is known.
        after: What was in the same partition before it.
        round: How often its event had been sent back, see `lineage`; -1 for a dead letter without a record.
    """

    topic: str
    record: StoredEvent | None = None
    span: Span | None = None
    dead_letter: DeadLetter | None = None
    is_dead_letter: bool = False
    copied_from: list[Publication] = field(default_factory=list)
    after: Publication | None = None
    round: int = -1

    @property
    def place(self) -> Place:
        """Where it is; -1 in place of a partition or an offset that isn't known."""
        if self.record is not None:
            return self.topic, self.record.partition, self.record.offset
        return (self.topic, *_place(self.span)[1:]) if self.span is not None else (self.topic, -1, -1)

    @property
    def key(self) -> str:
        """Stable id: the span's if there is one, else the record's place."""
        if self.span is not None:
            return span_key_text(self.span)
        record = self.record
        return f"{self.topic}/{record.partition}/{record.offset}" if record else self.topic

    @property
    def event_type(self) -> str | None:
        """What the record says, else the span."""
        said = self.record.type if self.record else None
        return said or (self.span.text(names.EVENT_TYPE) if self.span else None)

    @property
    def start_ns(self) -> int:
        """When sending began."""
        return self.span.start_ns if self.span is not None else _record_ns(self.record)

    @property
    def end_ns(self) -> int:
        """When it was acknowledged; the same as `start_ns` where only the record is known."""
        return self.span.end_ns if self.span is not None else _record_ns(self.record)

    @property
    def appended_ns(self) -> int:
        """When it began to wait in the topic.

        The broker's (or producer's) timestamp has milliseconds only, so the send span bounds it.
        """
        if self.span is None:
            return _record_ns(self.record)
        if self.record is None or self.record.timestamp_ms is None:
            return self.span.start_ns
        return min(max(self.record.timestamp_ms * _MILLION, self.span.start_ns), self.span.end_ns)


@dataclass(slots=True)
class Message:
    """One event: everything that carries its id."""

    event_id: str
    publications: list[Publication] = field(default_factory=list)
    # Handlings by consumer group (or service, where the span doesn't name a group), by start time.
    handlings: dict[str, list[Span]] = field(default_factory=dict)

    @property
    def record(self) -> StoredEvent | None:
        """The first record known."""
        return next((item.record for item in self.publications if item.record is not None), None)

    def source_of(self, span: Span) -> Publication | None:
        """The publication that a handling read: the one at its place, else the last before it in its topic."""
        candidates = [item for item in self.publications if not item.is_dead_letter]
        place = _place(span)
        here = [item for item in candidates if place[2] >= 0 and item.place == place]
        topic = topic_of(span)
        candidates = here or [item for item in candidates if topic in (None, item.topic)] or candidates
        earlier = [item for item in candidates if item.start_ns <= span.start_ns]
        return earlier[-1] if earlier else (candidates[0] if candidates else None)


def span_key_text(span: Span) -> str:
    """Id of the entry made from a span."""
    return f"{span.trace_id}/{span.span_id}"


def topic_of(span: Span) -> str | None:
    """The topic that a span tells of, as its records have it; None if it tells of none."""
    name = span.text(names.DESTINATION)
    return rabbitmq_name(name) if name and span.text(names.SYSTEM) == _RABBITMQ else name


def is_send(span: Span) -> bool:
    """Whether a span tells of one event being published."""
    return span.kind is SpanKind.PRODUCER


def is_handling(span: Span) -> bool:
    """Whether a span tells of one event being handled by a consumer."""
    return span.kind is SpanKind.CONSUMER and not is_plumbing(span)


def is_plumbing(span: Span) -> bool:
    """Whether a span tells of the client at work (fetching, committing), not of an event."""
    operation = span.text(names.OPERATION_TYPE, names.OLD_OPERATION)
    return operation in ("receive", "settle") or span.text(names.OPERATION_NAME) in ("poll", "commit")


def collect_messages(inputs: TrailInputs) -> dict[str, Message]:
    """All events of a trail by event id."""
    return _Collector(inputs).messages()


class _Collector:
    def __init__(self, inputs: TrailInputs) -> None:
        places = {(item.topic, item.partition, item.offset): item for item in inputs.events}
        # Sorted, so that of two records with the same forged ids it is always the same one that counts.
        self._records = dict(sorted(places.items()))
        self._dead_letters = {(item.topic, item.partition, item.offset): item for item in inputs.dead_letters}
        self._is_dead_letter_topic = inputs.is_dead_letter_topic
        self._spans = sorted(inputs.spans, key=lambda span: (span.start_ns, span.trace_id, span.span_id))
        self._known_ids = {item.event_id for item in inputs.events}
        self._sent_as = {
            (item.trace_id, item.span_id): item.event_id
            for item in self._records.values()
            if item.trace_id and item.span_id
        }

    def messages(self) -> dict[str, Message]:
        records: dict[tuple[str, str], list[StoredEvent]] = defaultdict(list)
        sends: dict[tuple[str, str], list[Span]] = defaultdict(list)
        found: dict[str, Message] = {}
        for record in self._records.values():
            records[record.event_id, record.topic].append(record)
        for span in self._spans:
            if is_send(span):
                event_id = self._sent_id(span)
                # Kept for the handlings, which may know nothing but this span.
                self._sent_as[span.trace_id, span.span_id] = event_id
                sends[event_id, topic_of(span) or "?"].append(span)
        for event_id, topic in sorted(records.keys() | sends.keys()):
            message = found.setdefault(event_id, Message(event_id))
            message.publications += self._paired(topic, records[event_id, topic], sends[event_id, topic])
        for span in self._spans:
            if is_handling(span):
                event_id = self._handled_id(span)
                group = span.text(names.GROUP, names.OLD_GROUP) or span.service
                message = found.setdefault(event_id, Message(event_id))
                message.handlings.setdefault(group, []).append(span)
        return found

    def _sent_id(self, span: Span) -> str:
        own = span.text(names.MESSAGE_ID, names.EVENT_ID)
        if own in self._known_ids or (span.trace_id, span.span_id) not in self._sent_as:
            return own or span_key_text(span)
        return self._sent_as[span.trace_id, span.span_id]

    def _handled_id(self, span: Span) -> str:
        own = span.text(names.MESSAGE_ID, names.EVENT_ID)
        if own is not None and own in self._known_ids:
            return own
        record = self._records.get(_place(span))
        if record is not None:
            return record.event_id
        if own is not None:
            return own
        senders: Iterable[SpanKey] = [(link.trace_id, link.span_id) for link in span.links]
        if span.parent_span_id:
            senders = [(span.trace_id, span.parent_span_id), *senders]
        # A batch links many events: it is nobody's handling in particular.
        candidates = [self._sent_as[key] for key in senders if key in self._sent_as]
        return candidates[0] if len(set(candidates)) == 1 else span_key_text(span)

    def _paired(self, topic: str, records: list[StoredEvent], sends: list[Span]) -> list[Publication]:
        """Records and send spans of one event in one topic, brought together by place, else in order."""
        records = sorted(records, key=lambda item: (_record_ns(item), item.partition, item.offset))
        by_place = {_place(span): span for span in sends}
        result = []
        for record in records:
            span = by_place.get((topic, record.partition, record.offset))
            result.append(Publication(topic, record, span))
        taken = {id(item.span) for item in result}
        rest = [span for span in sends if id(span) not in taken]
        for item in result:
            if item.span is None and rest:
                item.span = rest.pop(0)
        result += [Publication(topic, None, span) for span in rest]
        for item in result:
            self._mark_dead_letter(item)
        return result

    def _mark_dead_letter(self, item: Publication) -> None:
        record = item.record
        if record is not None:
            item.dead_letter = self._dead_letters.get((record.topic, record.partition, record.offset))
        item.is_dead_letter = (
            item.dead_letter is not None
            or (record is not None and record.dead_letter)
            or self._is_dead_letter_topic(item.topic)
        )


def _place(span: Span) -> Place:
    topic = topic_of(span) or ""
    partition, offset = span.number(names.PARTITION), span.number(names.OFFSET, names.OLD_OFFSET)
    return topic, -1 if partition is None else partition, -1 if offset is None else offset


def _record_ns(record: StoredEvent | None) -> int:
    if record is None:
        return 0
    time_ms = record.timestamp_ms if record.timestamp_ms is not None else record.time_ms
    return (time_ms or 0) * _MILLION
