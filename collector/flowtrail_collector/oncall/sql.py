"""Troubles in the collector's database, so that a restart forgets none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from flowtrail_collector.oncall.model import Change, Kind, Place
from flowtrail_collector.oncall.troubles import Trouble
from flowtrail_collector.store.sql import Reads

__all__ = ["SqlTroubles"]

_LOAD = "SELECT noticed_ms, ended_ms, body FROM oncall_troubles WHERE seen_ms >= ?"
_FORGET = "DELETE FROM oncall_troubles"
_SAVE = """INSERT INTO oncall_troubles (kind, name, noticed_ms, ended_ms, seen_ms, body) VALUES (?, ?, ?, ?, ?, ?)
 ON CONFLICT (kind, name) DO NOTHING"""


class SqlTroubles(Reads):
    """`Keeper` on the collector's database. Of several workers the one that wrote last is remembered."""

    def troubles(self, since_ms: int) -> Sequence[Trouble]:
        """See `Keeper.troubles`."""
        return [
            Trouble(_change(json.loads(body)), noticed_ms, ended_ms)
            for noticed_ms, ended_ms, body in self._rows(_LOAD, (since_ms,))
        ]

    def keep(self, troubles: Iterable[Trouble], now_ms: int) -> None:
        """See `Keeper.keep`."""
        rows = [
            (
                each.change.kind.value, json.dumps(each.change.name), each.noticed_ms, each.ended_ms, now_ms,
                json.dumps(_body(each.change)),
            )
            for each in troubles
        ]  # fmt: skip
        with self._database.transaction() as connection:
            connection.execute(_FORGET)
            connection.executemany(_SAVE, rows)


def _body(change: Change) -> dict[str, Any]:
    because = change.because
    return {
        "kind": change.kind.value,
        "name": change.name,
        "text": change.text,
        "page": change.next.page,
        "command": change.next.command,
        "touched": change.touched,
        "of": change.of,
        "since_ms": change.since_ms,
        "trail": change.trail,
        "because": None if because is None else [because[0].value, because[1]],
        "quiet": change.quiet,
        "about": change.about,
    }


def _change(body: dict[str, Any]) -> Change:
    because = body["because"]
    return Change(
        Kind(body["kind"]),
        tuple(body["name"]),
        body["text"],
        Place(body["page"], body["command"]),
        body["touched"],
        body["of"],
        body["since_ms"],
        body["trail"],
        None if because is None else (Kind(because[0]), tuple(because[1])),
        quiet=body["quiet"],
        about=tuple((name, text) for name, text in body.get("about", ())),
    )
