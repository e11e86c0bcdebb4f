"""The stream that keeps a copy of what exchanges route: declared, and taken away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from flowtrail_collector.brokers.rabbitmq.connection import RefusedError, connect, disconnect, said_by
from flowtrail_collector.brokers.rabbitmq.management import Management
from flowtrail_collector.settings import RabbitConfig

if TYPE_CHECKING:
    from pika import BlockingConnection

__all__ = ["IDENTITY", "declare_stream", "remove_stream", "without_streams"]

IDENTITY = "x-flowtrail-id"
"""Argument of the stream that tells it from another one of its name: offsets of one say nothing about the other."""

_SEGMENTS = 8  # the server forgets whole segments
_MOST_SEGMENT_BYTES = 100_000_000


def declare_stream(connection: BlockingConnection, config: RabbitConfig, management: Management) -> str:
    """Declare the stream if it isn't there.

    Returns:
        Its identity.

    Raises:
        RefusedError: There is something else of its name, or the user may not; says what to do.
        ServiceUnreachableError: The management API doesn't answer.
    """
    found = management.queue(config.queue)
    if found is None:
        identity = uuid4().hex
        with said_by(config):
            channel = connection.channel()
            try:
                channel.queue_declare(config.queue, durable=True, arguments=_arguments(config, identity))
            except Exception as error:
                if getattr(error, "reply_code", None) in (402, 501, 540) or "feature flag" in str(error):
                    raise RefusedError(without_streams(config)) from None
                raise
            channel.close()
        # Another collector may have been quicker.
        found = management.queue(config.queue) or {"type": "stream", "arguments": {IDENTITY: identity}}
    if found.get("type") != "stream":
        raise RefusedError(
            f"queue {config.queue} at {config.shown} is not a stream: choose another name with --rabbitmq-queue"
        )
    return str(found.get("arguments", {}).get(IDENTITY, "")) or "no identity"


def without_streams(config: RabbitConfig) -> str:
    """What a server lacks that has none, and what to do."""
    return (
        f"RabbitMQ at {config.shown} has no streams: it takes RabbitMQ 3.9 or newer with feature flag stream_queue"
        " (rabbitmqctl enable_feature_flag stream_queue)"
    )


def remove_stream(config: RabbitConfig) -> bool:
    """Take the stream away, and its bindings with it.

    Returns:
        Whether it was there.

    Raises:
        RefusedError: The user may not, or it is no stream of ours.
        ServiceUnreachableError: No server answers.
    """
    connection = connect(config, "unbind")  # first: it tells a wrong password from a missing tag
    try:
        return _remove(config, connection)
    finally:
        disconnect(config, connection)


def _remove(config: RabbitConfig, connection: BlockingConnection) -> bool:
    management = Management(config)
    try:
        found = management.queue(config.queue)
    finally:
        management.close()
    if found is None:
        return False
    if IDENTITY not in found.get("arguments", {}):
        raise RefusedError(
            f"queue {config.queue} at {config.shown} wasn't declared by flowtrail: it stays as it is; name ours with"
            " --rabbitmq-queue"
        )
    with said_by(config):
        connection.channel().queue_delete(config.queue)
    return True


def _arguments(config: RabbitConfig, identity: str) -> dict[str, Any]:
    return {
        "x-queue-type": "stream",
        "x-max-age": f"{int(config.max_age_seconds)}s",
        "x-max-length-bytes": config.max_bytes,
        "x-stream-max-segment-size-bytes": min(
            _MOST_SEGMENT_BYTES, max(config.max_bytes // _SEGMENTS, 65_536)
        ),
        IDENTITY: identity,
    }
