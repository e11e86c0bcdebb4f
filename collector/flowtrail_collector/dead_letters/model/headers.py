"""What the headers of a dead letter say, whichever framework wrote them. Never raises.

Where a header repeats, the last value counts (Spring repeats them on each hop); a binary number whose length
doesn't fit is unknown. SmallRye is the exception: it puts its headers before those that the record brought
along, so the first one is its own. Where a dead letter died again, by whatever hands, the last death counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flowtrail_collector.dead_letters.model.conventions import CONVENTIONS, Convention, number
from flowtrail_collector.dead_letters.model.x_death import is_delay_queue

__all__ = ["DeadLetterHeaders", "headers_before_death", "read_headers"]

_REPLAYS = "dlq.replays"
Header = tuple[str, bytes | None]


class DeadLetterHeaders(NamedTuple):
    """Where a dead letter came from and why; None where that isn't said. Times: ms since the epoch.

    `DeadLetter` has the same fields, in the same order, after those of the record itself.

    Attributes:
        convention: Who wrote the headers, e.g. `spring-kafka`; `unknown` if no convention fits.
        source_topic: The topic it was consumed from; partition, offset and timestamp_ms likewise.
        group: The consumer group (or connector) that gave it up.
        attempts: How often it was tried.
        replays: How often it had been sent back to its topic before.
        error_type: Class of the error, the cause's where the outer one only wraps.
        error_message: Its message.
        failed_ms: When it was given up.
        oversize: What stands in place of a value that was too large: `headers-only`, `moved` or `reference`; None:
            the value is there.
    """

    convention: str = "unknown"
    source_topic: str | None = None
    source_partition: int | None = None
    source_offset: int | None = None
    source_timestamp_ms: int | None = None
    group: str | None = None
    attempts: int | None = None
    replays: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    failed_ms: int | None = None
    oversize: str | None = None


def read_headers(headers: Any) -> DeadLetterHeaders:
    """What the headers of a dead letter say.

    Args:
        headers: (name, value) pairs as the client hands them over, or None.

    Returns:
        With `convention="unknown"` and nothing else if no convention fits.
    """
    pairs = _pairs(headers)
    last = dict(pairs)
    found = [convention for convention in CONVENTIONS if not convention.marks.isdisjoint(last)]
    if not found:
        return DeadLetterHeaders()
    convention = found[0] if len(found) == 1 else _latest(found, pairs)
    return _read(convention, dict(reversed(pairs)) if convention.first else last)


def headers_before_death(headers: Sequence[Header], convention_name: str) -> list[Header]:
    """A dead letter's headers without what its last death added; an earlier death's stay, wherever they stand.

    Args:
        headers: Of the dead letter.
        convention_name: Whose headers say how it died last; with nobody's, nothing goes.
    """
    convention = _BY_NAME.get(convention_name)
    if convention is None:
        return list(headers)
    names = Counter(name for name, _ in headers)
    borrowed = convention.borrowed
    if any(name in names for name, whose in _MARKS.items() if whose != convention_name):
        borrowed = frozenset()
    again = any(names[name] > 1 for name in convention.once)
    kept: list[Header] = []
    seen: set[str] = set()
    earlier = False  # from here on, an earlier death wrote what looks like the last one's
    for header in headers if convention.first else reversed(headers):
        name = header[0]
        # Both of Spring's conventions write the group under the same name: marks tell whose it is.
        whose = _MARKS.get(name, convention_name)
        is_others = whose != convention_name and not _BY_NAME[whose].sorted_in
        earlier = earlier or (again and name in seen) or is_others
        if earlier or not (convention.adds(name) or name in borrowed):
            kept.append(header)
        else:
            seen.add(name)
    return kept if convention.first else kept[::-1]


def _latest(found: Sequence[Convention], pairs: Sequence[tuple[str, bytes]]) -> Convention:
    """Whose death came last.

    RabbitMQ sorts its list of deaths into the table, so times decide: waiting in a delay queue before a retry is a
    death to it, too, and whoever gave the message up after that wrote so. It counts seconds, others milliseconds.
    """
    others = [convention for convention in found if not convention.sorted_in]
    if len(others) == len(found):
        return _last_death(found, pairs)
    other = _last_death(others, pairs)
    (server,) = (convention for convention in found if convention.sorted_in)
    theirs, its = _read(other, dict(pairs)), _read(server, dict(pairs))
    if is_delay_queue(its.group):
        return other
    if theirs.failed_ms is None or its.failed_ms is None:
        return _last_death(found, pairs)
    return server if its.failed_ms > theirs.failed_ms else other


def _last_death(found: Sequence[Convention], pairs: Sequence[tuple[str, bytes]]) -> Convention:
    """Whose headers were written last.

    All but SmallRye write theirs behind those that the record brought along. SmallRye's stand in front whether it
    was the first or the last hand, so the topics decide: a record dies the second time in the dead letter topic
    of the first, which is usually named after the first topic.
    """
    at = {name: n for n, (name, _) in enumerate(pairs)}
    behind = [convention for convention in found if not convention.first]
    before = [convention for convention in found if convention.first and convention.adds(pairs[0][0])]
    if not behind:
        return (before or list(found))[0]
    latest = max(behind, key=lambda one: max(at.get(mark, -1) for mark in one.marks))
    for convention in before:
        theirs = _read(convention, dict(reversed(pairs))).source_topic
        others = _read(latest, dict(pairs)).source_topic
        if theirs and others and others in theirs and theirs != others:
            return convention
    return latest


_BY_NAME = {convention.name: convention for convention in CONVENTIONS}
_MARKS = {mark: convention.name for convention in CONVENTIONS for mark in convention.marks}


def _pairs(headers: Any) -> list[tuple[str, bytes]]:
    try:
        items = list(headers or ())
    except TypeError:
        return []
    return [
        (item[0], item[1])
        for item in items
        if isinstance(item, tuple | list)
        and len(item) == 2
        and isinstance(item[0], str)
        and isinstance(item[1], bytes)
    ]


def _read(convention: Convention, headers: Mapping[str, bytes]) -> DeadLetterHeaders:
    found: dict[str, Any] = {"convention": convention.name}
    # Whoever dead letters a record that a redrive sent back: our count is among the headers it brought along.
    replays = headers.get(_REPLAYS)
    if replays is not None:
        found["replays"] = number(replays)
    for field, sources in convention.fields.items():
        for name, read in sources:
            value = headers.get(name)
            result = None if value is None else read(value)
            if result is not None:
                found[field] = result
                break
    return DeadLetterHeaders(**found)
