"""Trails as JSON: the shape that the API answers with, and that the command line and the console draw."""

from __future__ import annotations

from typing import Any

from flowtrail_collector.sagas.json import late_json, saga_json
from flowtrail_collector.trails.finder import Found, TrailMatch
from flowtrail_collector.trails.model import MissingStep, Trail, TrailEntry
from flowtrail_collector.units import iso_time, iso_time_ms


def found_json(found: Found) -> dict[str, Any]:
    """What an id led to: `{"matched_by", "trail"}` or `{"matched_by", "matches"}`."""
    result: dict[str, Any] = {"matched_by": found.matched_by}
    if found.trail is not None:
        result["trail"] = trail_json(found.trail)
    else:
        result["matches"] = [_match_json(match) for match in found.matches]
    return result


def trail_json(trail: Trail) -> dict[str, Any]:
    """A trail; times are RFC 3339, spans of time seconds, `offset_seconds` counts from the trail's start."""
    return {
        "subjects": list(trail.subjects),
        "correlation_ids": list(trail.correlation_ids),
        "trace_ids": list(trail.trace_ids),
        "services": list(trail.services),
        "seen_as": trail.seen_as,
        "start": iso_time(trail.start_ns),
        "end": iso_time(trail.end_ns),
        "duration_seconds": _seconds(trail.end_ns - trail.start_ns),
        "sagas": [
            {**saga_json(saga), "stuck_at": [late_json(item) for item in late]}
            for saga, late in zip(trail.sagas, trail.stuck_at or [()] * len(trail.sagas), strict=True)
        ],
        "missing": [_missing_json(step, trail.start_ns) for step in trail.missing],
        "later": [_missing_json(step, trail.start_ns) for step in trail.later],
        "notes": list(trail.notes),
        "entries": [_entry_json(entry, trail.start_ns) for entry in trail.entries],
    }


def _entry_json(entry: TrailEntry, start_ns: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "id": entry.id,
        "kind": entry.kind.value,
        "service": entry.service,
        "name": entry.name,
        "start": iso_time(entry.start_ns),
        "offset_seconds": _seconds(entry.start_ns - start_ns),
        "duration_seconds": _seconds(entry.end_ns - entry.start_ns),
        "parent": entry.parent,
        "depth": entry.depth,
        "seen_as": entry.seen_as,
    }
    for name in (
        "topic", "partition", "offset", "event_id", "event_type", "subject", "correlation_id", "causation_id",
        "trace_id", "span_id", "group", "attempt", "state", "by",
    ):  # fmt: skip
        value = getattr(entry, name)
        if value is not None:
            result[name] = value
    if entry.error is not None:
        result["error"] = {"type": entry.error.type, "message": entry.error.message}
    for name in ("duplicate", "skewed"):
        if getattr(entry, name):
            result[name] = True
    return result


def _missing_json(step: MissingStep, start_ns: int) -> dict[str, Any]:
    def offset(moment_ms: int | None) -> float | None:
        return None if moment_ms is None else _seconds(moment_ms * 1_000_000 - start_ns)

    return {
        "flow": step.flow,
        "step": step.step,
        "expects": list(step.expects),
        "by": step.by,
        "deadline": iso_time_ms(step.deadline_ms),
        "overdue": step.overdue,
        "lag_messages": step.lag_messages,
        "undo": step.undo,
        "ids": list(step.ids),
        "since_offset_seconds": offset(step.since_ms),
        "deadline_offset_seconds": offset(step.deadline_ms),
        "until_offset_seconds": offset(step.until_ms),
    }


def _match_json(match: TrailMatch) -> dict[str, Any]:
    return {
        "correlation_id": match.correlation_id,
        "subjects": list(match.subjects),
        "flows": list(match.flows),
        "outcomes": list(match.outcomes),
        "started": iso_time_ms(match.started_ms),
        "events": match.events,
    }


def _seconds(span_ns: int) -> float:
    return round(span_ns / 1e9, 6)
