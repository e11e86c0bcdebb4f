"""Dead letters, redrives and audits as JSON: what the API answers, the console shows and the command line prints."""

from __future__ import annotations

from typing import Any

from flowtrail.wire import Header
from flowtrail_collector.causes import common_words
from flowtrail_collector.dead_letters.desk import Dossier
from flowtrail_collector.dead_letters.model.audit import AuditLine, WriteLine
from flowtrail_collector.dead_letters.model.cause import CauseRow
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.dead_letters.ports import Job
from flowtrail_collector.dead_letters.web.query import query_of
from flowtrail_collector.units import iso_time_ms

__all__ = ["audit_json", "cause_json", "dossier_json", "job_json", "letter_json", "listed_json", "write_json"]

# A stack trace of a deep call is whole: its end is where it happened.
_MAX_HEADER_CHARACTERS = 16_384
_NOT_LISTED = frozenset({"arrived", "convention", "source_partition", "source_offset", "replays"})


def letter_json(letter: DeadLetter) -> dict[str, Any]:
    """Everything that is stored of a dead letter."""
    return {
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "arrived": iso_time_ms(letter.timestamp_ms),
        "event_id": letter.event_id,
        "event_type": letter.event_type,
        "subject": letter.subject,
        "correlation_id": letter.correlation_id,
        "convention": letter.convention,
        "source_topic": letter.source_topic,
        "source_partition": letter.source_partition,
        "source_offset": letter.source_offset,
        "group": letter.group,
        "attempts": letter.attempts,
        "replays": letter.replays or 0,
        "error_type": letter.error_type,
        "error_message": letter.error_message,
        "cause": letter.cause,
        "failed": iso_time_ms(letter.given_up_ms),
        "oversize": letter.oversize,
        "state": letter.state,
    }


def listed_json(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter of a list: not all of it."""
    return {name: value for name, value in letter_json(letter).items() if name not in _NOT_LISTED}


def cause_json(row: CauseRow) -> dict[str, Any]:
    """What some dead letters died of: what they have in common, how many there are, and the newest of them."""
    example = row.example
    return {
        "cause": row.cause,
        "group": example.group,
        "event_type": example.event_type,
        "error_type": example.error_type,
        "message": common_words(example.error_message),
        "count": row.letters,
        "first": iso_time_ms(row.first_ms),
        "last": iso_time_ms(row.last_ms),
        "last_hour": row.last_hour,
        "hour_before": row.hour_before,
        "trend": row.trend,
        "example": listed_json(example),
    }


def job_json(job: Job, problem: str | None) -> dict[str, Any]:
    """A redrive and how far it has got."""
    order = job.order
    return {
        "id": job.id,
        "state": job.state.value,
        "problem": problem if job.state.value == "running" else None,
        "total": job.total,
        "redriven": job.redriven,
        "quarantined": job.quarantined,
        "refused": job.refused,
        "left": job.left,
        "refusals": [{"name": name, "count": count} for name, count in job.refusals.items()],
        "selection": query_of(order.selection),
        "to": order.to,
        "rate": order.rate or None,
        "replay_limit": None if order.edit else order.replay_limit,
        "by": order.actor,
        "edit": order.edit or None,
        "created": iso_time_ms(job.created_ms),
        "updated": iso_time_ms(job.updated_ms),
        "ended": iso_time_ms(job.ended_ms),
    }


def audit_json(line: AuditLine) -> dict[str, Any]:
    """A line of the audit of dead letters; RabbitMQ tells no place of a copy, so its partition and offset are null."""
    is_placed = line.target_offset is not None and line.target_offset >= 0
    return {
        "at": iso_time_ms(line.at_ms),
        "redrive": line.job,
        "by": line.actor,
        "action": line.action,
        "topic": line.topic,
        "partition": line.partition,
        "offset": line.offset,
        "event_id": line.event_id,
        "target_topic": line.target_topic,
        "target_partition": line.target_partition if is_placed else None,
        "target_offset": line.target_offset if is_placed else None,
        "replays": line.replays,
        "note": line.note or None,
    }


def write_json(line: WriteLine) -> dict[str, Any]:
    """A line of the audit of writes."""
    return {"at": iso_time_ms(line.at_ms), "by": line.actor, "from": line.remote, "action": line.action,
            "detail": line.detail}  # fmt: skip


def dossier_json(dossier: Dossier) -> dict[str, Any]:
    """Everything about one dead letter; never its payload."""
    record = dossier.record
    found: dict[str, Any] = {"record": None, "problem": dossier.problem}
    if record is not None:
        found["record"] = {
            "timestamp": iso_time_ms(record.timestamp_ms),
            "key": _shown(record.key),
            "key_bytes": None if record.key is None else len(record.key),
            "value_bytes": None if record.value is None else len(record.value),
            "headers": [_header_json(header) for header in record.headers],
        }
    history = [audit_json(line) for line in dossier.history]
    return {"dead_letter": letter_json(dossier.letter), **found, "history": history}


def _header_json(header: Header) -> dict[str, Any]:
    """A header for people: text where it is text, else hexadecimal."""
    name, value = header
    return {"name": name, "value": _shown(value), "bytes": None if value is None else len(value)}


def _shown(value: bytes | None) -> str | None:
    """Bytes as people read them."""
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = ""
    if (text or not value) and all(char.isprintable() or char in "\n\t\r" for char in text):
        return text[:_MAX_HEADER_CHARACTERS]
    return "0x" + value[: _MAX_HEADER_CHARACTERS // 2].hex()
