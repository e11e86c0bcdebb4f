"""The entries of a trail: what was published, who handled it, what else was done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.spans import attributes as names
from flowtrail_collector.spans.model import Span, SpanKind, SpanStatus
from flowtrail_collector.trails.lineage import put_in_order
from flowtrail_collector.trails.messages import (
    Message,
    Publication,
    collect_messages,
    is_handling,
    is_plumbing,
    is_send,
    span_key_text,
    topic_of,
)
from flowtrail_collector.trails.model import EntryKind, TrailEntry, TrailError, TrailInputs


@dataclass(slots=True)
class Draft:
    """An entry before its place in the order is known."""

    entry: TrailEntry
    parent: str | None = None
    causes: set[str] = field(default_factory=set)


class Drafts:
    """The entries that tell what was published and what was done; who waited for what isn't known yet.

    Args:
        inputs: What is known of one flow.

    Attributes:
        by_id: The entries.
        messages: The events they tell of, by id.
        spans: The spans they were made from, by trace and span id.
        entry_of: The id of the entry that stands for a span: for most its own, for plumbing none.
    """

    def __init__(self, inputs: TrailInputs) -> None:
        self.by_id: dict[str, Draft] = {}
        self.messages = collect_messages(inputs)
        for message in self.messages.values():
            put_in_order(message, inputs.redriven_by)
        self.spans = {(span.trace_id, span.span_id): span for span in inputs.spans}
        self.entry_of: dict[tuple[str, str], str] = {}
        self._inputs = inputs
        self._loose_dead_letters = _by_event(inputs.dead_letters)
        for message in self.messages.values():
            self._add_publications(message)
            for group, spans in message.handlings.items():
                self._add_handlings(message, group, spans)
        for span in inputs.spans:
            if not (is_send(span) or is_handling(span) or is_plumbing(span)):
                self._add_operation(span)

    def add(self, entry: TrailEntry) -> Draft:
        """Add an entry."""
        draft = self.by_id[entry.id] = Draft(entry)
        if entry.trace_id and entry.span_id and entry.kind is not EntryKind.QUEUE:
            own = entry.trace_id, entry.span_id
            # A service without tracing hands on the span it was given, which isn't its event's.
            if entry.seen_as != "event" or own not in self.spans:
                self.entry_of[own] = entry.id
        return draft

    def _add_publications(self, message: Message) -> None:
        home: str | None = None
        for item in message.publications:
            first = home is None and not item.is_dead_letter
            if first:
                home = item.topic
            kind = self._publication_kind(item, home, first)
            entry = self._publication_entry(message, item, kind)
            again = not first and kind not in (EntryKind.DEAD_LETTER, EntryKind.REDRIVE, EntryKind.RETRY)
            self.add(replace(entry, duplicate=again))

    def _publication_kind(self, item: Publication, home: str | None, first: bool) -> EntryKind:
        if item.is_dead_letter:
            return EntryKind.DEAD_LETTER
        # The audit knows also where the original isn't there any more.
        if item.place in self._inputs.redriven_by:
            return EntryKind.REDRIVE
        if not first and item.topic != home:
            return EntryKind.RETRY
        if not first and any(each.is_dead_letter for each in item.copied_from):
            return EntryKind.REDRIVE
        event_type = item.event_type or ""
        if event_type in self._inputs.compensating_types:
            return EntryKind.COMPENSATION
        if event_type not in self._inputs.flow_types and "notif" in event_type.lower():
            return EntryKind.NOTIFICATION
        return EntryKind.PUBLISH

    def _publication_entry(self, message: Message, item: Publication, kind: EntryKind) -> TrailEntry:
        record, span = item.record, item.span
        letter = item.dead_letter
        if kind is EntryKind.DEAD_LETTER and letter is None:
            letter = self._loose_dead_letters.get((message.event_id, item.topic))
        known = record or message.record
        error = _span_error(span) if span else None
        if letter is not None and letter.error_type:
            error = TrailError(letter.error_type, letter.error_message or "")
        return TrailEntry(
            id=item.key,
            kind=kind,
            service=_publisher(item, kind, letter, is_audited=item.place in self._inputs.redriven_by),
            by=self._inputs.redriven_by.get(item.place) if kind is EntryKind.REDRIVE else None,
            name=item.event_type or (known.type if known else None) or (span.name if span else "event"),
            start_ns=item.start_ns,
            end_ns=item.end_ns,
            topic=item.topic,
            partition=record.partition if record else _span_number(span, names.PARTITION),
            offset=record.offset if record else _span_number(span, names.OFFSET, names.OLD_OFFSET),
            event_id=message.event_id,
            event_type=item.event_type or (known.type if known else None),
            subject=(known.subject if known else None) or _span_text(span, names.EVENT_SUBJECT),
            correlation_id=(known.correlation_id if known else None)
            or _span_text(span, names.CONVERSATION_ID),
            causation_id=(known.causation_id if known else None) or _cause_of(span, message.event_id),
            trace_id=span.trace_id if span else (record.trace_id if record else None),
            span_id=span.span_id if span else (record.span_id if record else None),
            group=letter.group if letter else None,
            attempt=letter.attempts if letter else None,
            error=error,
            state=letter.state if letter else None,
            seen_as="both" if record and span else "event" if record else "span",
        )

    def _add_handlings(self, message: Message, group: str, spans: list[Span]) -> None:
        failed_before = False
        for number, span in enumerate(spans, 1):
            attempt = span.number(names.ATTEMPT) or number
            error = _span_error(span)
            again = number > 1 and not failed_before
            kind = EntryKind.RETRY if attempt > 1 and not again else EntryKind.PROCESS
            entry = self._span_entry(span, kind, message)
            self.add(
                replace(
                    entry,
                    group=group,
                    attempt=attempt,
                    error=error,
                    duplicate=again or span.text(names.OUTCOME) == "duplicate",
                )
            )
            failed_before = error is not None

    def _add_operation(self, span: Span) -> None:
        kind = EntryKind.COMMAND if span.kind is SpanKind.SERVER else EntryKind.OPERATION
        self.add(self._span_entry(span, kind, None))

    def _span_entry(self, span: Span, kind: EntryKind, message: Message | None) -> TrailEntry:
        record = message.record if message else None
        event_type = span.text(names.EVENT_TYPE) or (record.type if record else None)
        return TrailEntry(
            id=span_key_text(span),
            kind=kind,
            service=span.service,
            name=(event_type if message else None) or span.name,
            start_ns=span.start_ns,
            end_ns=span.end_ns,
            topic=topic_of(span),
            partition=span.number(names.PARTITION),
            offset=span.number(names.OFFSET, names.OLD_OFFSET),
            event_id=message.event_id if message else None,
            event_type=event_type,
            subject=span.text(names.EVENT_SUBJECT) or (record.subject if record else None),
            correlation_id=span.text(names.CONVERSATION_ID) or (record.correlation_id if record else None),
            causation_id=_cause_of(span, message.event_id if message else None),
            trace_id=span.trace_id,
            span_id=span.span_id,
            error=_span_error(span),
        )


def _cause_of(span: Span | None, event_id: str | None) -> str | None:
    """The event that caused this one, as a span has it: never itself."""
    cause = _span_text(span, names.CAUSATION_ID)
    return cause if cause != event_id else None


def _by_event(letters: tuple[DeadLetter, ...]) -> dict[tuple[str, str], DeadLetter]:
    ordered = sorted(letters, key=lambda item: (item.given_up_ms or 0, item.partition, item.offset))
    return {(item.event_id or "", item.topic): item for item in ordered}


def _publisher(item: Publication, kind: EntryKind, letter: DeadLetter | None, *, is_audited: bool) -> str:
    if item.span is not None:
        return item.span.service
    if kind is EntryKind.REDRIVE and is_audited:
        return "flowtrail"
    # A dead letter keeps the headers of the event, so its source is the producer, not who gave it up.
    if kind is EntryKind.DEAD_LETTER and letter is not None and letter.group:
        return letter.group
    return producer_of(item.record)


def producer_of(record: StoredEvent | None) -> str:
    """Who published an event first, by its source: a copy has it from the original."""
    source = (record.source if record else None) or ""
    return source.rstrip("/").rpartition("/")[2] or source or "unknown"


def _span_text(span: Span | None, *attributes: str) -> str | None:
    return span.text(*attributes) if span else None


def _span_number(span: Span | None, *attributes: str) -> int | None:
    return span.number(*attributes) if span else None


def _span_error(span: Span) -> TrailError | None:
    if span.status is not SpanStatus.ERROR:
        return None
    error_type, message = span.text(names.ERROR_TYPE), span.status_message
    for event in span.events:
        if event.name == "exception":
            error_type = error_type or str(event.attributes.get("exception.type") or "") or None
            message = message or str(event.attributes.get("exception.message") or "")
    return TrailError(error_type or "error", message)
