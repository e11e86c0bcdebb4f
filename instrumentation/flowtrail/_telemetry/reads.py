"""Which contract a consumer reads, as its spans tell: who changes a contract wants to know who would break."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Protocol

from flowtrail._telemetry import attributes
from flowtrail.wire import Envelope
from flowtrail.wire.dataschema import version_in

_MOST = 32
_MOST_DIGITS = 9


class Handled(Protocol):
    """A handling; see `Processing`."""

    @property
    def decodes(self) -> bool: ...

    envelope: Envelope


Said = tuple[tuple[str, str], ...]


@lru_cache(maxsize=1024)
def _said(type: str | None, version: str | None, dataschema: str | None, contracts: str | None) -> Said:
    """Attributes of a span; messages repeat each other, so they are worked out once."""
    if version == "":
        version = version_in(type, dataschema)
    # It comes from a record.
    if version is None or not (version.isascii() and version.isdecimal() and len(version) <= _MOST_DIGITS):
        return ()
    read = (attributes.READS, f"{type}/{version}")
    return (read,) if contracts is None else (read, (attributes.CONTRACTS, contracts))


def of_message(envelope: Envelope, decodes: bool) -> Said:
    """What the span of one message says: `TYPE/VERSION`; nothing where that is unknown, or nothing was read.

    Args:
        envelope: Of the message.
        decodes: Whether its data is made here. A program that does that itself reads it as it was written.
    """
    version = envelope.read_as if decodes else ""
    if not version and envelope.dataschema is None:
        return ()
    return _said(envelope.type, version, envelope.dataschema, envelope.contracts)


def of_batch(items: Iterable[Handled]) -> dict[str, Any]:
    """What the span of a batch says."""
    found = {pair for item in items for pair in of_message(item.envelope, item.decodes)}
    reads = sorted(value for name, value in found if name == attributes.READS)
    if not reads:
        return {}
    contracts = [pair for pair in found if pair[0] == attributes.CONTRACTS]
    return {attributes.READS: reads[:_MOST], **dict(contracts)}
