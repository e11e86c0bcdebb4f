"""Whether a Kafka that listens also coordinates: its groups and transactions are loaded some time later."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servers.raw import RawClient

_API_VERSIONS, _DESCRIBE_TRANSACTIONS = 18, 65
_NONE, _GROUP_ID_NOT_FOUND, _TRANSACTIONAL_ID_NOT_FOUND = 0, 69, 105
_GROUPS, _TRANSACTIONS = 0, 1
# Consecutive last digits spread over every partition of the internal topics.
_KEYS = tuple(f"ready-{number}" for number in range(8))


def is_ready(port: int, node_id: int, *, coordinators: bool) -> bool:
    """Whether the broker serves clients, and every group and transaction that it coordinates.

    Asking for coordinators also makes Kafka create the internal topics, which the first consumer would wait for otherwise.
    """
    from servers.raw import RawClient  # it takes long to import, and most tests need no Kafka

    try:
        with RawClient(f"127.0.0.1:{port}", timeout_seconds=5) as client:
            if not _speaks(client) or not _is_member(client, node_id):
                return False
            return not coordinators or (
                _groups_answer(client, node_id) and _transactions_answer(client, node_id)
            )
    except (OSError, EOFError):
        return False


def _speaks(client: RawClient) -> bool:
    client.send_frame(struct.pack(">hhih", _API_VERSIONS, 0, 1, -1))
    return client.receive_frame()[:6] == struct.pack(">ih", 1, _NONE)


def _is_member(client: RawClient, node_id: int) -> bool:
    """Whether the cluster has let it in: only then topics are put on it."""
    from devbroker.schema import Api

    metadata = client.call(Api.METADATA, 9, topics=[], allow_auto_topic_creation=False)
    return node_id in [broker.node_id for broker in metadata.brokers]


def _groups_answer(client: RawClient, node_id: int) -> bool:
    from devbroker.schema import Api

    mine = _coordinated(client, _GROUPS, node_id)
    if not mine:
        return mine is not None
    answer = client.call(Api.DESCRIBE_GROUPS, 5, groups=mine, include_authorized_operations=False)
    return all(group.error_code in (_NONE, _GROUP_ID_NOT_FOUND) for group in answer.groups)


def _transactions_answer(client: RawClient, node_id: int) -> bool:
    from devbroker.schema import Api

    mine = _coordinated(client, _TRANSACTIONS, node_id)
    # Ids of producers come from the controller in blocks; without the first one every answer is "loading".
    producer = client.call(
        Api.INIT_PRODUCER_ID,
        3,
        transactional_id=None,
        transaction_timeout=0,
        producer_id=-1,
        producer_epoch=-1,
    )
    if mine is None or producer.error_code != _NONE:
        return False
    return all(_describe_transaction(client, key) in (_NONE, _TRANSACTIONAL_ID_NOT_FOUND) for key in mine)


def _coordinated(client: RawClient, kind: int, node_id: int) -> list[str] | None:
    """The keys that this broker coordinates; None while somebody's coordinator isn't known."""
    from devbroker.schema import Api

    found = client.call(Api.FIND_COORDINATOR, 4, key_type=kind, coordinator_keys=list(_KEYS)).coordinators
    if any(one.error_code != _NONE for one in found):
        return None
    return [one.key for one in found if one.node_id == node_id]


def _describe_transaction(client: RawClient, key: str) -> int:
    """The error code; by hand, because no client that is here asks for this (version 0)."""
    text = key.encode()
    header = struct.pack(">hhih", _DESCRIBE_TRANSACTIONS, 0, 1, -1) + b"\0"
    client.send_frame(header + bytes([2, len(text) + 1]) + text + b"\0")
    # Correlation id, tags, throttle time, length of the list.
    (error,) = struct.unpack_from(">h", client.receive_frame(), 4 + 1 + 4 + 1)
    return int(error)
