"""`flowtrail contracts check --against`: a new state of the contracts, and who reads the one that is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from flowtrail.contracts import BrokenReader, Change, Reader, Source, broken_readers, meetings, replaced
from flowtrail_collector.cli._client import CollectorClient
from flowtrail_collector.cli._errors import EXIT_UNREACHABLE, EXIT_USAGE, Failure
from flowtrail_collector.units import iso_time_seconds
from flowtrail_collector.wording import age, counted, printable

__all__ = ["Judgement", "judge", "judgement_json", "lines_of"]

_SHOWN = 10
_KAFKAS = ("classic", "consumer")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a new state of the contracts means for those who read.

    Attributes:
        since: The span of time that was asked for, e.g. `1d`.
        broken: Who would break.
        unknown: Who reads these types in versions that nobody knows.
        replaced: Who read a version, and went on to another.
        readers: How many were judged.
        earlier: How many more read these types before that time.
        silent: Kafka's groups, each with a topic, that read where these events are and tell of nothing they read.
        unlooked: Versions that are read and were taken as unchanged, e.g. `OrderPlaced 1`.
        doubt: Why nobody can tell who would break; None if one can.
    """

    since: str
    broken: Sequence[BrokenReader]
    unknown: Sequence[Reader]
    replaced: Sequence[Reader]
    readers: int
    earlier: int
    silent: Sequence[tuple[str, str]]
    unlooked: Sequence[str]
    doubt: str | None


def judge(client: CollectorClient, since: str, new: Source, old: Source | None, today: date) -> Judgement:
    """Ask a collector who reads, and hold that against the contracts.

    Args:
        client: The collector.
        since: How far back readers count.
        new: The contracts as they are to be.
        old: The contracts as they are, if they are named.
        today: See `compare`.

    Raises:
        Failure: The collector can't be asked, or knows no reader at all.
    """
    types = {*new.types(), *(() if old is None else old.types())}
    all_of = _asked(client, None)
    if not all_of["known"]:
        raise Failure(
            f"{client.url} knows of no reader yet: it learns of them from services' spans, sent to {client.url}/v1/traces",
            EXIT_USAGE,
        )
    known = _readers(client, all_of)
    ever = [reader for reader in known if reader.type in types]
    recent = [reader for reader in _readers(client, _asked(client, since)) if reader.type in types]
    went_on = set(replaced(recent))
    judged = [reader for reader in recent if reader not in went_on]
    unlooked = [] if old is not None else _unlooked(judged, new)
    return Judgement(
        since,
        broken_readers(judged, new, old=old, today=today),
        [reader for reader in judged if reader.version is None],
        sorted(went_on, key=lambda reader: (reader.consumer, reader.version or 0)),
        len(judged),
        len(ever) - len(recent),
        _silent(
            client, {reader.topic for reader in ever}, {(reader.group, reader.topic) for reader in known}
        ),
        unlooked,
        _doubt(judged or ever, since if ever and not judged else None, new, old),
    )


def _unlooked(readers: Sequence[Reader], new: Source) -> list[str]:
    read = {(reader.type, reader.version) for reader in readers if reader.version is not None}
    return [f"{type} {version}" for type, version in sorted(read) if version in new.versions(type)]


def _doubt(readers: Sequence[Reader], since: str | None, new: Source, old: Source | None) -> str | None:
    """What keeps silence from meaning that nobody would break.

    Args:
        readers: Who reads these types, or did before.
        since: Within which time nobody of them was seen, if nobody was.
        new: The contracts as they are to be.
        old: The contracts as they are, if they are named.
    """
    met = meetings(readers, new, old=old)
    if since is not None and (met or old is None):
        return f"nobody was seen reading these types in the last {since}"
    if met and all(reader.version is None for reader in readers):
        return "no event that is read names a version"
    if readers and old is None and not any(reader.version for reader, _ in met):
        return (
            "NEW has no version that its readers haven't met, and whether the others were changed in place "
            "takes OLD too: flowtrail contracts check OLD NEW --against URL"
        )
    return None


def _asked(client: CollectorClient, since: str | None) -> dict[str, Any]:
    found = client.get("/api/v1/readers", {"since": since})
    if not isinstance(found, dict) or not isinstance(found.get("readers"), list):
        raise _odd(client)
    return {"known": 0, **found}


