"""Lists of dead letters, and those of a flow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from flowtrail_collector.dead_letters.model.letter import DeadLetter, Selection
from flowtrail_collector.dead_letters.sql.letters import COLUMNS, where_of
from flowtrail_collector.store.sql import MAX_IDS, Reads, marks

__all__ = ["DeadLetterReads"]


class DeadLetterReads(Reads):
    """`DeadLetterLists` on the collector's database, and dead letters by the ids of what they are copies of."""

    def dead_letters(self, event_ids: Sequence[str], limit: int) -> list[DeadLetter]:
        """See `TrailReader.dead_letters`."""
        found: list[DeadLetter] = []
        for at in range(0, len(event_ids), MAX_IDS):
            ids = event_ids[at : at + MAX_IDS]
            found += self._letters(f"event_id IN ({marks(ids)}) LIMIT ?", [*ids, limit])
        return found[:limit]

    def list_dead_letters(self, selection: Selection, limit: int, offset: int = 0) -> list[DeadLetter]:
        """See `DeadLetterLists.list_dead_letters`."""
        where, values = where_of(selection)
        return self._letters(
            f"{where} ORDER BY timestamp_ms DESC, position DESC LIMIT ? OFFSET ?", [*values, limit, offset]
        )

    def pending_letters(self, correlation_ids: Sequence[str]) -> dict[str, list[DeadLetter]]:
        """Pending dead letters of flows, by correlation id."""
        found: dict[str, list[DeadLetter]] = defaultdict(list)
        for at in range(0, len(correlation_ids), MAX_IDS):
            ids = correlation_ids[at : at + MAX_IDS]
            where = f"correlation_id IN ({marks(ids)}) AND state = 'pending' LIMIT ?"
            for letter in self._letters(where, [*ids, 10 * MAX_IDS]):
                found[letter.correlation_id or ""].append(letter)
        return found

    def _letters(self, where: str, values: Sequence[Any]) -> list[DeadLetter]:
        rows = self._rows(f"SELECT {COLUMNS} FROM dead_letters WHERE {where}", values)  # noqa: S608
        return [DeadLetter(*row) for row in rows]
