"""Reading record headers: never raises, whatever the bytes.

Kafka keeps headers as an ordered list in which names may repeat. The last usable value wins, as with the Java
client's `lastHeader`: whoever forwards a record appends. Values that aren't UTF-8, are longer than the wire
format allows or hold control characters are dropped with a reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from flowtrail.wire import names
from flowtrail.wire.envelope import Envelope

_FIELDS = {
    names.ID: "id",
    names.TYPE: "type",
    names.SOURCE: "source",
    names.TIME: "time_text",
    names.SUBJECT: "subject",
    names.SEQUENCE: "sequence",
    names.CORRELATION_ID: "correlation_id",
    names.CAUSATION_ID: "causation_id",
    names.DATASCHEMA: "dataschema",
    names.CONTENT_TYPE: "content_type",
    "Content-Type": "content_type",
    "contentType": "content_type",
    names.TRACEPARENT: "traceparent",
    names.TRACESTATE: "tracestate",
    names.BAGGAGE: "baggage",
}
_MAX_BYTES = {field: names.MAX_BYTES.get(name, 256) for name, field in _FIELDS.items()}
_MAX_BYTES["content_type"] = names.MAX_BYTES[names.CONTENT_TYPE]
_ALIAS = "alias"
_SHORT = 256  # values up to this length are read on the short path
_MAX_DIGITS = 19

_field_of = _FIELDS.get

Table = dict[str, tuple[str, int]]


@lru_cache(maxsize=64)
def _table(aliases: tuple[str, ...]) -> Table:
    """Header name -> (field, longest value); an alias of the correlation id maps to its own pseudo field."""
    table = dict.fromkeys(aliases, (_ALIAS, names.MAX_BYTES[names.CORRELATION_ID]))
    table.update({name: (field, _MAX_BYTES[field]) for name, field in _FIELDS.items()})
    return table


_DEFAULT_TABLE = _table(names.CORRELATION_ALIASES)


def read_headers(headers: Any, aliases: Sequence[str] = names.CORRELATION_ALIASES) -> Envelope:
    """Parse the headers of a record.

    Args:
        headers: The record's headers as the client hands them over: (name, value) pairs, or None.
        aliases: Other names for a correlation id, by preference.

    Returns:
        What they say; `Envelope.dropped` lists what was unusable.
    """
    envelope = Envelope()
    if not headers:
        return envelope
    fields: dict[str, str] = {}
    read, text = b"", ""
    try:
        for name, value in headers:
            field = _field_of(name)
            if field is not None:
                if value != read or not value:  # an event that starts a flow has its id in two headers
                    text = value.decode()
                    if not text.isprintable() or not 0 < len(value) <= _SHORT:
                        return _read_all(headers, aliases)
                    read = value
                if field in fields:
                    return _read_all(headers, aliases)
                fields[field] = text
        if "correlation_id" not in fields and len(fields) < len(headers):
            return _read_all(headers, aliases)
    except Exception:  # noqa: BLE001 - anything may come out of a broker; look again, more slowly
        return _read_all(headers, aliases)
    envelope.__dict__ = fields
    if "sequence" in fields:
        _read_sequence(envelope)
    return envelope


def _read_all(headers: Any, aliases: Sequence[str]) -> Envelope:
    """Like `read_headers`, for headers with duplicates, long values, aliases or something to drop."""
    default = aliases is names.CORRELATION_ALIASES
    table = _DEFAULT_TABLE if default else _table(tuple(aliases))
    envelope = Envelope()
    fields = envelope.__dict__
    others: dict[str, str] = {}
    try:
        for name, value in headers:
            entry = table.get(name)
            if entry is None:
                continue
            field, max_bytes = entry
            if len(value) > max_bytes:
                envelope.drop("length")
                continue
            text = value.decode()
            if not text or not text.isprintable():
                envelope.drop("value")
            elif field is _ALIAS:
                others[name] = text
            else:
                if field in fields:
                    envelope.drop("duplicate")
                fields[field] = text
    except Exception:  # noqa: BLE001 - look at each header alone
        return _read_carefully(headers, aliases, table)
    if others and envelope.correlation_id is None:
        fields["correlation_id"] = _first_alias(others, aliases)
    if "sequence" in fields:
        _read_sequence(envelope)
    return envelope


def _read_sequence(envelope: Envelope) -> None:
    text: Any = envelope.sequence
    envelope.sequence = None
    if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
        number = int(text)
        if number <= names.MAX_SEQUENCE:
            envelope.sequence = number
            return
    envelope.drop("value")


def _first_alias(found: dict[str, str], aliases: Sequence[str]) -> str | None:
    for name in aliases:
        # Spring's JSON header mapper writes strings with their quotes.
        text = found.get(name, "").strip('" ')
        if text:
            return text
    return None


def _read_carefully(headers: Any, aliases: Sequence[str], table: Table) -> Envelope:
    """Like `read_headers`, one header at a time, for lists in which something is wrong."""
    usable: list[tuple[str, bytes]] = []
    dropped: list[str] = []
    for item in _pairs(headers):
        try:
            name, value = item
            if name not in table or value is None:
                continue  # null is a legal header value and says nothing
            data = value.encode() if isinstance(value, str) else bytes(memoryview(value))
        except Exception:  # noqa: BLE001
            dropped.append("malformed")
            continue
        try:
            data[: table[name][1]].decode()
        except UnicodeDecodeError:
            dropped.append("length" if len(data) > table[name][1] else "encoding")
            continue
        usable.append((name, data))
    envelope = _read_all(usable, aliases) if usable else Envelope()
    envelope.dropped = (*dropped, *envelope.dropped)
    return envelope


def _pairs(headers: Any) -> list[Any]:
    """The items of whatever a client calls headers; nothing if it can't be iterated."""
    try:
        return list(headers.items()) if isinstance(headers, dict) else list(headers)
    except Exception:  # noqa: BLE001
        return [None]