def _silent(
    client: CollectorClient, topics: Collection[str], told: Collection[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Groups of these topics beside those who told; none while the collector hasn't seen the groups."""
    try:
        groups = client.get("/api/v1/lag")["groups"]
        reads = {
            (group["group"], topic["topic"])
            for group in groups
            if group["type"] in _KAFKAS
            for topic in group["topics"]
        }
    except (Failure, KeyError, TypeError):
        return []
    return sorted(pair for pair in reads if pair[1] in topics and pair not in told)


def _readers(client: CollectorClient, answer: dict[str, Any]) -> list[Reader]:
    try:
        return [
            Reader(
                row["service"], row["group"] or "", row["topic"] or "", row["type"], row["version"],
                row["contracts"], datetime.fromisoformat(row["last_seen"]),
            )
            for row in answer["readers"]
        ]  # fmt: skip
    except (KeyError, TypeError, ValueError):
        raise _odd(client) from None


def _odd(client: CollectorClient) -> Failure:
    return Failure(f"{client.url} doesn't say who reads what: is it of this version?", EXIT_UNREACHABLE)


def lines_of(found: Judgement, *, now: datetime | None = None) -> list[str]:
    """What is printed, the verdict last."""
    lines = []
    for broken in found.broken:
        to = f"{broken.version} breaks it" if broken.version is not None else "it breaks"
        told = "; ".join(f"{change.field}: {change.rule} ({change.detail})" for change in broken.changes)
        lines.append(f"breaks: {_seen(broken.reader, now)}; {to}: {told}")
    for reader in found.unknown:
        lines.append(f"unknown: {_seen(reader, now)}; its events name no version")
    for reader in found.replaced:
        lines.append(f"replaced: {_seen(reader, now)}; it has read another version since")
    for group, topic in found.silent:
        lines.append(f"unknown: group {group} reads topic {topic}, and no span of its service says what")
    if found.earlier:
        more = counted(found.earlier, "more reader")
        lines.append(
            f"{more} of these types {'was' if found.earlier == 1 else 'were'} seen before: --since 30d"
        )
    if found.unlooked and not found.broken and found.doubt is None:
        more = f" and {len(found.unlooked) - _SHOWN} more" if len(found.unlooked) > _SHOWN else ""
        shown = ", ".join(found.unlooked[:_SHOWN])
        lines.append(f"taken as unchanged: {shown}{more}; name OLD too to find changes in place")
    services = len({broken.reader.service for broken in found.broken})
    if services:
        lines.append(f"{counted(services, 'service')} would break")
    elif found.doubt is not None:
        lines.append(f"can't tell who would break: {found.doubt}")
    elif found.readers:
        lines.append(f"nobody would break: {counted(found.readers, 'reader')} seen in the last {found.since}")
    else:
        lines.append(f"nobody would break: {_nobody(found)}")
    return [printable(line) for line in lines]


def _nobody(found: Judgement) -> str:
    if found.earlier:
        return "nothing changed that a reader would meet"
    return "nobody was ever seen reading these types"


def _seen(reader: Reader, now: datetime | None) -> str:
    who = (
        reader.service if reader.group in ("", reader.service) else f"{reader.service} (group {reader.group})"
    )
    version = "" if reader.version is None else f" {reader.version}"
    last = age(reader.last_seen.isoformat(), now=now or datetime.now(UTC))
    return f"{who} reads {reader.type}{version}, last seen {last}"


def judgement_json(found: Judgement) -> dict[str, Any]:
    """The same for programs."""
    return {
        "since": found.since,
        "readers": found.readers,
        "doubt": found.doubt,
        "taken_as_unchanged": list(found.unlooked),
        "earlier_readers": found.earlier,
        "broken": [
            {
                **_json(broken.reader),
                "new_version": broken.version,
                "changes": [change_json(change) for change in broken.changes],
            }
            for broken in found.broken
        ],
        "unknown": [_json(reader) for reader in found.unknown],
        "replaced": [_json(reader) for reader in found.replaced],
        "silent_groups": [{"group": group, "topic": topic} for group, topic in found.silent],
    }


def change_json(change: Change) -> dict[str, Any]:
    """One change for programs."""
    return {
        "field": change.field,
        "rule": change.rule,
        "detail": change.detail,
        "breaks": sorted(change.breaks),
    }


def _json(reader: Reader) -> dict[str, Any]:
    return {
        "service": reader.service,
        "group": reader.group or None,
        "topic": reader.topic or None,
        "type": reader.type,
        "version": reader.version,
        "contracts": reader.contracts,
        "last_seen": iso_time_seconds(reader.last_seen.timestamp()),
    }
