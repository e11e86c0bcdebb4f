"""What spans tell about readers: a consumer's span names the contracts that its handler reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flowtrail_collector.spans import attributes as names
from flowtrail_collector.spans.model import Span, SpanKind, SpanStatus

__all__ = ["READS", "ReaderKey", "Seen", "read_by", "seen_in"]

READS = "flowtrail.reads"
CONTRACTS = "flowtrail.contracts"
_PLACES = ("folder", "registry")
_MAX_LENGTH = 256
_MAX_READS = 32
_MAX_DIGITS = 9


class ReaderKey(NamedTuple):
    """A service that reads a version of an event.

    Attributes:
        service: Its name.
        group: Consumer group, empty if unknown.
        topic: Where it reads, empty if unknown.
        type: Event type.
        version: Of the contract; 0 if nobody knows.
        contracts: Where it has its contracts from: `folder`, `registry`; empty if it has none.
    """

    service: str
    group: str
    topic: str
    type: str
    version: int
    contracts: str


class Seen(NamedTuple):
    """A reader, and when it read; milliseconds since the epoch."""

    key: ReaderKey
    first_ms: int
    last_ms: int


def seen_in(spans: Iterable[Span], now_ms: int) -> dict[ReaderKey, int]:
    """Who read what in these spans, and when last, in milliseconds since the epoch.

    Args:
        spans: As received.
        now_ms: No sender's clock is ahead of this one.
    """
    found: dict[ReaderKey, int] = {}
    for span in spans:
        if span.kind is SpanKind.CONSUMER:
            at_ms = min(span.end_ns // 1_000_000, now_ms)
            for key in read_by(span):
                if at_ms > found.get(key, -1):
                    found[key] = at_ms
    return found


def read_by(span: Span) -> Iterator[ReaderKey]:
    """What the handling in a span read.

    Spans of other libraries that name an event's type, and no version, tell of a reader of an unknown one.
    """
    attributes = span.attributes
    if (attributes.get(names.OPERATION_TYPE) or attributes.get(names.OLD_OPERATION)) != "process":
        return
    place = attributes.get(CONTRACTS)
    common = (span.service, span.text(names.GROUP, names.OLD_GROUP) or "", span.text(names.DESTINATION) or "")
    contracts = place if isinstance(place, str) and place in _PLACES else ""
    for type, version in _reads(span):
        key = ReaderKey(*common, type, version, contracts)
        if all(_usable(text) for text in key[:4]):
            yield key


def _reads(span: Span) -> Iterator[tuple[str, int]]:
    said = span.attributes.get(READS)
    if said is None:
        type = span.text(names.EVENT_TYPE)
        # What failed, or was passed over as a duplicate, wasn't read.
        if type and span.status is not SpanStatus.ERROR and names.OUTCOME not in span.attributes:
            yield type, 0
        return
    for text in said[:_MAX_READS] if isinstance(said, list) else [said]:
        if isinstance(text, str):
            type, _, version = text.rpartition("/")
            if type and version.isascii() and version.isdecimal() and len(version) <= _MAX_DIGITS:
                yield type, int(version)


def _usable(text: str) -> bool:
    """Whether a text can be kept as it is: cut, it would be another's name."""
    return (
        len(text) <= _MAX_LENGTH and "\x00" not in text and text.encode("utf-8", "replace").decode() == text
    )
