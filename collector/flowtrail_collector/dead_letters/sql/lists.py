"""Lists of dead letters, and those of a flow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from flowtrail_collector.dead_letters.model.record import DeadLetterFilter, DeadLetterRow, TrailDeadLetter
from flowtrail_collector.dead_letters.model.redrive import Selection
from flowtrail_collector.dead_letters.sql.letters import where_of
from flowtrail_collector.store.sql import MAX_IDS, Reads, marks

__all__ = ["DeadLetterReads"]

_DEAD_LETTER = (
    "SELECT topic, partition, position, event_id, type, source_topic, consumer_group, attempts, error_type,"
    " error_message, coalesce(failed_ms, timestamp_ms), state, subject, correlation_id FROM dead_letters"
)


class DeadLetterReads(Reads):
    """`DeadLetterLists` on the collector's database, and dead letters by the ids of what they are copies of."""

    def dead_letters(self, event_ids: Sequence[str], limit: int) -> list[TrailDeadLetter]:
        """See `TrailReader.dead_letters`."""
        found: list[TrailDeadLetter] = []
        for at in range(0, len(event_ids), MAX_IDS):
            ids = event_ids[at : at + MAX_IDS]
            where = f" WHERE event_id IN ({marks(ids)}) LIMIT ?"
            found += [_letter(row).letter for row in self._rows(_DEAD_LETTER + where, [*ids, limit])]
        return found[:limit]

    def list_dead_letters(self, query: DeadLetterFilter) -> list[DeadLetterRow]:
        """See `DeadLetterLists.list_dead_letters`."""
        where, values = where_of(
            Selection(
                topic=query.topic,
                source_topic=query.source_topic,
                group=query.group,
                error_type=query.error_type,
                id=query.id,
                flow=query.flow,
                since_ms=query.since_ms,
                until_ms=query.until_ms,
                state=query.state,
            )
        )
        rows = self._rows(
            f"{_DEAD_LETTER} WHERE {where} ORDER BY timestamp_ms DESC, position DESC LIMIT ? OFFSET ?",
            [*values, query.limit, query.offset],
        )
        return [_letter(row) for row in rows]

    def pending_letters(self, correlation_ids: Sequence[str]) -> dict[str, list[TrailDeadLetter]]:
        """Pending dead letters of flows, by correlation id."""
        found: dict[str, list[TrailDeadLetter]] = defaultdict(list)
        for at in range(0, len(correlation_ids), MAX_IDS):
            ids = correlation_ids[at : at + MAX_IDS]
            where = f" WHERE correlation_id IN ({marks(ids)}) AND state = 'pending' LIMIT ?"
            for row in self._rows(_DEAD_LETTER + where, [*ids, 10 * MAX_IDS]):
                found[row[-1]].append(_letter(row).letter)
        return found


def _letter(row: tuple[Any, ...]) -> DeadLetterRow:
    return DeadLetterRow(TrailDeadLetter(*row[:12]), subject=row[12], correlation_id=row[13])
