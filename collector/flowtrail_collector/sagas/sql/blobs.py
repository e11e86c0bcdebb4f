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


_HEAD, _LENGTH = "qqq", 2  # what of `EVENT` differs from event to event, and the bytes of the length

# Most instances of a flow have events of the same types in the same order: such blobs are read in one go. Layouts by
# how many bytes they have; names as they lie in there, each with its length before it, and the types that they are.
_layouts: dict[int, list[struct.Struct]] = {}
_kinds: dict[tuple[bytes, ...], tuple[str, ...]] = {}
_MAX_EVENTS = 20
_MAX_BYTES = 2_000
_MAX_LAYOUTS = 3  # of one number of bytes
_MAX_KINDS = 2_000


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
    for layout in _layouts.get(len(blob), ()):
        fields = layout.unpack(blob)
        kinds = _kinds.get(fields[3::4])
        if kinds is not None:
            return dict(zip(fields[::4], zip(fields[1::4], kinds, fields[2::4], strict=True), strict=True))
    return _unpacked_one_by_one(blob)


def _unpacked_one_by_one(blob: bytes) -> SagaEvents:
    events: dict[int, Mark] = {}
    names, kinds, valued, place = [], [], False, 0
    while place < len(blob):
        event, time_ms, cause, length = EVENT.unpack_from(blob, place)
        begin = place + EVENT.size
        place = begin + (length & ~VALUES)
        kind = blob[begin:place].decode()
        if length & VALUES:
            valued = True
            kind, *texts = kind.split("\0")
            events[event] = (time_ms, kind, cause, tuple(zip(texts[::2], texts[1::2], strict=True)))
        else:
            events[event] = (time_ms, kind, cause)
        names.append(blob[begin - _LENGTH : place])
        kinds.append(kind)
    if names and not valued:
        _learn(len(blob), tuple(names), tuple(kinds))
    return events


def _learn(size: int, names: tuple[bytes, ...], kinds: tuple[str, ...]) -> None:
    if len(names) > _MAX_EVENTS or size > _MAX_BYTES or len(_kinds) >= _MAX_KINDS:
        return
    written = "<" + "".join(f"{_HEAD}{len(name)}s" for name in names)
    same_size = _layouts.setdefault(size, [])
    if all(layout.format != written for layout in same_size):
        if len(same_size) >= _MAX_LAYOUTS:
            return
        same_size.append(struct.Struct(written))
    _kinds[names] = kinds


PYTHON = Blobs(_pack, _unpack)
"""Without anything compiled."""


def blobs_by(speedups: ModuleType | None) -> Blobs:
    """How the events of instances are written and read; see `flowtrail_collector.speedups`."""
    if speedups is None:
        return PYTHON
    compiled = speedups.Blobs(PYTHON)
    return Blobs(compiled.pack, compiled.unpack)
