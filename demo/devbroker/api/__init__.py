"""The request handlers, one function per API."""

from collections.abc import Awaitable, Callable, Mapping

from devbroker.api import cluster, data, groups, offsets, topics
from devbroker.api._client import Client
from devbroker.broker import Broker, Response
from devbroker.codec import Request
from devbroker.schema import Api

Handler = Callable[[Broker, Request, Client], Awaitable[Response | None]]
"""Answers a request; None means that no response is expected."""

HANDLERS: Mapping[Api, Handler] = {
    Api.PRODUCE: data.produce,
    Api.FETCH: data.fetch,
    Api.LIST_OFFSETS: data.list_offsets,
    Api.DELETE_RECORDS: data.delete_records,
    Api.METADATA: cluster.metadata,
    Api.API_VERSIONS: cluster.api_versions,
    Api.DESCRIBE_CLUSTER: cluster.describe_cluster,
    Api.DESCRIBE_CONFIGS: cluster.describe_configs,
    Api.FIND_COORDINATOR: cluster.find_coordinator,
    Api.INIT_PRODUCER_ID: cluster.init_producer_id,
    Api.CREATE_TOPICS: topics.create_topics,
    Api.DELETE_TOPICS: topics.delete_topics,
    Api.CREATE_PARTITIONS: topics.create_partitions,
    Api.JOIN_GROUP: groups.join_group,
    Api.SYNC_GROUP: groups.sync_group,
    Api.HEARTBEAT: groups.heartbeat,
    Api.LEAVE_GROUP: groups.leave_group,
    Api.DESCRIBE_GROUPS: groups.describe_groups,
    Api.LIST_GROUPS: groups.list_groups,
    Api.DELETE_GROUPS: groups.delete_groups,
    Api.OFFSET_COMMIT: offsets.offset_commit,
    Api.OFFSET_FETCH: offsets.offset_fetch,
    Api.OFFSET_DELETE: offsets.offset_delete,
}

__all__ = ["HANDLERS", "Client", "Handler"]
