"""How far every partition was read, the same here as in the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal

from flowtrail_collector.broker_names import RABBITMQ
from flowtrail_collector.events.model import Advance, Position
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.ingest.ports import Store
from flowtrail_collector.ingest.service import Batch, Ingest

__all__ = ["EARLIEST", "LATEST", "Place", "Positions", "Start"]

EARLIEST: Final = "earliest"
LATEST: Final = "latest"
Place = tuple[str, int]
Start = Literal["earliest", "latest"] | float


def _kafkas(positions: Mapping[Place, Position]) -> dict[Place, Position]:
    """Those of Kafka's topics: a stream of RabbitMQ that the store knows, too, is read elsewhere."""
    return {place: position for place, position in positions.items() if not place[0].startswith(RABBITMQ)}


class Positions(dict[Place, Position]):
    """Positions by (topic, partition), and the ids of topics.

    Args:
        ingest: Moves positions together with what was read.
        store: Where they are kept.
        start: Where to begin in what was there before the store: `earliest`, `latest`, or an age in seconds.

    Attributes:
        up_to_date: Whether they can be trusted: if not, another worker may have moved them.
        store_fails: That the store can be read doesn't mean that it can be written.
    """

    def __init__(self, ingest: Ingest, store: Store, start: Start) -> None:
        super().__init__()
        self._ingest = ingest
        self._store = store
        self._ids: dict[str, str] = {}
        self.start: Start = start
        self.up_to_date = False
        self.store_fails = False

    @property
    def topics(self) -> set[str]:
        """Topics with positions."""
        return {topic for topic, _ in self}

    def next_offsets(self, places: Iterable[Place]) -> dict[Place, int]:
        """The next offset of each of these partitions."""
        return {place: self[place].next_offset for place in places}

    def load(self) -> None:
        """Take over what the store says."""
        stored = _kafkas(self._store.positions())
        self.clear()
        self.update(stored)
        self._ids = self._store.topic_ids()
        if self or any(not topic.startswith(RABBITMQ) for topic in self._ids):
            self.start = EARLIEST  # a restart: what is new appeared meanwhile
        self.up_to_date = True

    def unknown(self, there: Collection[Place]) -> list[Place]:
        """Those of the partitions that nobody has begun to read."""
        if not self.keys() >= set(there):
            for place, position in _kafkas(
                self._store.positions()
            ).items():  # another worker may have been quicker
                self.setdefault(place, position)
        return sorted(set(there) - self.keys())

    def begin(self, offsets: Mapping[Place, int]) -> None:
        """Note where to begin in partitions that nobody has begun to read."""
        if offsets:
            self._ingest.apply((), [Advance(*place, None, offset, 0) for place, offset in offsets.items()])
            self.update({place: Position(offset, 0) for place, offset in offsets.items()})
        # From now on, what appears is read from its beginning: nothing of it was there before.
        self.start = EARLIEST

    def read(self, records: Sequence[Incoming], batch: Batch) -> None:
        """Read records into a batch that `move` writes."""
        self._ingest.read(records, batch)

    def move(self, positions: Mapping[Place, Position], batch: Batch | None = None) -> None:
        """Move on, together with taking in what was read.

        Raises:
            FencedError: Somebody else has moved one of them.
            StoreError: The store refused.
        """
        advances = [
            Advance(*place, self[place].next_offset, *position) for place, position in positions.items()
        ]
        self._ingest.write(batch or Batch(), advances)
        self.update(positions)
        self.store_fails = False

    def of_cluster(self, cluster: str | None) -> None:
        """Go on only if they are of the cluster that answers.

        Raises:
            OtherClusterError: They are of another one.
        """
        self._store.belong_to(cluster)

    def forget_deleted(self, topics: Collection[str]) -> None:
        """Make the store forget topics that are gone."""
        self._store.forget_topics({topic: self._ids.get(topic) for topic in sorted(topics)})

    def note_ids(self, ids: Mapping[str, str]) -> set[str]:
        """Note the ids of topics; gives those that had another one before."""
        changed = {topic: identity for topic, identity in ids.items() if self._ids.get(topic) != identity}
        if not changed:
            return set()
        self._store.remember_topic_ids(changed)
        anew = changed.keys() & self._ids.keys()
        self._ids.update(changed)
        return anew

    def drop(self, topics: Collection[str]) -> None:
        """Forget positions, here alone."""
        for place in [place for place in self if place[0] in topics]:
            del self[place]
