"""The brokers of a cluster by hand: a connection to each, and who leads what."""

from enum import IntEnum
from typing import NamedTuple, cast

from devbroker.schema import Api
from servers.raw import RawClient
from waiting import scaled

__all__ = ["FIRST", "NOBODY", "SECOND", "Brokers", "Layout", "More", "RefusedError", "api_of", "check"]

Place = tuple[str, int]

FIRST = 1
"""The broker that never goes away: groups, transactions and Kafka's own topics are its."""
SECOND = 2
"""The one that does."""
NOBODY = -1
"""Who leads a partition that has lost its brokers."""
_NONE = 0


class More(IntEnum):
    """What the embedded broker doesn't speak."""

    ADD_PARTITIONS_TO_TXN = 24
    END_TXN = 26
    ELECT_LEADERS = 43
    CONSUMER_GROUP_HEARTBEAT = 68
    SHARE_GROUP_HEARTBEAT = 76


class RefusedError(Exception):
    """The broker answered with an error code."""


class Layout(NamedTuple):
    """Who leads a partition, who holds it, and who is up to date."""

    leader: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


class Brokers:
    """One connection to each.

    Args:
        bootstrap: `host:port` of the first one.
    """

    def __init__(self, bootstrap: str) -> None:
        self._addresses = {FIRST: bootstrap}
        self._clients: dict[int, RawClient] = {}
        self._leaders: dict[Place, int] = {}

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def connect(self, node: int = FIRST) -> RawClient:
        """A connection of one's own."""
        return RawClient(self._addresses[node], timeout_seconds=scaled(20))

    def at(self, node: int) -> RawClient:
        """The connection to a broker."""
        if node not in self._clients:
            self._clients[node] = self.connect(node)
        return self._clients[node]

    def leader(self, topic: str, partition: int) -> RawClient:
        """The connection to who leads a partition."""
        return self.at(self._leaders[topic, partition])

    def is_led(self, topic: str, partition: int) -> bool:
        """Whether anybody does."""
        return self._leaders[topic, partition] != NOBODY

    def layout(self, node: int = FIRST) -> dict[Place, Layout]:
        """All partitions, as a broker knows them."""
        answer = self.at(node).call(Api.METADATA, 9, topics=None, allow_auto_topic_creation=False)
        if node == FIRST:
            self._addresses = {each.node_id: f"{each.host}:{each.port}" for each in answer.brokers}
        found = {
            (topic.name, part.partition_index): Layout(
                part.leader_id, tuple(part.replica_nodes), tuple(part.isr_nodes)
            )
            for topic in answer.topics
            if topic.error_code == _NONE
            for part in topic.partitions
        }
        if node == FIRST:
            self._leaders = {place: each.leader for place, each in found.items()}
        return found

    def nodes(self) -> set[int]:
        """The brokers there are."""
        self.layout()
        return set(self._addresses)

    def forget_broker(self, node: int) -> None:
        """It goes away, or has gone."""
        if node in self._clients:
            self._clients.pop(node).close()

    def elect(self) -> None:
        """Let the preferred brokers lead again."""
        answer = self.at(FIRST).call(
            api_of(More.ELECT_LEADERS), 2, election_type=0, topic_partitions=None, timeout=20_000
        )
        check(answer.error_code, "electing leaders")


def check(code: int, what: str) -> None:
    """Raise what the broker refused."""
    if code != _NONE:
        raise RefusedError(f"{what}: error {code}")


def api_of(api: IntEnum) -> Api:
    """For the codec."""
    # The codec goes by name and number alone.
    return cast("Api", api)
