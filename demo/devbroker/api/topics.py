"""Creating, growing and deleting topics."""

from collections import Counter
from typing import Any

from kio.schema.errors import ErrorCode

from devbroker.api._client import Client
from devbroker.broker import Broker, Response
from devbroker.codec import Request
from devbroker.topics import TopicError

_ANY = -1


async def create_topics(broker: Broker, request: Request, _client: Client) -> Response:
    named = Counter(topic.name for topic in request.body.topics)
    answers = []
    for topic in request.body.topics:
        answer = {"name": topic.name}
        try:
            if named[topic.name] > 1:
                raise TopicError(ErrorCode.invalid_request, "Duplicate topic name.")
            answer |= _create(broker, topic, validate_only=request.body.validate_only)
        except TopicError as refused:
            answer |= _refusal(refused)
        answers.append(answer)
    return {"topics": answers}


def _create(broker: Broker, topic: Any, *, validate_only: bool) -> dict[str, Any]:
    if topic.assignments:
        if topic.num_partitions != _ANY or topic.replication_factor != _ANY:
            raise TopicError(
                ErrorCode.invalid_request,
                "Both numPartitions or replicationFactor and replicasAssignments were set.",
            )
        count = len(topic.assignments)
    else:
        count = topic.num_partitions
        if topic.replication_factor not in (_ANY, 1):
            raise TopicError(
                ErrorCode.invalid_replication_factor,
                f"Replication factor: {topic.replication_factor}; there is one broker.",
            )
    configs = {config.name: config.value for config in topic.configs if config.value is not None}
    created = broker.topics.create(topic.name, count, configs, validate_only=validate_only)
    return {
        "topic_id": None if validate_only else created.id,
        "num_partitions": len(created.partitions),
        "replication_factor": 1,
        "configs": [
            {"name": name, "value": value, "config_source": 1} for name, value in created.configs.items()
        ],
    }


def _refusal(refused: TopicError) -> dict[str, Any]:
    return {"error_code": refused.code, "error_message": str(refused)}


async def delete_topics(broker: Broker, request: Request, _client: Client) -> Response:
    wanted = [(name, None) for name in request.body.topic_names]
    wanted += [(topic.name, topic.topic_id) for topic in request.body.topics]
    answers = []
    for name, topic_id in wanted:
        try:
            topic = broker.topics.delete(name, topic_id)
        except TopicError as refused:
            answers.append({"name": name, "topic_id": topic_id} | _refusal(refused))
        else:
            broker.coordinator.forget_topic(topic.name)
            answers.append({"name": topic.name, "topic_id": topic.id})
    return {"responses": answers}


async def create_partitions(broker: Broker, request: Request, _client: Client) -> Response:
    answers = []
    for topic in request.body.topics:
        answer = {"name": topic.name}
        try:
            broker.topics.grow(topic.name, topic.count, validate_only=request.body.validate_only)
        except TopicError as refused:
            answer |= _refusal(refused)
        answers.append(answer)
    return {"results": answers}
