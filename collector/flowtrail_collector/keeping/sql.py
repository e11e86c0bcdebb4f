"""Trails on the collector's database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from flowtrail_collector.dead_letters.sql.letters import flows_with_letters
from flowtrail_collector.errors import StoreConflictError
from flowtrail_collector.events.forgetting import FlowEvents
from flowtrail_collector.keeping.ports import Parts, Place
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.sql import ended
from flowtrail_collector.sagas.sql.rows import load
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.sql import Connection, Database

__all__ = ["Sparing", "SqlKeeping", "SqlParts"]


class SqlParts:
    """`Parts` within a transaction.

    Args:
        connection: Of the transaction.
        spans: Forgets spans.
    """

    def __init__(self, connection: Connection, spans: SqlSpans) -> None:
        self._connection = connection
        self._spans = spans
        self._events = FlowEvents(connection)

    def ended(self, outcome: str, after: Place, before_ms: int, limit: int) -> list[SagaRecord]:
        """See `Parts.ended`."""
        return ended.ended(self._connection, outcome, after, before_ms, limit)

    def load(self, keys: Iterable[SagaKey]) -> list[SagaRecord]:
        """See `Parts.load`."""
        return list(load(self._connection, keys).values())

    def sagas_of_keys(self, keys: Collection[str]) -> list[SagaRecord]:
        """See `Parts.sagas_of_keys`."""
        return ended.of_keys(self._connection, keys)

    def sagas_of_subjects(self, subjects: Collection[str], flows: Collection[str]) -> list[SagaRecord]:
        """See `Parts.sagas_of_subjects`."""
        return ended.of_subjects(self._connection, subjects, flows)

    def subjects_of(self, ids: Collection[str]) -> set[str]:
        """See `Parts.subjects_of`."""
        return self._events.subjects_of(ids)

    def ids_of(self, subjects: Collection[str]) -> dict[str, set[str]]:
        """See `Parts.ids_of`."""
        return self._events.flows_of_subjects(subjects)

    def with_letters(self, ids: Collection[str]) -> set[str]:
        """See `Parts.with_letters`."""
        return flows_with_letters(self._connection, ids)

    def in_use(self, ids: Collection[str]) -> set[str]:
        """See `Parts.in_use`."""
        return self._events.in_use(ids)

    def forget(self, ids: Collection[str], sagas: Sequence[SagaRecord]) -> None:
        """See `Parts.forget`."""
        # Instances first: another worker that moves one of them meanwhile is waited for, and its news count.
        if not ended.forget(self._connection, sagas):
            raise StoreConflictError("an instance that was to be forgotten has moved")
        traces = self._events.traces_of(ids) | self._spans.traces_with(self._connection, ids)
        flows = self._events.flows_of_traces(traces)
        own = {trace for trace in traces if flows.get(trace, set()).issubset(ids)}
        self._events.forget(ids)
        self._spans.forget_traces(self._connection, own, ids)


class SqlKeeping:
    """`Keeping` on the collector's database.

    Args:
        database: The collector's database.
        spans: Forgets spans.
    """

    def __init__(self, database: Database, spans: SqlSpans) -> None:
        self._database = database
        self._spans = spans

    @contextmanager
    def read(self) -> Iterator[Parts]:
        """See `Keeping.read`."""
        with self._database.read() as connection:
            yield SqlParts(connection, self._spans)

    @contextmanager
    def write(self) -> Iterator[Parts]:
        """See `Keeping.write`."""
        with self._database.transaction() as connection:
            yield SqlParts(connection, self._spans)


class Sparing:
    """Tells those who delete by age what stays, within their transactions.

    Args:
        spare: Those of some correlation ids whose trails stay.
        spans: See `SqlParts`.
    """

    def __init__(self, spare: Callable[[Parts, Collection[str]], set[str]], spans: SqlSpans) -> None:
        self._spare = spare
        self._spans = spans

    def flows(self, connection: Connection, ids: Collection[str]) -> set[str]:
        """Those of these correlation ids whose events stay."""
        return self._spare(SqlParts(connection, self._spans), ids)

    def traces(self, connection: Connection, named: Mapping[str, set[str]]) -> set[str]:
        """Those of these traces whose spans stay.

        Args:
            connection: Of the transaction.
            named: By trace, the correlation ids that its spans name.
        """
        by_events = FlowEvents(connection).flows_of_traces(named)
        flows = {
            trace: ids.union(flow for flow in by_events.get(trace, ()) if flow is not None)
            for trace, ids in named.items()
        }
        kept = self.flows(connection, {flow for ids in flows.values() for flow in ids})
        return {trace for trace, ids in flows.items() if not ids.isdisjoint(kept)}
