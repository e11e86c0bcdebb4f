"""All that trails and lists are made of, read from the collector's database."""

from __future__ import annotations

from collections.abc import Sequence

from flowtrail_collector.dead_letters.sql.letters import DeadLetterReads
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.events.sql import EventReads
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.owners import StepOwners
from flowtrail_collector.sagas.sql.pages import SlowAnswer
from flowtrail_collector.sagas.sql.reads import SagaReads
from flowtrail_collector.store.sql import Database

__all__ = ["TrailReads"]


class TrailReads(EventReads, DeadLetterReads, SagaReads):
    """`TrailReader`, with the lists of sagas and dead letters.

    Args:
        database: The collector's database.
        flows: The flows of the flow file.

    Attributes:
        owner_of: Who should do a step, by the flow file or by who published lately.
    """

    def __init__(self, database: Database, flows: Flows) -> None:
        SagaReads.__init__(
            self,
            database,
            flows,
            owner_of=StepOwners(flows, self.publishers),
            pending_letters=self.pending_letters,
        )
        self._letter_values = SlowAnswer(self.read_letter_values)
        self._pending_count = SlowAnswer(self.read_pending_count)

    def count_pending(self) -> int:
        """See `DeadLetterLists.count_pending`."""
        return self._pending_count()

    def letter_values(self) -> dict[str, list[str]]:
        """See `DeadLetterLists.letter_values`."""
        return self._letter_values()

    def events_of_instances(self, keys: Sequence[str], limit: int) -> list[StoredEvent]:
        """Events of saga instances by their keys: correlation ids, or subjects where the flow says so."""
        found = self.events_by_correlation(keys, limit)
        if found or not self._flows.by_other_ids:
            return found
        return self._events("subject", keys, limit)
