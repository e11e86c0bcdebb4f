"""The events of an instance as one column: `sagas.events`."""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

from flowtrail_collector.sagas.model.assessment import Mark, SagaEvents

__all__ = ["EVENT", "PYTHON", "VALUES", "Blobs", "blobs_by"]

EVENT = struct.Struct("<qqqH")  # id hash, time, cause hash, length of the type that follows
"""How an event begins in the column `events`."""
VALUES = 0x8000
"""Set in that length where names and values follow the type, each behind a zero character."""


class Blobs(NamedTuple):
    """How the events of an instance are written and read.

    Attributes:
        pack: From events to bytes.
        unpack: From bytes to events.
    """

    pack: Callable[[SagaEvents], bytes]
    unpack: Callable[[bytes], SagaEvents]


def _pack(events: SagaEvents) -> bytes:
    parts = []
    for event, mark in events.items():
        if len(mark) == 3:
            time_ms, kind, cause = mark
            name = kind.encode()
            parts.append(EVENT.pack(event, time_ms, cause, len(name)) + name)
            continue
        name = "\0".join([mark[1], *(text for pair in mark[3] for text in pair)]).encode()
        parts.append(EVENT.pack(event, mark[0], mark[2], len(name) | VALUES) + name)
    return b"".join(parts)


def _unpack(blob: bytes) -> SagaEvents:
    events: dict[int, Mark] = {}
    place = 0
    while place < len(blob):
        event, time_ms, cause, length = EVENT.unpack_from(blob, place)
        place += EVENT.size
        if length & VALUES:
            length ^= VALUES
            kind, *texts = blob[place : place + length].decode().split("\0")
            events[event] = (time_ms, kind, cause, tuple(zip(texts[::2], texts[1::2], strict=True)))
        else:
            events[event] = (time_ms, blob[place : place + length].decode(), cause)
        place += length
    return events


PYTHON = Blobs(_pack, _unpack)
"""Without anything compiled."""


def blobs_by(speedups: ModuleType | None) -> Blobs:
    """How the events of instances are written and read; see `flowtrail_collector.speedups`."""
    if speedups is None:
        return PYTHON
    compiled = speedups.Blobs(PYTHON)
    return Blobs(compiled.pack, compiled.unpack)
