"""Members of groups, of both protocols, by hand: they hold what they are told to, and stop in the middle of a rebalance."""

import struct
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kio.schema.consumer_group_heartbeat.v1.response import ConsumerGroupHeartbeatResponse
from kio.schema.share_group_heartbeat.v1.response import ShareGroupHeartbeatResponse
from kio.serial import entity_reader

from devbroker.schema import Api
from devbroker.wire import Body
from hostilekit._brokers import More, api_of, check
from hostilekit._wire import Wire
from servers.raw import RawClient
from waiting import until

__all__ = ["ClassicMembers", "Members", "NewMember", "ShareMember"]

Place = tuple[str, int]

_MEMBER_ID_REQUIRED = 79
_LONGEST_SESSION_MS = 1_800_000


class ClassicMembers:
    """The members of a group of the classic protocol, two at most.

    Args:
        wire: how the cluster is reached.
        group: their group's name.
    """

    def __init__(self, wire: Wire, group: str) -> None:
        self._wire = wire
        self._group = group
        self._clients: list[RawClient] = []
        self._ids: list[str] = []
        self._generation = -1

    def join(self, held: Iterable[Place]) -> None:
        """The first one joins and takes these partitions."""
        self._enter()
        self._take_all(_joined(self._clients[0]), [held])

    def disturb(self) -> None:
        """A second one wants to join: the group waits for the first to join again."""
        self._enter()
        until(lambda: self._wire.state(self._group) == "PreparingRebalance", "a rebalance")

    def settle(self, held: Sequence[Iterable[Place]]) -> None:
        """The first one joins again; each takes its partitions."""
        _join(self._clients[0], self._group, self._ids[0])
        answers = [_joined(client) for client in self._clients]
        leader = next(i for i, answer in enumerate(answers) if answer.leader == answer.member_id)
        self._take_all(answers[leader], held, leader)
        for i, answer in enumerate(answers):
            if i != leader:
                _sync(self._clients[i], self._group, answer, {})

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Commit as the first one."""
        self._wire.commit(self._group, offsets, self._ids[0], self._generation)

    def leave(self) -> None:
        """All leave."""
        for client, member in zip(self._clients, self._ids, strict=True):
            told = client.call(Api.LEAVE_GROUP, 2, group_id=self._group, member_id=member)
            check(told.error_code, "leaving")
            client.close()
        self._clients, self._ids = [], []

    def drop(self) -> None:
        """Go away without a word."""
        for client in self._clients:
            client.close()

    def _enter(self) -> None:
        client = self._wire.brokers.connect()
        _join(client, self._group, "")
        # Who comes without an id is told one, and comes again.
        member = _joined(client).member_id
        _join(client, self._group, member)
        self._clients.append(client)
        self._ids.append(member)

    def _take_all(self, answer: Body, held: Sequence[Iterable[Place]], leader: int = 0) -> None:
        self._generation = answer.generation_id
        _sync(self._clients[leader], self._group, answer, dict(zip(self._ids, held, strict=True)))


class NewMember:
    """The only member of a group of the new protocol (KIP-848); the broker gives it all of its topics' partitions.

    Args:
        wire: how the cluster is reached.
        group: its group's name.
    """

    def __init__(self, wire: Wire, group: str) -> None:
        self._wire = wire
        self._client = wire.brokers.connect()
        self._group = group
        self._id = str(uuid.uuid4())
        self._epoch = 0

    def join(self, topics: Sequence[str]) -> None:
        """Join and take what is assigned."""
        answer = self._beat(0, topics, ())
        owned = [
            {"topic_id": each.topic_id, "partitions": each.partitions}
            for each in (answer.assignment.topic_partitions if answer.assignment else ())
        ]
        self._epoch = answer.member_epoch
        self._beat(self._epoch, None, owned)

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Commit as it."""
        self._wire.commit(self._group, offsets, self._id, self._epoch)

    def leave(self) -> None:
        """Leave."""
        self._beat(-1, None, None)
        self._client.close()

    def drop(self) -> None:
        """Go away without a word."""
        self._client.close()

    def _beat(
        self, epoch: int, topics: Sequence[str] | None, owned: Sequence[Mapping[str, Any]] | None
    ) -> ConsumerGroupHeartbeatResponse:
        self._client.send(
            api_of(More.CONSUMER_GROUP_HEARTBEAT), 1, group_id=self._group, member_id=self._id,
            member_epoch=epoch, instance_id=None, rack_id=None,
            rebalance_timeout=_LONGEST_SESSION_MS if epoch == 0 else -1, subscribed_topic_names=topics,
            subscribed_topic_regex=None, server_assignor=None, topic_partitions=owned,
        )  # fmt: skip
        # The embedded broker's codec knows no structure that may be absent.
        answer, _ = entity_reader(ConsumerGroupHeartbeatResponse)(self._client.receive_frame(), 5)
        check(answer.error_code.value, f"a heartbeat ({answer.error_message})")
        return answer


