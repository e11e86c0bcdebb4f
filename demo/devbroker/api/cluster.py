"""Who and where the broker is, and what it can do."""

from collections.abc import Iterable
from typing import Any

from kio.schema.errors import ErrorCode

from devbroker.api._client import Client
from devbroker.broker import NODE_ID, Broker, Response
from devbroker.codec import Request
from devbroker.log import LEADER_EPOCH
from devbroker.schema import ADVERTISED_MINIMUM, VERSIONS
from devbroker.topics import MAX_MESSAGE_BYTES, RETENTION_BYTES, Topic, TopicError

_GROUP, _TRANSACTION = 0, 1
_TOPIC_RESOURCE, _BROKER_RESOURCE = 2, 4
_SET_ON_TOPIC, _SET_BY_DEFAULT = 1, 5
NO_TRANSACTIONS = "This broker has no transactions; use a real Kafka for them."


def supported_versions() -> list[dict[str, Any]]:
    """The table that ApiVersions answers with."""
    return [
        {"api_key": int(api), "min_version": ADVERTISED_MINIMUM.get(api, oldest), "max_version": newest}
        for api, (oldest, newest) in VERSIONS.items()
    ]


async def api_versions(_broker: Broker, _request: Request, _client: Client) -> Response:
    return {"error_code": ErrorCode.none, "api_keys": supported_versions()}


async def metadata(broker: Broker, request: Request, _client: Client) -> Response:
    wanted = request.body.topics
    everything = wanted is None or (request.version == 0 and not wanted)
    if everything:
        topics = [_topic_metadata(topic) for topic in broker.topics]
    else:
        topics = [_wanted_topic(broker, request, item) for item in wanted]
    return {
        "brokers": [{"node_id": NODE_ID, "host": broker.host, "port": broker.port}],
        "cluster_id": broker.cluster_id,
        "controller_id": NODE_ID,
        "topics": topics,
    }


def _wanted_topic(broker: Broker, request: Request, item: Any) -> dict[str, Any]:
    topic = broker.topics.get(item.name, item.topic_id)
    if topic is not None:
        return _topic_metadata(topic)
    if not item.name:
        return {"error_code": ErrorCode.unknown_topic_id, "topic_id": item.topic_id}
    error = ErrorCode.unknown_topic_or_partition
    if broker.settings.auto_create_topics and request.body.allow_auto_topic_creation:
        try:
            return _topic_metadata(broker.topics.create(item.name))
        except TopicError as refused:
            error = refused.code
    return {"error_code": error, "name": item.name}


def _topic_metadata(topic: Topic) -> dict[str, Any]:
    return {
        "error_code": ErrorCode.none,
        "name": topic.name,
        "topic_id": topic.id,
        "partitions": [
            {
                "error_code": ErrorCode.none,
                "partition_index": index,
                "leader_id": NODE_ID,
                "leader_epoch": LEADER_EPOCH,
                "replica_nodes": [NODE_ID],
                "isr_nodes": [NODE_ID],
            }
            for index in range(len(topic.partitions))
        ],
    }


async def describe_cluster(broker: Broker, _request: Request, _client: Client) -> Response:
    return {
        "cluster_id": broker.cluster_id,
        "controller_id": NODE_ID,
        "brokers": [{"broker_id": NODE_ID, "host": broker.host, "port": broker.port}],
    }


async def find_coordinator(broker: Broker, request: Request, _client: Client) -> Response:
    node: dict[str, Any] = {"node_id": NODE_ID, "host": broker.host, "port": broker.port}
    if request.body.key_type != _GROUP:
        # A final error: with a retriable one a transactional producer would wait for its whole time-out.
        node = {
            "error_code": ErrorCode.transactional_id_authorization_failed
            if request.body.key_type == _TRANSACTION
            else ErrorCode.invalid_request,
            "error_message": NO_TRANSACTIONS,
            "node_id": -1,
            "host": "",
            "port": -1,
        }
    return {**node, "coordinators": [{**node, "key": key} for key in request.body.coordinator_keys]}


async def init_producer_id(broker: Broker, request: Request, _client: Client) -> Response:
    if request.body.transactional_id is not None:
        return {"error_code": ErrorCode.transactional_id_authorization_failed, "producer_epoch": -1}
    return {"producer_id": broker.new_producer_id(), "producer_epoch": 0}


async def describe_configs(broker: Broker, request: Request, _client: Client) -> Response:
    return {"results": [_describe_resource(broker, resource) for resource in request.body.resources]}


def _describe_resource(broker: Broker, resource: Any) -> dict[str, Any]:
    answer = {"resource_type": resource.resource_type, "resource_name": resource.resource_name}
    retention = broker.settings.retention_bytes
    defaults = {
        "cleanup.policy": "delete",
        MAX_MESSAGE_BYTES: str(broker.settings.max_batch_bytes),
        "min.insync.replicas": "1",
        RETENTION_BYTES: str(-1 if retention is None else retention),
        "retention.ms": "-1",
    }
    own: dict[str, str] = {}
    if resource.resource_type == _TOPIC_RESOURCE:
        topic = broker.topics.get(resource.resource_name)
        if topic is None:
            return answer | {"error_code": ErrorCode.unknown_topic_or_partition, "configs": []}
        own = topic.configs
    elif resource.resource_type == _BROKER_RESOURCE:
        defaults = {
            "auto.create.topics.enable": str(broker.settings.auto_create_topics).lower(),
            "message.max.bytes": str(broker.settings.max_batch_bytes),
            "num.partitions": str(broker.settings.default_partitions),
        }
    else:
        return answer | {"error_code": ErrorCode.invalid_request, "configs": []}
    return answer | {"configs": list(_config_entries(defaults, own, resource.configuration_keys))}


def _config_entries(
    defaults: dict[str, str], own: dict[str, str], wanted: list[str] | None
) -> Iterable[dict[str, Any]]:
    for name, value in sorted((defaults | own).items()):
        if wanted and name not in wanted:
            continue
        yield {
            "name": name,
            "value": value,
            "read_only": False,
            "is_sensitive": False,
            "config_source": _SET_ON_TOPIC if name in own else _SET_BY_DEFAULT,
        }
