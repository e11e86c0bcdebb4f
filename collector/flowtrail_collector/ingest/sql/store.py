"""The store's port on SQL: what does not differ between databases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flowtrail_collector.errors import OtherClusterError
from flowtrail_collector.events.model import Advance, EventRow, Position, Seen
from flowtrail_collector.metrics.counts import Counts
from flowtrail_collector.sagas.model.followed import Followed
from flowtrail_collector.sagas.model.histories import History
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.ports import SagaFigures
from flowtrail_collector.sagas.sql import followed, rules
from flowtrail_collector.sagas.sql.figures import read_figures
from flowtrail_collector.sagas.sql.histories import newest_ended, read_histories
from flowtrail_collector.sagas.sql.rows import read_sagas
from flowtrail_collector.store.counters import read_counters
from flowtrail_collector.store.packs.reading import oldest_pack
from flowtrail_collector.store.sql import Reads

__all__ = ["POSITION_COLUMNS", "SqlStore", "position_row"]

POSITION_COLUMNS = ", ".join(("topic", "partition", "next_offset", "watermark_ms", *Seen._fields))
"""In the order of `position_row`."""
_NOTHING = Seen()
_REMEMBER_TOPIC = "INSERT INTO topics VALUES (?, ?) ON CONFLICT (topic) DO UPDATE SET id = excluded.id"


def position_row(advance: Advance, seen: Mapping[tuple[str, int], Seen]) -> tuple[object, ...]:
    """Where a partition stands, and what was read on the way there."""
    topic, partition, _, next_offset, watermark_ms = advance
    return (topic, partition, next_offset, watermark_ms, *seen.get((topic, partition), _NOTHING))


class SqlStore(Reads):
    """What is the same for every database; a subclass adds `unit`.

    Args:
        database: Where the tables are.
    """

    _cluster: str | None = None

    def belong_to(self, cluster: str | None) -> None:
        """See `Store.belong_to`."""
        if not cluster or cluster == self._cluster:
            return
        with self._database.transaction() as connection:
            known = connection.execute("SELECT id FROM cluster").fetchone()
            if known is None:
                connection.execute("INSERT INTO cluster VALUES (?)", (cluster,))
            elif known[0] != cluster:
                raise OtherClusterError(self._database.name, known[0], cluster)
        self._cluster = cluster

    def positions(self) -> dict[tuple[str, int], Position]:
        """See `Store.positions`."""
        rows = self._rows("SELECT topic, partition, next_offset, watermark_ms FROM positions")
        return {(topic, partition): Position(*rest) for topic, partition, *rest in rows}

    def watermark_ms(self) -> int | None:
        """See `SagaStore.watermark_ms`."""
        ((least,),) = self._rows("SELECT min(watermark_ms) FROM positions")
        return None if least is None else int(least)

    def forget_topics(self, ids: Mapping[str, str | None]) -> None:
        """See `Store.forget_topics`."""
        with self._database.transaction() as connection:
            known = dict(connection.execute("SELECT topic, id FROM topics").fetchall())
            gone = [(topic,) for topic, identity in ids.items() if known.get(topic) == identity]
            for table in ("positions", "topics"):
                connection.executemany(f"DELETE FROM {table} WHERE topic = ?", gone)  # noqa: S608 - our own names
            # They went with their topic. Should it be read anew after all, the pending ones are so again.
            connection.executemany("DELETE FROM dead_letters WHERE topic = ? AND state = 'pending'", gone)

    def topic_ids(self) -> dict[str, str]:
        """See `Store.topic_ids`."""
        return dict(self._rows("SELECT topic, id FROM topics"))

    def remember_topic_ids(self, ids: Mapping[str, str]) -> None:
        """See `Store.remember_topic_ids`."""
        with self._database.transaction() as connection:
            for table in ("positions", "dead_letters"):
                # Other records stand at the same offsets now: what was known of the old ones would hide them.
                connection.executemany(
                    f"DELETE FROM {table} WHERE topic = ? AND topic IN (SELECT topic FROM topics WHERE id != ?)",  # noqa: S608
                    list(ids.items()),
                )
            connection.executemany(_REMEMBER_TOPIC, list(ids.items()))

    def saga_figures(self) -> SagaFigures:
        """See `Store.saga_figures`."""
        with self._database.read() as connection:
            return read_figures(connection)

    def known_rules(self) -> dict[str, str]:
        """See `SagaStore.known_rules`."""
        with self._database.read() as connection:
            return rules.known_rules(connection)

    def flows_with_open_sagas(self) -> list[str]:
        """See `SagaStore.flows_with_open_sagas`."""
        with self._database.read() as connection:
            return rules.flows_with_open(connection)

    def begin_rules(self, of_flows: Mapping[str, str]) -> None:
        """See `SagaStore.begin_rules`."""
        with self._database.transaction() as connection:
            rules.begin_rules(connection, of_flows)

    def follow(self, types_of: Mapping[str, Iterable[str]]) -> None:
        """See `SagaStore.follow`."""
        newest_row = self._database.newest_event_row()
        with self._database.transaction() as connection:
            followed.follow(connection, types_of, newest_row)

    def followed(self) -> Followed:
        """See `FoldStore.followed`."""
        with self._database.read() as connection:
            return followed.read_followed(connection)

    def first_row_since(self, since_ms: int) -> int | None:
        """See `FoldStore.first_row_since`."""
        with self._database.read() as connection:
            return followed.first_row_since(connection, since_ms)

    def oldest_event_ms(self) -> int | None:
        """When the first of the events read first was recorded, None if there are none."""
        with self._database.read() as connection:
            pack = oldest_pack(connection)
        return None if pack is None else min(pack.moments())

    def newest_event_row(self) -> int:
        """See `FoldStore.newest_event_row`."""
        return self._database.newest_event_row()

    def events(self, types: Sequence[str], rows: tuple[int, int], limit: int) -> list[tuple[int, EventRow]]:
        """See `FoldStore.events`."""
        with self._database.read() as connection:
            return followed.page_of_events(connection, types, rows, limit)

    def open_records(self, flow: str, after: str, limit: int) -> list[SagaRecord]:
        """See `SagaStore.open_records`."""
        where = "flow = ? AND key > ? AND outcome || '' IN ('open', 'retired') ORDER BY flow, key"
        with self._database.read() as connection:
            return read_sagas(connection, where, (flow, after), limit)

    def histories(self, flow: str, shape: str) -> list[History]:
        """See `SagaStore.histories`."""
        with self._database.read() as connection:
            return read_histories(connection, flow, shape)

    def newest_ended(self, flow: str, limit: int) -> list[SagaRecord]:
        """See `SagaStore.newest_ended`."""
        with self._database.read() as connection:
            return newest_ended(connection, flow, limit)

    def counters(self, prefix: str) -> Counts:
        """See `Store.counters`."""
        with self._database.read() as connection:
            return read_counters(connection, prefix)

    def pending_dead_letters(self) -> list[tuple[str, str, str, int, int | None]]:
        """See `Store.pending_dead_letters`."""
        rows = self._rows(
            "SELECT topic, coalesce(source_topic, ''), coalesce(consumer_group, ''), count(*),"
            " min(timestamp_ms) FROM dead_letters WHERE state = 'pending' GROUP BY 1, 2, 3"
        )
        return [(topic, source, group, count, oldest) for topic, source, group, count, oldest in rows]

    def size_bytes(self) -> int:
        """See `Store.size_bytes`."""
        return self._database.size_bytes()
