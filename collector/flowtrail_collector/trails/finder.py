"""From any id to a trail: order id, event id, correlation id or trace id."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from flowtrail_collector.dead_letters.model.letter import Place
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.events.topics import unseen
from flowtrail_collector.lag.model.progress import GroupProgressOf
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.model.view import SagaView
from flowtrail_collector.spans import attributes as names
from flowtrail_collector.spans.model import Span
from flowtrail_collector.spans.ports import SpanReader
from flowtrail_collector.trails.assembly import assemble
from flowtrail_collector.trails.model import Trail, TrailInputs
from flowtrail_collector.trails.ports import TrailReader

_TRACE_ID = re.compile(r"[0-9a-fA-F]{32}")
MAX_EVENTS = 2_000
MAX_SPANS = 5_000
MAX_TRACES = 100
MAX_MATCHES = 50


@dataclass(frozen=True, slots=True)
class TrailMatch:
    """One of several flows that an id leads to."""

    correlation_id: str
    subjects: tuple[str, ...]
    flows: tuple[str, ...]
    outcomes: tuple[str, ...]
    started_ms: int
    events: int


@dataclass(frozen=True, slots=True)
class Found:
    """What an id led to.

    Attributes:
        matched_by: `order id`, `event id`, `correlation id` or `trace id`.
        trail: The trail, None if there are several.
        matches: The several flows, newest first; empty if there is one.
    """

    matched_by: str
    trail: Trail | None = None
    matches: tuple[TrailMatch, ...] = ()


class TrailFinder:
    """Looks an id up everywhere and assembles what belongs together.

    Args:
        reader: Events, dead letters and sagas.
        spans: Spans.
        flows: The flows of the flow file.
        progress_of: How a consumer group is, to tell why a saga doesn't move.
        is_dead_letter_topic: Tells by a topic's name whether it holds dead letters.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        reader: TrailReader,
        spans: SpanReader,
        flows: Flows | None = None,
        *,
        progress_of: GroupProgressOf = lambda group: None,
        is_dead_letter_topic: Callable[[str], bool] = lambda topic: False,
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._spans = spans
        flows = flows or Flows()
        self._compensating_types, self._flow_types = flows.compensating, flows.types
        self._by_other_ids = flows.by_other_ids
        self._progress_of = progress_of
        self._is_dead_letter_topic = is_dead_letter_topic
        self._time_seconds = time_seconds

    def find(self, wanted: str) -> Found | None:
        """The trail an id leads to, several to choose from, or None if nobody knows the id."""
        matched_by, events = self._events(wanted)
        flows = list(dict.fromkeys(event.correlation_id for event in events if event.correlation_id))
        if matched_by == "order id" and len(flows) > 1 and not self._is_one_order(wanted):
            return Found(matched_by, matches=self._matches(flows))
        if flows:
            events = self._merged(events, self._reader.events_by_correlation(flows, MAX_EVENTS))
        traces = self._traces(wanted, events, flows)
        spans = self._spans.spans(traces, MAX_SPANS)
        if not events and not spans:
            return None
        if not events:
            matched_by = _matched_by_span(wanted, spans)
        trail = self._assembled(events, spans, flows)
        if len(spans) >= MAX_SPANS and (there := self._spans.count(traces)) > len(spans):
            note = f"only the first {len(spans):,} of {there:,} spans are shown"
            trail = replace(trail, notes=(*trail.notes, note))
        return Found(matched_by, trail=trail)

    def why_unknown(self) -> str:
        """Why nothing may be known of an id although it exists; in one line, to follow `nothing is known of it: `."""
        hint = unseen(self._reader.topics_read(), self._is_dead_letter_topic)
        return hint or "none of the events and spans read so far has this id"

    def _events(self, wanted: str) -> tuple[str, list[StoredEvent]]:
        """Events the id names directly; most people hold an order id, so that goes first."""
        by_subject = self._reader.events_by_subject(wanted, MAX_EVENTS)
        if by_subject:
            return "order id", by_subject
        by_correlation = self._reader.events_by_correlation([wanted], MAX_EVENTS)
        if by_correlation:
            return "correlation id", by_correlation
        by_id = self._reader.events_by_id(wanted, MAX_EVENTS)
        if by_id:
            return "event id", by_id
        if _TRACE_ID.fullmatch(wanted):
            return "trace id", self._reader.events_by_trace(wanted.lower(), MAX_EVENTS)
        return "order id", []

    def _is_one_order(self, subject: str) -> bool:
        """Whether flows that share a subject are one order's: just one of them started a saga for it.

        A second command (cancel, say) may begin a correlation of its own; it has no start event, so its saga
        is partial.
        """
        sagas = self._reader.sagas([], [subject], MAX_MATCHES)
        return len({(saga.flow, saga.correlation_id) for saga in sagas if not saga.partial}) == 1

    def _matches(self, flows: Sequence[str]) -> tuple[TrailMatch, ...]:
        chosen = list(flows)[-MAX_MATCHES:]
        by_flow: dict[str, list[StoredEvent]] = defaultdict(list)
        for event in self._reader.events_by_correlation(chosen, MAX_EVENTS):
            by_flow[event.correlation_id or ""].append(event)
        found = [self._match(flow, by_flow[flow]) for flow in chosen]
        return tuple(sorted(found, key=lambda match: (-match.started_ms, match.correlation_id)))

    def _match(self, flow: str, events: Sequence[StoredEvent]) -> TrailMatch:
        subjects = tuple(dict.fromkeys(event.subject for event in events if event.subject))
        sagas = self._own_sagas([flow], subjects)
        return TrailMatch(
            correlation_id=flow,
            subjects=subjects,
            flows=tuple(dict.fromkeys(saga.flow for saga in sagas)),
            outcomes=tuple(saga.state for saga in sagas),
            started_ms=min((event.timestamp_ms or event.time_ms or 0 for event in events), default=0),
            events=len(events),
        )

    def _merged(self, events: Iterable[StoredEvent], more: Iterable[StoredEvent]) -> list[StoredEvent]:
        by_place = {(item.topic, item.partition, item.offset): item for item in (*events, *more)}
        return list(by_place.values())[:MAX_EVENTS]

    def _traces(self, wanted: str, events: Sequence[StoredEvent], flows: Sequence[str]) -> list[str]:
        traces = dict.fromkeys(event.trace_id for event in events if event.trace_id)
        for value in (wanted, *flows):
            traces.update(dict.fromkeys(self._spans.trace_ids(value, MAX_TRACES)))
        if _TRACE_ID.fullmatch(wanted):
            traces[wanted.lower()] = None
        return list(traces)[:MAX_TRACES]

    def _assembled(self, events: list[StoredEvent], spans: list[Span], flows: list[str]) -> Trail:
        event_ids = list(dict.fromkeys(event.event_id for event in events))
        subjects = list(dict.fromkeys(event.subject for event in events if event.subject))
        inputs = TrailInputs(
            events=tuple(events),
            spans=tuple(spans),
            dead_letters=tuple(self._reader.dead_letters(event_ids, MAX_EVENTS)),
            sagas=tuple(self._own_sagas(flows, subjects)),
            redriven_by=self._redriven_by(events),
            compensating_types=self._compensating_types,
            flow_types=self._flow_types,
            is_dead_letter_topic=self._is_dead_letter_topic,
        )
        now_ms = int(self._time_seconds() * 1000)
        trail = assemble(inputs, now_ms=now_ms, progress_of=self._progress_of)
        if len(events) < MAX_EVENTS:
            return trail
        return replace(trail, notes=(*trail.notes, f"only the first {MAX_EVENTS:,} events are shown"))

    def _redriven_by(self, events: Sequence[StoredEvent]) -> dict[Place, str]:
        """Only for events that were dead letters: others can't have been redriven."""
        ids = {event.event_id for event in events if event.dead_letter}
        copies = [event for event in events if event.event_id in ids and not event.dead_letter]
        places: list[Place] = [(event.topic, event.partition, event.offset) for event in copies[:MAX_MATCHES]]
        return self._reader.redriven_by(places) if places else {}

    def _own_sagas(self, flows: Sequence[str], subjects: Sequence[str]) -> list[SagaView]:
        """By correlation; by subject only what has no correlation, for other orders may share a subject."""
        if not flows:
            return self._reader.sagas([], subjects, MAX_MATCHES)
        found = list(self._reader.sagas(flows, [], MAX_MATCHES))
        if self._by_other_ids:
            by_subject = self._reader.sagas([], subjects, MAX_MATCHES)
            known = {(saga.flow, saga.key) for saga in found}
            found += [
                saga
                for saga in by_subject
                if saga.correlation_id is None and (saga.flow, saga.key) not in known
            ]
        return found


def _matched_by_span(wanted: str, spans: Sequence[Span]) -> str:
    for span in spans:
        if wanted.lower() == span.trace_id:
            return "trace id"
        if wanted == span.text(names.CONVERSATION_ID):
            return "correlation id"
        if wanted in (span.text(names.MESSAGE_ID), span.text(names.EVENT_ID)):
            return "event id"
    return "order id"
