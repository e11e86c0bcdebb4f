"""Which entries of a trail led to which: by causation ids, by places in topics, by spans and their links."""

from __future__ import annotations

from dataclasses import replace

from flowtrail_collector.spans.model import Span, SpanStatus
from flowtrail_collector.trails.entries import Draft, Drafts, producer_of
from flowtrail_collector.trails.messages import Message, Publication, span_key_text
from flowtrail_collector.trails.model import EntryKind, TrailEntry

__all__ = ["link_causes"]

_NESTED = (EntryKind.PUBLISH, EntryKind.COMPENSATION, EntryKind.NOTIFICATION)


def link_causes(drafts: Drafts) -> None:
    """Say of each entry what led to it, and add the waits in topics between publishing and handling."""
    links = _Links(drafts)
    for message in drafts.messages.values():
        links.link_publications(message)
        links.link_handlings(message)
    for draft in drafts.by_id.values():
        links.link_span(draft)


class _Links:
    def __init__(self, drafts: Drafts) -> None:
        self._drafts = drafts

    def link_publications(self, message: Message) -> None:
        for item in message.publications:
            draft = self._drafts.by_id[item.key]
            entry = draft.entry
            if item.is_dead_letter:
                _lead(draft, _last_handling(message, item, entry.group))
            for each in item.copied_from:
                _lead(draft, each.key)
            if item.after is not None:
                draft.causes.add(item.after.key)
            if draft.parent is None:
                # A dead letter has its event's headers, and was written by another service.
                service = producer_of(item.record) if item.is_dead_letter and item.record else entry.service
                _lead(draft, self._cause(entry, service))

    def _cause(self, entry: TrailEntry, service: str | None) -> str | None:
        """The handling, by the service that published it, of the event that caused this one; else that event itself."""
        cause = self._drafts.messages.get(entry.causation_id or "")
        if cause is None or entry.causation_id == entry.event_id:
            return None
        own = [span for spans in cause.handlings.values() for span in spans if span.service == service]
        if own:
            best = max(
                own, key=lambda span: (span.status is not SpanStatus.ERROR, span.start_ns, span.span_id)
            )
            return span_key_text(best)
        return next((item.key for item in cause.publications if not item.is_dead_letter), None)

    def link_handlings(self, message: Message) -> None:
        for spans in message.handlings.values():
            used: set[str] = set()
            previous: str | None = None
            for span in spans:
                draft = self._drafts.by_id[span_key_text(span)]
                source = message.source_of(span)
                if source is not None and source.key not in used:
                    used.add(source.key)
                    self._add_queue(draft, source)
                if source is None and previous is None and message.record is not None:
                    caused_by = replace(draft.entry, causation_id=message.record.causation_id)
                    _lead(draft, self._cause(caused_by, producer_of(message.record)))
                _lead(draft, previous)
                previous = draft.entry.id

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
        _lead(self._drafts.add(queue), source.key)
        handling.parent = queue.id
        handling.causes.add(queue.id)

    def link_span(self, draft: Draft) -> None:
        entry = draft.entry
        span = self._drafts.spans.get((entry.trace_id or "", entry.span_id or ""))
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
            _lead(draft, self._drafts.entry_of.get((link.trace_id, link.span_id)))

    def _ancestor(self, span: Span) -> str | None:
        seen = {span.span_id}
        parent_id = span.parent_span_id
        while parent_id is not None and parent_id not in seen:
            seen.add(parent_id)
            entry = self._drafts.entry_of.get((span.trace_id, parent_id))
            if entry is not None:
                return entry
            parent = self._drafts.spans.get((span.trace_id, parent_id))
            parent_id = parent.parent_span_id if parent else None
        return None


def _last_handling(message: Message, letter: Publication, group: str | None) -> str | None:
    """The failed handling that ended with a dead letter: of the same round, for each redrive may fail again."""
    spans = message.handlings.get(group or "")
    if spans is None and len(message.handlings) == 1:
        spans = next(iter(message.handlings.values()))
    failed = [span for span in spans or () if span.status is SpanStatus.ERROR]
    sources = [message.source_of(span) for span in failed]
    own = [
        span
        for span, source in zip(failed, sources, strict=True)
        if source is None or source.round == letter.round
    ]
    return span_key_text(own[-1]) if own else None


def _lead(draft: Draft, cause: str | None) -> None:
    if cause is None or cause == draft.entry.id:
        return
    draft.causes.add(cause)
    draft.parent = draft.parent or cause
