"""The stream that keeps a copy of what exchanges route: declared, bound to them, and taken away again."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from flowtrail_collector.brokers.rabbitmq.connection import RefusedError, connect, disconnect, said_by
from flowtrail_collector.brokers.rabbitmq.management import Management
from flowtrail_collector.settings import RabbitConfig

if TYPE_CHECKING:
    from pika import BlockingConnection
    from pika.adapters.blocking_connection import BlockingChannel

__all__ = ["IDENTITY", "Bindings", "Plan", "declare_stream", "remove_stream", "without_streams"]

logger = logging.getLogger("flowtrail_collector")

IDENTITY = "x-flowtrail-id"
"""Argument of the stream that tells it from another one of its name: offsets of one say nothing about the other."""

_NOT_FOUND = 404
_SEGMENTS = 8  # the server forgets whole segments
_MOST_SEGMENT_BYTES = 100_000_000
# With an empty key and no arguments: whatever the exchange gets. An exchange of another type (consistent hash, random)
# would give the stream what it then gives nobody else.
_EVERYTHING: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "topic": ("#", {}),
    "fanout": ("", {}),
    "headers": ("", {"x-match": "all"}),
}
Binding = tuple[str, str]


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


class Plan(NamedTuple):
    """The bindings that the stream should have, and those that it has.

    Attributes:
        exchanges: Types of the exchanges that are meant to be followed, by name.
        bound: Its bindings, each with its arguments.
        wanted: The bindings that it should have.
        problems: Exchanges whose kind can't be followed, and why.
    """

    exchanges: Mapping[str, str]
    bound: Mapping[Binding, Mapping[str, Any]]
    wanted: Collection[Binding]
    problems: Mapping[str, str]

    @property
    def missing(self) -> list[Binding]:
        """The bindings that it hasn't yet."""
        return sorted(each for each in self.wanted if each not in self.bound)


class Bindings:
    """Keeps the stream bound to the exchanges that are followed.

    Args:
        config: Which exchanges, and the stream.
        management: Tells what there is.

    Attributes:
        problems: Exchanges that can't be followed, and why.
    """

    def __init__(self, config: RabbitConfig, management: Management) -> None:
        self._config = config
        self._management = management
        self._wanted = re.compile(config.exchanges)
        self.problems: dict[str, str] = {}

    def plan(self) -> Plan:
        """What there is to be done.

        Raises:
            ServiceUnreachableError: The management API doesn't answer.
        """
        exchanges = {
            str(each["name"]): str(each["type"])
            for each in self._management.exchanges()
            if each["name"] and not each.get("internal") and self._wanted.fullmatch(each["name"])
        }
        ours, keys, fed = self._bound()
        wanted: set[Binding] = set()
        problems: dict[str, str] = {}
        if not exchanges:
            problems[self._config.exchanges] = (
                "the virtual host has none of that name: correct --rabbitmq-exchanges, or declare one"
            )
        for name, kind in exchanges.items():
            if kind == "direct":
                wanted |= {(name, key) for key in keys[name]}
            elif kind in _EVERYTHING:
                wanted.add((name, _EVERYTHING[kind][0]))
            elif not fed[name] & exchanges.keys():  # what it gets from one that is followed is in the stream
                problems[name] = f"its type is {kind}: publish through a topic or fanout exchange bound to it"
        return Plan(exchanges, ours, wanted, problems)

    def update(self, connection: BlockingConnection) -> int:
        """Bind what is new, unbind what isn't followed any more.

        Returns:
            How many exchanges are followed.

        Raises:
            ServiceUnreachableError: The server or its management API doesn't answer.
        """
        plan = self.plan()
        problems = dict(plan.problems)
        for name, key in plan.missing:
            if name in problems:
                continue
            _, arguments = _EVERYTHING.get(plan.exchanges[name], ("", {}))
            try:
                self._bind(connection, name, key, arguments)
            except RefusedError as error:
                problems[name] = str(error)
        for name, key in sorted(plan.bound.keys() - set(plan.wanted)):
            self._unbind(connection, name, key, plan.bound[name, key])
        self._tell(problems)
        return len(plan.exchanges.keys() - problems.keys())

    def _bound(self) -> tuple[dict[Binding, Mapping[str, Any]], dict[str, set[str]], dict[str, set[str]]]:
        """The stream's bindings with their arguments; by exchange the routing keys of all others, and what feeds it."""
        ours: dict[Binding, Mapping[str, Any]] = {}
        keys: dict[str, set[str]] = defaultdict(set)
        fed: dict[str, set[str]] = defaultdict(set)
        for each in self._management.bindings():
            source, key = str(each["source"]), str(each["routing_key"])
            if not source:
                continue
            if each["destination_type"] == "queue" and each["destination"] == self._config.queue:
                ours[source, key] = each.get("arguments", {})
                continue
            keys[source].add(key)
            if each["destination_type"] == "exchange":
                fed[str(each["destination"])].add(source)
        return ours, keys, fed

    def _bind(
        self, connection: BlockingConnection, exchange: str, key: str, arguments: Mapping[str, Any]
    ) -> None:
        with said_by(self._config):
            channel = connection.channel()
            channel.queue_bind(self._config.queue, exchange, key, dict(arguments))
            channel.close()

    def _unbind(
        self, connection: BlockingConnection, exchange: str, key: str, arguments: Mapping[str, Any]
    ) -> None:
        with said_by(self._config):
            channel: BlockingChannel = connection.channel()
            channel.queue_unbind(self._config.queue, exchange, key, dict(arguments))
            channel.close()

    def _tell(self, problems: Mapping[str, str]) -> None:
        for name in problems.keys() - self.problems.keys():
            logger.warning("exchange %s isn't followed: %s", name, problems[name])
        for name in self.problems.keys() - problems.keys():
            logger.info("exchange %s is followed or gone", name)
        self.problems = dict(problems)


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
