"""Open instances at a glance: a whole flow's are looked through without an object for each of their events."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flowtrail_collector.sagas.model.instance import late_steps
from flowtrail_collector.sagas.model.shapes import Looked, OpenSagas
from flowtrail_collector.sagas.sql.blobs import EVENT, VALUES
from flowtrail_collector.sagas.sql.rows import LATE, names_in
from flowtrail_collector.store.sql import Connection

__all__ = ["GLANCES", "glances_of", "note", "retire", "standing_rows"]

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
_LENGTH = 2  # bytes, the last of what is before an event's type

_Row = Sequence[Any]
_layouts: dict[int, list[tuple[struct.Struct, tuple[bytes, ...], tuple[str, ...]]]] = {}
_seen: set[tuple[bytes, ...]] = set()


def glances_of(rows: Iterable[_Row]) -> list[OpenSagas]:
    """Rows of `GLANCES`, those together that are alike."""
    alike: dict[tuple[Any, ...], list[_Row]] = {}
    for row in rows:
        alike.setdefault((row[1], row[3], row[6], row[7], len(row[8])), []).append(row)
    return [found for same in alike.values() for found in _told_apart(same)]


def note(connection: Connection, flow: str, looked: Looked) -> None:
    """See `SagaUnit.note_open`."""
    if looked.due:  # one index instead of four is written
        connection.executemany(_DEADLINE, [(due_ms, flow, key) for due_ms, key in looked.due])
    if looked.standings:
        connection.executemany(_STANDING, [(*values, flow, key) for *values, key in standing_rows(looked)])


def standing_rows(looked: Looked) -> Iterator[tuple[Any, ...]]:
    """What is written of those that stand otherwise: waiting, since when, next look, missed, flags; then the key."""
    for (_, waiting, since_ms, due_ms, breached), key in looked.standings:
        flags = LATE if late_steps(waiting, breached) else 0
        yield ",".join(waiting), since_ms, due_ms, ",".join(breached), flags, key


def retire(connection: Connection, flow: str, keys: tuple[str, str], watermark_ms: int) -> None:
    """See `SagaUnit.retire_open`."""
    connection.execute(_RETIRE, (watermark_ms, flow, *keys))


def _told_apart(rows: Sequence[_Row]) -> Iterator[OpenSagas]:
    """Rows whose events take as many bytes; nearly always they are of the same types."""
    blobs = [row[8] for row in rows]
    for layout, names, kinds in _layouts.get(len(blobs[0]), ()):
        if layout.unpack(blobs[0])[1::2] == names:
            columns = tuple(zip(*layout.iter_unpack(b"".join(blobs)), strict=True))
            if all(
                column.count(name) == len(rows) for column, name in zip(columns[1::2], names, strict=True)
            ):
                yield _at_a_glance(rows, kinds, columns[::2], valued=False)
                return
    apart: dict[tuple[tuple[str, ...], bool], list[tuple[_Row, tuple[int, ...]]]] = {}
    for row in rows:
        kinds, moments, valued = _read(row[8])
        apart.setdefault((kinds, valued), []).append((row, moments))
    for (kinds, valued), found in apart.items():
        moments_of = tuple(zip(*[moments for _, moments in found], strict=True))
        yield _at_a_glance([row for row, _ in found], kinds, moments_of, valued=valued)


def _at_a_glance(
    rows: Sequence[_Row], kinds: tuple[str, ...], moments: Sequence[Sequence[int]], *, valued: bool
) -> OpenSagas:
    keys, outcomes, started, waiting, since, due, breached, flags, _ = zip(*rows, strict=True)
    quiet = outcomes[0] == "open" and flags[0] in _QUIET
    return OpenSagas(
        keys, started, since, due, names_in(waiting[0]), names_in(breached[0]), quiet, kinds, moments, valued
    )


def _read(events: bytes) -> tuple[tuple[str, ...], tuple[int, ...], bool]:
    """Types and moments of an instance's events, as they are kept, and whether values are kept with any."""
    kinds, moments, names, valued = [], [], [], False
    place = 0
    while place < len(events):
        _, time_ms, _, length = EVENT.unpack_from(events, place)
        begin, place = place + EVENT.size, place + EVENT.size + (length & ~VALUES)
        valued = valued or length & VALUES != 0
        kinds.append(events[begin:place].partition(b"\0")[0].decode())
        moments.append(time_ms)
        names.append(events[begin - _LENGTH : place])
    if names and not valued and tuple(names) not in _seen and len(_seen) < _MAX_LAYOUTS:
        _seen.add(tuple(names))
        # Of each event the moment, and its type with the length before it.
        layout = struct.Struct("<" + "".join(f"8xq8x{len(name)}s" for name in names))
        _layouts.setdefault(len(events), []).append((layout, tuple(names), tuple(kinds)))
    return tuple(kinds), tuple(moments), valued
