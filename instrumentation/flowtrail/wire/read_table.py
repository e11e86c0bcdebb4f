"""The shortest way from an AMQP table of headers to an envelope: what our own clients wrote, read at once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from flowtrail.wire import names
from flowtrail.wire.amqp import PREFIX, TIMESTAMP_MS, canonical
from flowtrail.wire.envelope import Envelope
from flowtrail.wire.names import STRUCTURED_MEDIA_TYPE

_SHORT = 256
_FIELDS = {
    f"{PREFIX}id": "id",
    f"{PREFIX}type": "type",
    f"{PREFIX}source": "source",
    f"{PREFIX}time": "time_text",
    f"{PREFIX}subject": "subject",
    f"{PREFIX}correlationid": "correlation_id",
    f"{PREFIX}causationid": "causation_id",
    f"{PREFIX}dataschema": "dataschema",
    names.TRACEPARENT: "traceparent",
    f"{PREFIX}specversion": "",  # in every message, and none of an envelope's
    TIMESTAMP_MS: "",
}
_field_of = _FIELDS.get


@lru_cache(maxsize=1024)
def _says_nothing(name: Any) -> bool:
    """Whether a header is none that `read_headers` looks at, or need not be looked at here."""
    known = canonical(name)
    return known == names.SPECVERSION or not (
        known in names.MAX_BYTES
        or known in names.CORRELATION_ALIASES
        or known in ("Content-Type", "contentType")
    )


def read_table(table: Mapping[str, Any] | None, content_type: Any) -> Envelope | None:
    """What a message says, as `from_amqp` and `read_headers` with the default aliases read it.

    Args:
        table: Its table of headers.
        content_type: AMQP's own property.

    Returns:
        None if that takes more care: other spellings, long or odd values, no correlation id of its own.
    """
    if not table:
        return None
    fields: dict[str, str] = {}
    try:
        for name, value in table.items():
            field = _field_of(name)
            if field:
                if type(value) is not str or not 0 < len(value) <= _SHORT:
                    return None
                if not value.isascii() or not value.isprintable():
                    return None
                fields[field] = value
            elif field is None and not _says_nothing(name):
                return None
        if "correlation_id" not in fields:
            return None
        if content_type is not None:
            if not content_type.isascii() or not content_type.isprintable() or not content_type:
                return None
            if content_type.lower().startswith(STRUCTURED_MEDIA_TYPE):
                return None
            fields["content_type"] = content_type
    except Exception:  # noqa: BLE001 - anything may come out of a broker; look again, more slowly
        return None
    envelope = Envelope()
    envelope.__dict__ = fields
    return envelope
