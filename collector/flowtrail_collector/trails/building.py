"""Entries of a trail, and which of them led to which."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.spans import model as names
from flowtrail_collector.spans.model import Span, SpanKind, SpanStatus
from flowtrail_collector.trails.messages import (
    Message,
    Publication,
    collect_messages,
    is_handling,
    is_plumbing,
    is_send,
    span_key_text,
)
from flowtrail_collector.trails.model import EntryKind, TrailEntry, TrailError, TrailInputs

_NESTED = (EntryKind.PUBLISH, EntryKind.COMPENSATION, EntryKind.NOTIFICATION)


@dataclass(slots=True)
class Draft:
    """An entry before its place in the order is known."""

    entry: TrailEntry
    parent: str | None = None
    causes: set[str] = field(default_factory=set)


def build_drafts(inputs: TrailInputs) -> dict[str, Draft]:
    """All entries by id, with what led to them."""
    return _Builder(inputs).build()


class _Builder:
    def __init__(self, inputs: TrailInputs) -> None:
        self._inputs = inputs
        self._drafts: dict[str, Draft] = {}
        self._messages = collect_messages(inputs)
        self._spans = {(span.trace_id, span.span_id): span for span in inputs.spans}
        # The entry that stands for a span: for most its own, for plumbing none.
        self._entry_of: dict[tuple[str, str], str] = {}
        self._loose_dead_letters = _by_event(inputs.dead_letters)

    def build(self) -> dict[str, Draft]:
        for message in self._messages.values():
            self._add_publications(message)
            for group, spans in message.handlings.items():
                self._add_handlings(message, group, spans)
        for span in self._inputs.spans:
            if not (is_send(span) or is_handling(span) or is_plumbing(span)):
                self._add_operation(span)
        for message in self._messages.values():
            self._link_publications(message)
            self._link_handlings(message)
        for draft in self._drafts.values():
            self._link_span(draft)
        return self._drafts

    def _add(self, entry: TrailEntry) -> Draft:
        draft = self._drafts[entry.id] = Draft(entry)
        if entry.trace_id and entry.span_id and entry.kind is not EntryKind.QUEUE:
            own = entry.trace_id, entry.span_id
            # A service without tracing hands on the span it was given, which isn't its event's.
            if entry.seen_as != "event" or own not in self._spans:
                self._entry_of[own] = entry.id
        return draft

    def _add_publications(self, message: Message) -> None:
        home: str | None = None
        given_up = False
        for item in message.publications:
            first = home is None and not item.is_dead_letter
            if first:
                home = item.topic
            kind = self._publication_kind(item, home, first, given_up)
            given_up = given_up or item.is_dead_letter
            entry = self._publication_entry(message, item, kind)
            again = not first and kind not in (EntryKind.DEAD_LETTER, EntryKind.REDRIVE, EntryKind.RETRY)
            self._add(replace(entry, duplicate=again))

    def _publication_kind(
        self, item: Publication, home: str | None, first: bool, given_up: bool
    ) -> EntryKind:
        if item.is_dead_letter:
            return EntryKind.DEAD_LETTER
        if not first and item.topic != home:
            return EntryKind.RETRY
        if not first and given_up:
            return EntryKind.REDRIVE
        event_type = _event_type(item) or ""
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
            service=_publisher(item, kind, letter),
            name=_event_type(item) or (known.type if known else None) or (span.name if span else "event"),
            start_ns=item.start_ns,
            end_ns=item.end_ns,
            topic=item.topic,
            partition=record.partition if record else _span_number(span, names.PARTITION),
            offset=record.offset if record else _span_number(span, names.OFFSET, names.OLD_OFFSET),
            event_id=message.event_id,
            event_type=_event_type(item) or (known.type if known else None),
            subject=(known.subject if known else None) or _span_text(span, names.EVENT_SUBJECT),
            correlation_id=(known.correlation_id if known else None)
            or _span_text(span, names.CONVERSATION_ID),
            causation_id=(known.causation_id if known else None) or _span_text(span, names.CAUSATION_ID),
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
            self._add(
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
        self._add(self._span_entry(span, kind, None))

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
            topic=span.text(names.DESTINATION),
            partition=span.number(names.PARTITION),
            offset=span.number(names.OFFSET, names.OLD_OFFSET),
            event_id=message.event_id if message else None,
            event_type=event_type,
            subject=span.text(names.EVENT_SUBJECT) or (record.subject if record else None),
            correlation_id=span.text(names.CONVERSATION_ID) or (record.correlation_id if record else None),
            causation_id=span.text(names.CAUSATION_ID),
            trace_id=span.trace_id,
            span_id=span.span_id,
            error=_span_error(span),
        )

    def _link_publications(self, message: Message) -> None:
        first: str | None = None
        for item in message.publications:
            draft = self._drafts[item.key]
            kind = draft.entry.kind
            if kind is EntryKind.DEAD_LETTER:
                self._lead(draft, self._last_handling(message, draft.entry.group) or first)
            elif kind is EntryKind.REDRIVE:
                self._lead(draft, self._last_dead_letter(message, item))
            elif kind is EntryKind.RETRY:
                self._lead(draft, first)
            else:
                self._lead(draft, self._cause(draft.entry))
            first = first or item.key

    def _cause(self, entry: TrailEntry) -> str | None:
        """The handling, by the same service, of the event that caused this one; else that event itself."""
        cause = self._messages.get(entry.causation_id or "")
        if cause is None or entry.causation_id == entry.event_id:
            return None
        own = [span for spans in cause.handlings.values() for span in spans if span.service == entry.service]
        if own:
            best = max(
                own, key=lambda span: (span.status is not SpanStatus.ERROR, span.start_ns, span.span_id)
            )
            return span_key_text(best)
        return next((item.key for item in cause.publications if not item.is_dead_letter), None)

    def _last_handling(self, message: Message, group: str | None) -> str | None:
        spans = message.handlings.get(group or "")
        if spans is None and len(message.handlings) == 1:
            spans = next(iter(message.handlings.values()))
        failed = [span for span in spans or () if span.status is SpanStatus.ERROR]
        return span_key_text(failed[-1]) if failed else None

    def _last_dead_letter(self, message: Message, before: Publication) -> str | None:
        earlier = message.publications[: message.publications.index(before)]
        return next((item.key for item in reversed(earlier) if item.is_dead_letter), None)

    def _link_handlings(self, message: Message) -> None:
        for group, spans in message.handlings.items():
            used: set[str] = set()
            previous: str | None = None
            for span in spans:
                draft = self._drafts[span_key_text(span)]
                source = self._source(message, group, span)
                if source is not None and source.key not in used:
                    used.add(source.key)
                    self._add_queue(draft, source)
                self._lead(draft, previous)
                previous = draft.entry.id

    def _source(self, message: Message, group: str, span: Span) -> Publication | None:
        """The publication that this handling read: the last before it which isn't for somebody else."""
        candidates = [item for item in message.publications if not item.is_dead_letter]
        topic = span.text(names.DESTINATION)
        candidates = [item for item in candidates if topic in (None, item.topic)] or candidates
        earlier = [item for item in candidates if item.start_ns <= span.start_ns]
        return earlier[-1] if earlier else (candidates[0] if candidates else None)

    def _add_queue(self, handling: Draft, source: Publication) -> None:
        entry = handling.entry
        waited_ns = entry.start_ns - source.appended_ns
        queue = replace(
            entry,
            id="queue:" + entry.id,
            kind=EntryKind.QUEUE,
            start_ns=min(source.appended_ns, entry.start_ns),
            end_ns=entry.start_ns,
            error=None,
            duplicate=False,
            # Both clocks may be right to the millisecond only: the record's timestamp is no finer.
            skewed=waited_ns < -1_000_000,
        )
        self._add(queue).parent = source.key
        self._drafts[queue.id].causes.add(source.key)
        handling.parent = queue.id
        handling.causes.add(queue.id)

    def _lead(self, draft: Draft, cause: str | None) -> None:
        if cause is None or cause == draft.entry.id:
            return
        draft.causes.add(cause)
        draft.parent = draft.parent or cause

    def _link_span(self, draft: Draft) -> None:
        entry = draft.entry
        span = self._spans.get((entry.trace_id or "", entry.span_id or ""))
        if span is None or entry.kind is EntryKind.QUEUE:
            return
        ancestor = self._ancestor(span)
        if ancestor is not None:
            draft.causes.add(ancestor)
            # An event was published inside what the span says; a handling hangs below its queue wait or the
            # attempt before it, a dead letter below the last attempt.
            if draft.parent is None or entry.kind in _NESTED:
                draft.parent = ancestor
        for link in span.links:
            self._lead(draft, self._entry_of.get((link.trace_id, link.span_id)))

    def _ancestor(self, span: Span) -> str | None:
        seen = {span.span_id}
        parent_id = span.parent_span_id
        while parent_id is not None and parent_id not in seen:
            seen.add(parent_id)
            entry = self._entry_of.get((span.trace_id, parent_id))
            if entry is not None:
                return entry
            parent = self._spans.get((span.trace_id, parent_id))
            parent_id = parent.parent_span_id if parent else None
        return None


def _by_event(letters: tuple[DeadLetter, ...]) -> dict[tuple[str, str], DeadLetter]:
    ordered = sorted(letters, key=lambda item: (item.given_up_ms or 0, item.partition, item.offset))
    return {(item.event_id or "", item.topic): item for item in ordered}


def _event_type(item: Publication) -> str | None:
    return (item.record.type if item.record else None) or _span_text(item.span, names.EVENT_TYPE)


def _publisher(item: Publication, kind: EntryKind, letter: DeadLetter | None) -> str:
    if item.span is not None:
        return item.span.service
    # A dead letter keeps the headers of the event, so its source is the producer, not who gave it up.
    if kind is EntryKind.DEAD_LETTER and letter is not None and letter.group:
        return letter.group
    source = (item.record.source if item.record else None) or ""
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
