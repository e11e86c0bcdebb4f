"""One order end to end: events, spans, dead letters and saga state assembled into one trail.

An order's story is told by several witnesses who know different parts and whose clocks disagree. Records say
what was published, and, through causation ids, why; spans say who handled what for how long; dead letters say
what was given up; the saga says what should have happened. `assemble` merges them: one entry per thing that
happened, causes before effects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.lag.model.progress import GroupProgressOf
from flowtrail_collector.sagas.model.view import SagaView
from flowtrail_collector.sagas.stuck import diagnose, stuck_reason
from flowtrail_collector.spans import attributes as names
from flowtrail_collector.spans.model import Span
from flowtrail_collector.trails.causal_order import causal_order
from flowtrail_collector.trails.causes import link_causes
from flowtrail_collector.trails.entries import Draft, Drafts
from flowtrail_collector.trails.model import (
    PUBLISHING_KINDS,
    MissingStep,
    Trail,
    TrailEntry,
    TrailInputs,
)

__all__ = ["assemble"]

# Record timestamps have milliseconds, spans nanoseconds: less than this is rounding, not skew.
_SKEW_TOLERANCE_NS = 2_000_000


def assemble(inputs: TrailInputs, *, now_ms: int, progress_of: GroupProgressOf = lambda group: None) -> Trail:
    """Assemble a trail.

    The result depends on the content of the inputs only, not on the order within them.

    Args:
        inputs: What is known of one flow.
        now_ms: The present, milliseconds since the epoch, to tell which missing steps are overdue.
        progress_of: How a consumer group is, to tell why a saga doesn't move.
    """
    correlation_ids = _ranked(sorted(event.correlation_id or "" for event in inputs.events))
    spans = _own_spans(inputs.spans, set(correlation_ids))
    drafted = Drafts(replace(inputs, spans=spans))
    link_causes(drafted)
    drafts = drafted.by_id
    order = causal_order(
        {key: _when(draft.entry) for key, draft in drafts.items()},
        {key: draft.causes for key, draft in drafts.items()},
    )
    entries = _placed(drafts, order)
    pending = tuple(sorted((item for item in inputs.dead_letters if item.state == "pending"), key=_place))
    letters = tuple(dict.fromkeys(pending))
    sagas = tuple(
        replace(saga, reason=stuck_reason(saga, letters, progress_of))
        for saga in sorted(inputs.sagas, key=lambda saga: (saga.started_ms or 0, saga.flow, saga.key))
    )
    return Trail(
        entries=entries,
        sagas=sagas,
        stuck_at=tuple(
            diagnose(saga, letters, progress_of) if saga.outcome in ("open", "timed_out") else ()
            for saga in sagas
        ),
        missing=tuple(_missing(sagas, now_ms, progress_of)),
        later=tuple(_later(sagas)),
        subjects=_ranked(entry.subject for entry in entries if entry.kind in PUBLISHING_KINDS),
        correlation_ids=correlation_ids or _ranked(entry.correlation_id for entry in entries),
        trace_ids=tuple(dict.fromkeys(entry.trace_id for entry in entries if entry.trace_id)),
        services=tuple(dict.fromkeys(entry.service for entry in entries)),
        seen_as=_seen_as(inputs.events, spans),
        start_ns=min((entry.start_ns for entry in entries), default=0),
        end_ns=max((entry.end_ns for entry in entries), default=0),
        notes=tuple(_notes(entries)),
    )


def _when(entry: TrailEntry) -> tuple[int, str, int, int]:
    """Its time, and among those of the same millisecond its place: a partition has an order of its own."""
    partition, offset = (-1 if number is None else number for number in (entry.partition, entry.offset))
    return entry.start_ns, entry.topic or "", partition, offset


def _ranked(values: Iterable[str | None]) -> tuple[str, ...]:
    """Most frequent first, among equals in the order given."""
    return tuple(value for value, _ in Counter(value for value in values if value).most_common())


def _own_spans(spans: tuple[Span, ...], correlation_ids: set[str]) -> tuple[Span, ...]:
    """Without what a shared trace (a batch, a long-lived parent) says about other flows."""
    if not correlation_ids:
        return spans
    by_key = {(span.trace_id, span.span_id): span for span in spans}
    verdicts: dict[tuple[str, str], bool] = {}

    def is_own(span: Span) -> bool:
        path: list[tuple[str, str]] = []
        current: Span | None = span
        verdict = True
        while current is not None:
            key = (current.trace_id, current.span_id)
            if key in path:
                break
            path.append(key)
            conversation = current.text(names.CONVERSATION_ID)
            if key in verdicts:
                verdict = verdicts[key]
                break
            if conversation is not None:
                verdict = conversation in correlation_ids
                break
            current = by_key.get((current.trace_id, current.parent_span_id or ""))
        verdicts.update(dict.fromkeys(path, verdict))
        return verdict

    return tuple(span for span in spans if is_own(span))


def _placed(drafts: dict[str, Draft], order: list[str]) -> tuple[TrailEntry, ...]:
    depths: dict[str, int] = {}
    placed: list[TrailEntry] = []
    for key in order:
        draft = drafts[key]
        # A parent that comes later sits on a circle of forged ids: the entry counts as a root.
        parent = draft.parent if draft.parent in depths else None
        depths[key] = depths[parent] + 1 if parent is not None else 0
        entry = draft.entry
        early_ns = drafts[parent].entry.start_ns - entry.start_ns if parent is not None else 0
        placed.append(
            replace(
                entry,
                parent=parent,
                depth=depths[key],
                skewed=entry.skewed or early_ns > _SKEW_TOLERANCE_NS,
            )
        )
    return tuple(placed)


def _place(letter: DeadLetter) -> tuple[str, int, int]:
    return letter.topic, letter.partition, letter.offset


def _lag(group: str | None, progress_of: GroupProgressOf) -> int | None:
    progress = progress_of(group) if group else None
    return None if progress is None else progress.lag


def _missing(sagas: Iterable[SagaView], now_ms: int, progress_of: GroupProgressOf) -> Iterable[MissingStep]:
    for saga in sagas:
        if saga.outcome not in ("open", "timed_out", "stuck"):
            continue
        until_ms = now_ms if saga.ended_ms is None else saga.ended_ms
        for step in saga.steps:
            if step.state == "open" or step.uncancelled:
                overdue = step.deadline_ms is not None and now_ms > step.deadline_ms
                yield MissingStep(
                    saga.flow,
                    step.name,
                    step.expects,
                    step.by,
                    step.deadline_ms,
                    overdue or saga.outcome == "timed_out",
                    _lag(step.by, progress_of),
                    step.since_ms,
                    until_ms,
                )
            elif step.undo:
                # Who takes a step back is usually who did it, but no flow file says so: nobody is named.
                yield MissingStep(
                    saga.flow, step.name, step.undo, None, None, saga.outcome == "timed_out", None,
                    step.since_ms, until_ms, undo=True, ids=step.owed,
                )  # fmt: skip


def _later(sagas: Iterable[SagaView]) -> Iterable[MissingStep]:
    for saga in sagas:
        # Where no step is open any more, the saga was cancelled or only its end is missing.
        if saga.outcome == "open" and any(step.state == "open" for step in saga.steps):
            for step in saga.steps:
                if step.state == "waiting" and not step.optional:
                    yield MissingStep(saga.flow, step.name, step.expects, step.by, step.deadline_ms, False)


def _seen_as(events: tuple[StoredEvent, ...], spans: tuple[Span, ...]) -> str:
    if events and spans:
        return "events and spans"
    return "spans" if spans else "events"


def _notes(entries: tuple[TrailEntry, ...]) -> Iterable[str]:
    starts = {entry.id: entry for entry in entries}
    pairs: dict[tuple[str, str], int] = {}
    for entry in entries:
        parent = starts.get(entry.parent or "")
        if entry.skewed and parent is not None:
            early_ns = parent.start_ns - entry.start_ns
            pair = (entry.service, parent.service)
            if early_ns > 0:
                pairs[pair] = max(pairs.get(pair, 0), early_ns)
    for (service, other), early_ns in sorted(pairs.items()):
        whose = f"{service} and {other}" if service != other else f"two instances of {service}"
        yield (
            f"the clocks of {whose} disagree by at least {early_ns / 1e6:.0f} ms; "
            "the order shown follows cause and effect"
        )
