"""Lines of the audit: they are added, never changed."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["AuditLine", "EditLine", "WriteLine"]


class AuditLine(NamedTuple):
    """One line of the audit: what was done with which dead letter, when and for whom."""

    at_ms: int
    job: str | None
    actor: str
    action: str
    topic: str
    partition: int
    offset: int
    event_id: str | None
    target_topic: str | None
    target_partition: int | None
    target_offset: int | None
    replays: int | None
    note: str


class WriteLine(NamedTuple):
    """One line of the audit of writes: who asked for what, and what came of it."""

    at_ms: int
    actor: str
    remote: str
    action: str
    detail: str


class EditLine(NamedTuple):
    """Who changed what of a dead letter before it was sent back, and why.

    Attributes:
        job: The redrive that sends it.
        diff: Lines removed and added; they hold parts of payloads, so only those see them who may see those.
    """

    job: str
    at_ms: int
    actor: str
    reason: str
    diff: str