class ShareMember:
    """The only member of a share group (KIP-932), which commits nothing: what it has read, brokers keep elsewhere.

    Args:
        wire: how the cluster is reached.
        group: its group's name.
    """

    def __init__(self, wire: Wire, group: str) -> None:
        self._client = wire.brokers.connect()
        self._group = group
        self._id = str(uuid.uuid4())

    def join(self, topics: Sequence[str]) -> None:
        """Join, and wait until it is listed; who shares gets all partitions."""
        self._beat(0, topics)
        until(self._is_listed, f"{self._group!r} to be listed as stable")

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """There is no such thing."""
        raise NotImplementedError(offsets)

    def leave(self) -> None:
        """Leave."""
        self._beat(-1, None)
        self._client.close()

    def drop(self) -> None:
        """Go away without a word."""
        self._client.close()

    def _is_listed(self) -> bool:
        answer = self._client.call(Api.LIST_GROUPS, 5, states_filter=[], types_filter=[])
        return any(each.group_id == self._group and each.group_state == "Stable" for each in answer.groups)

    def _beat(self, epoch: int, topics: Sequence[str] | None) -> None:
        self._client.send(
            api_of(More.SHARE_GROUP_HEARTBEAT), 1, group_id=self._group, member_id=self._id,
            member_epoch=epoch, rack_id=None, subscribed_topic_names=topics,
        )  # fmt: skip
        # The embedded broker's codec knows no structure that may be absent.
        answer, _ = entity_reader(ShareGroupHeartbeatResponse)(self._client.receive_frame(), 5)
        check(answer.error_code.value, f"a heartbeat ({answer.error_message})")


Members = ClassicMembers | NewMember | ShareMember


def _join(client: RawClient, group: str, member: str) -> None:
    """Send a request to join; the answer comes when all have joined."""
    # Version 0, no topics, no user data: who holds what is ours to say.
    metadata = struct.pack(">hii", 0, 0, -1)
    client.send(
        Api.JOIN_GROUP, 5, group_id=group, session_timeout=_LONGEST_SESSION_MS,
        rebalance_timeout=_LONGEST_SESSION_MS, member_id=member, group_instance_id=None,
        protocol_type="consumer", protocols=[{"name": "range", "metadata": metadata}],
    )  # fmt: skip


def _joined(client: RawClient) -> Body:
    answer = client.receive(Api.JOIN_GROUP, 5)
    if answer.error_code != _MEMBER_ID_REQUIRED:
        check(answer.error_code, "joining")
    return answer


def _sync(client: RawClient, group: str, answer: Body, held: Mapping[str, Iterable[Place]]) -> None:
    """Take the assignment; the leader brings all members'."""
    assignments = [{"member_id": member, "assignment": _packed(places)} for member, places in held.items()]
    told = client.call(
        Api.SYNC_GROUP, 3, group_id=group, generation_id=answer.generation_id, member_id=answer.member_id,
        group_instance_id=None, assignments=assignments,
    )  # fmt: skip
    check(told.error_code, "taking an assignment")


def _packed(places: Iterable[Place]) -> bytes:
    topics: dict[str, list[int]] = {}
    for topic, number in places:
        topics.setdefault(topic, []).append(number)
    body = b"".join(
        struct.pack(">h", len(name))
        + name.encode()
        + struct.pack(f">i{len(numbers)}i", len(numbers), *numbers)
        for name, numbers in topics.items()
    )
    return struct.pack(">hi", 0, len(topics)) + body + struct.pack(">i", -1)
