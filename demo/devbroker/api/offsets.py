"""The offsets that groups commit."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from kio.schema.errors import ErrorCode

from devbroker.api._client import Client
from devbroker.broker import Broker, Response
from devbroker.codec import Request
from devbroker.coordinator import Committed, TopicPartition

_MAX_METADATA_BYTES = 4096  # Kafka's offset.metadata.max.bytes
_SEVERAL_GROUPS_SINCE = 8


async def offset_commit(broker: Broker, request: Request, _client: Client) -> Response:
    body = request.body
    error = broker.coordinator.check_commit(
        body.group_id,
        body.member_id,
        body.group_instance_id,
        body.generation_id_or_member_epoch,
        broker.clock(),
    )
    return {
        "topics": [
            {
                "name": topic.name,
                "partitions": [
                    {
                        "partition_index": part.partition_index,
                        "error_code": error or _commit(broker, body.group_id, topic.name, part),
                    }
                    for part in topic.partitions
                ],
            }
            for topic in body.topics
        ]
    }


def _commit(broker: Broker, group_id: str, name: str, part: Any) -> ErrorCode:
    topic = broker.topics.get(name)
    if topic is None or topic.partition(part.partition_index) is None:
        return ErrorCode.unknown_topic_or_partition
    metadata = part.committed_metadata or ""
    if len(metadata.encode()) > _MAX_METADATA_BYTES:
        return ErrorCode.offset_metadata_too_large
    committed = Committed(part.committed_offset, metadata, part.committed_leader_epoch)
    broker.coordinator.commit(group_id, (name, part.partition_index), committed)
    return ErrorCode.none


async def offset_fetch(broker: Broker, request: Request, _client: Client) -> Response:
    body = request.body
    if request.version < _SEVERAL_GROUPS_SINCE:
        return {"topics": _committed(broker, body.group_id, body.topics)}
    return {
        "groups": [
            {"group_id": group.group_id, "topics": _committed(broker, group.group_id, group.topics)}
            for group in body.groups
        ]
    }


def _committed(broker: Broker, group_id: str, topics: Any) -> list[dict[str, Any]]:
    """The offsets of the topics asked for; None asks for all there are."""
    known = broker.coordinator.offsets(group_id)
    wanted: Iterable[TopicPartition] = (
        known
        if topics is None
        else [(topic.name, index) for topic in topics for index in topic.partition_indexes]
    )
    by_topic: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for name, index in wanted:
        committed = known.get((name, index), Committed(-1))
        by_topic[name].append(
            {
                "partition_index": index,
                "committed_offset": committed.offset,
                "committed_leader_epoch": committed.leader_epoch,
                "metadata": committed.metadata,
            }
        )
    return [{"name": name, "partitions": partitions} for name, partitions in by_topic.items()]


async def offset_delete(broker: Broker, request: Request, _client: Client) -> Response:
    body = request.body
    group = broker.coordinator.get(body.group_id)
    if group is None:
        return {"error_code": ErrorCode.group_id_not_found}
    # Real Kafka lets go of topics that no member subscribes to; subscriptions are opaque here.
    error = ErrorCode.group_subscribed_to_topic if group.members else ErrorCode.none
    topics = []
    for topic in body.topics:
        for part in topic.partitions:
            if not error:
                broker.coordinator.delete_offset(body.group_id, (topic.name, part.partition_index))
        topics.append(
            {
                "name": topic.name,
                "partitions": [
                    {"partition_index": part.partition_index, "error_code": error}
                    for part in topic.partitions
                ],
            }
        )
    return {"topics": topics}
