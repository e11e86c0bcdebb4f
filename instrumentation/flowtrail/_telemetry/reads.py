"""Which contract a consumer reads, as its spans tell: who changes a contract wants to know who would break."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from flowtrail._telemetry import attributes
from flowtrail.wire import Envelope
from flowtrail.wire.dataschema import version_in

_MOST = 32


class Handled(Protocol):
    """A handling; see `Processing`."""

    @property
    def decodes(self) -> bool: ...

    envelope: Envelope


def read_of(envelope: Envelope, decodes: bool) -> str | None:
    """`TYPE/VERSION` of what was read; None if that is unknown, or nothing was read.

    Args:
        envelope: Of the message.
        decodes: Whether its data is made here. A program that does that itself reads it as it was written.
    """
    version = envelope.read_as if decodes else ""
    if version == "":
        version = version_in(envelope.type, envelope.dataschema)
    # It comes from a record.
    usable = version is not None and version.isascii() and version.isdecimal() and len(version) <= 9
    return f"{envelope.type}/{version}" if usable else None


def of_message(envelope: Envelope, decodes: bool) -> dict[str, str]:
    """What the span of one message says."""
    read = read_of(envelope, decodes)
    if read is None:
        return {}
    if envelope.contracts is None:
        return {attributes.READS: read}
    return {attributes.READS: read, attributes.CONTRACTS: envelope.contracts}


def of_batch(items: Iterable[Handled]) -> dict[str, Any]:
    """What the span of a batch says."""
    envelopes = [(item.envelope, item.decodes) for item in items]
    found = sorted({read for each in envelopes if (read := read_of(*each)) is not None})
    if not found:
        return {}
    contracts = next((envelope.contracts for envelope, _ in envelopes if envelope.contracts), None)
    said: dict[str, Any] = {attributes.READS: found[:_MOST]}
    return said if contracts is None else {**said, attributes.CONTRACTS: contracts}
