"""Open instances at a glance: a whole flow's are looked through without an object for each of their events."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

from flowtrail_collector.sagas.model.instance import late_steps
from flowtrail_collector.sagas.model.shapes import OpenSaga, Standing
from flowtrail_collector.sagas.sql.rows import EVENT, LATE, VALUES, names_in
from flowtrail_collector.store.sql import Connection

__all__ = ["GLANCES", "glance_of", "note", "retire"]

# An expression instead of the column keeps SQLite to the primary key: no page of keys needs a sort.
GLANCES = """SELECT key, outcome, started_ms, waiting, waiting_since_ms, next_deadline_ms, breached, flags, events
 FROM sagas WHERE flow = ? AND key > ? AND outcome || '' IN ('open', 'retired') ORDER BY flow, key LIMIT ?"""
_DEADLINE = "UPDATE sagas SET next_deadline_ms = ? WHERE flow = ? AND key = ?"
_STANDING = """UPDATE sagas SET waiting = ?, waiting_since_ms = ?, next_deadline_ms = ?, breached = ?,
 flags = ? WHERE flow = ? AND key = ?"""
_RETIRE = """UPDATE sagas SET outcome = 'retired', ended_ms = ?, next_deadline_ms = NULL, waiting = '',
 waiting_since_ms = NULL, flags = flags & 7 WHERE flow = ? AND key > ? AND key <= ? AND outcome || '' = 'open'"""
_QUIET = (0, LATE)
_MAX_LAYOUTS = 2_000

_Names = tuple[bytes, ...]
_layouts: dict[int, list[tuple[struct.Struct, tuple[int, ...]]]] = {}
_kinds: dict[_Names, tuple[str, ...]] = {}


def glance_of(row: Sequence[Any]) -> OpenSaga:
    """A row of `GLANCES`."""
    key, outcome, started_ms, waiting, since_ms, next_ms, breached, flags, events = row
    kinds, moments, valued = _read(events)
    standing = Standing(started_ms, names_in(waiting), since_ms, next_ms, names_in(breached))
    return OpenSaga(key, standing, outcome == "open" and flags in _QUIET, kinds, moments, valued)


def note(connection: Connection, flow: str, changed: Iterable[tuple[OpenSaga, Standing]]) -> None:
    """See `SagaUnit.note_open`."""
    deadlines: list[tuple[object, ...]] = []
    standings: list[tuple[object, ...]] = []
    for saga, standing in changed:
        _, waiting, since_ms, next_ms, breached = standing
        if saga.standing._replace(next_deadline_ms=next_ms) == standing:
            deadlines.append((next_ms, flow, saga.key))  # one index instead of four is written
        else:
            flags = LATE if late_steps(waiting, breached) else 0
            values = (",".join(waiting), since_ms, next_ms, ",".join(breached), flags)
            standings.append((*values, flow, saga.key))
    if deadlines:
        connection.executemany(_DEADLINE, deadlines)
    if standings:
        connection.executemany(_STANDING, standings)


def retire(connection: Connection, flow: str, keys: tuple[str, str], watermark_ms: int) -> None:
    """See `SagaUnit.retire_open`."""
    connection.execute(_RETIRE, (watermark_ms, flow, *keys))


def _read(events: bytes) -> tuple[tuple[str, ...], tuple[int, ...], bool]:
    """Types and moments of an instance's events, as they are kept, and whether values are kept with any."""
    for layout, lengths in _layouts.get(len(events), ()):
        values = layout.unpack(events)
        if values[3::5] == lengths:
            names = values[4::5]
            kinds = _kinds.get(names)
            if kinds is None:
                kinds = tuple(name.decode() for name in names)
                if len(_kinds) < _MAX_LAYOUTS:
                    _kinds[names] = kinds
            return kinds, values[1::5], False
    return _read_anew(events)


def _read_anew(events: bytes) -> tuple[tuple[str, ...], tuple[int, ...], bool]:
    """The same for events whose types have other lengths than all that were seen, and for those with values."""
    kinds, moments, lengths, valued = [], [], [], False
    place = 0
    while place < len(events):
        _, time_ms, _, length = EVENT.unpack_from(events, place)
        place += EVENT.size
        if length & VALUES:
            length, valued = length ^ VALUES, True
        kinds.append(events[place : place + length].partition(b"\0")[0].decode())
        moments.append(time_ms)
        lengths.append(length)
        place += length
    if not valued and len(_layouts) < _MAX_LAYOUTS:
        layout = struct.Struct("<" + "".join(f"{EVENT.format[1:]}{length}s" for length in lengths))
        _layouts.setdefault(len(events), []).append((layout, tuple(lengths)))
    return tuple(kinds), tuple(moments), valued
