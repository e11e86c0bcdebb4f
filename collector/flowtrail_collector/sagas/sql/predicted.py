"""Open instances that will probably miss a deadline: found by two columns that an index has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowtrail_collector.sagas.model.bands import Band
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.store.sql import Connection

__all__ = ["Bands", "count_predicted", "open_waiting", "predicted_condition"]

Bands = Mapping[tuple[str, str], Sequence[Band]]
"""By flow, and what the instances wait for, joined by commas."""
_WAITING = "SELECT DISTINCT flow, waiting FROM sagas WHERE outcome = 'open' AND started_ms IS NOT NULL AND waiting != ''"


def open_waiting(connection: Connection) -> list[tuple[str, str]]:
    """Flows, and what their open instances wait for, each once."""
    return [(flow, waiting) for flow, waiting in connection.execute(_WAITING).fetchall()]


def count_predicted(connection: Connection, flows: Flows, bands: Bands, now_ms: int) -> dict[str, int]:
    """How many instances of each flow will probably miss a deadline.

    Args:
        connection: To the store.
        flows: The flows of the flow file.
        bands: Where to look.
        now_ms: Up to when everything has been read.
    """
    found: dict[str, int] = {}
    for (flow, waiting), own in bands.items():
        for band in own:
            where, values = _within(flow, waiting, band, flows.by_name[flow].within_ms, now_ms)
            row = connection.execute(f"SELECT count(*) FROM sagas WHERE outcome = 'open' AND {where}", values)  # noqa: S608
            found[flow] = found.get(flow, 0) + row.fetchone()[0]
    return found


def predicted_condition(flows: Flows, bands: Bands, now_ms: int) -> tuple[str, list[object]]:
    """The condition that an open instance will probably miss a deadline."""
    select = (
        "SELECT flow, key FROM sagas WHERE outcome = 'open' AND "  # each of them walks a part of an index
    )
    parts: list[str] = []
    values: list[object] = []
    for (flow, waiting), own in bands.items():
        for band in own:
            where, more = _within(flow, waiting, band, flows.by_name[flow].within_ms, now_ms)
            parts.append(select + where)
            values += more
    return (f"(flow, key) IN ({' UNION ALL '.join(parts)})" if parts else "1 = 0"), values


def _within(
    flow: str, waiting: str, band: Band, within_ms: int | None, now_ms: int
) -> tuple[str, list[object]]:
    where = "(flow = ? AND waiting = ? AND waiting_since_ms <= ? AND started_ms IS NOT NULL"
    values: list[object] = [flow, waiting, now_ms - band.from_ms]
    if band.to_ms is not None:
        where += " AND waiting_since_ms > ?"
        values.append(now_ms - band.to_ms)
    if band.left_ms is not None and within_ms is not None:
        where += " AND started_ms > ? AND started_ms < ?"
        values += [now_ms - within_ms, now_ms - within_ms + band.left_ms]
    return where + ")", values
