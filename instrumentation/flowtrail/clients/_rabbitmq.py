"""What the clients of RabbitMQ have in common: settings, names, and how messages are sent."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from flowtrail._checks import check_whole
from flowtrail.clients._port import HeadersTooLargeError, Message, Subscription
from flowtrail.errors import ConfigurationError
from flowtrail.wire.amqp import AmqpMessage, to_amqp
from flowtrail.wire.amqp_frames import room_for_table
from flowtrail.wire.amqp_tables import encoded
from flowtrail.wire.retry_topics import DUE

CONNECT_SECONDS = 10.0
BLOCKED_SECONDS = 20.0
"""How long a publication waits while the server, short of memory or disk, takes none."""

BIND_SECONDS = 5.0
"""How often a consumer binds its queues again: an exchange that is deleted takes their bindings with it."""

ALL_TYPES = "#"
_DEFAULT_EXCHANGE = ""
_DELAYED = ".delay"
_SHOWN_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Which queues and exchanges there are, and of what kind.

    What is there already is taken as it is; what is missing is declared, unless `declare` is off.

    Attributes:
        queue: Name of a group's queue for a topic, made of `{topic}` and `{group}`.
        queue_type: `quorum` or `classic`.
        queue_arguments: Further arguments of queues, such as `x-max-length`.
        exchange_type: `topic`, or another that RabbitMQ or its plug-ins know.
        single_active_consumer: All messages of a queue go to one member at a time, in order.
        prefetch: How many deliveries of a queue a member holds at most.
        declare: Whether missing exchanges and queues are declared.
    """

    queue: str = "{topic}.{group}"
    queue_type: str = "quorum"
    queue_arguments: Mapping[str, Any] = field(default_factory=dict)
    exchange_type: str = "topic"
    single_active_consumer: bool = False
    prefetch: int = 100
    declare: bool = True

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.queue_type not in ("quorum", "classic"):
            raise ConfigurationError(f"queue_type is {self.queue_type!r}, should be 'quorum' or 'classic'")
        check_whole("prefetch", self.prefetch, 1, 65_535)
        try:
            name = self.queue.format(topic="", group="")
        except (LookupError, ValueError) as error:
            raise ConfigurationError(
                f"queue is {self.queue!r}, should be made of {{topic}} and {{group}}"
            ) from error
        if name == self.queue:
            raise ConfigurationError(
                f"queue is {self.queue!r}, so all groups would share it: put {{group}} into it"
            )

    @classmethod
    def taken_from(cls, settings: Mapping[str, Any]) -> tuple[Topology, dict[str, Any]]:
        """The topology in a client's settings, and the settings that are left."""
        ours = {each.name for each in fields(cls)}
        chosen = {name: value for name, value in settings.items() if name in ours}
        return cls(**chosen), {name: value for name, value in settings.items() if name not in ours}

    def queue_of(self, subscription: Subscription, group: str) -> str:
        """The queue from which a group reads a topic."""
        return (
            subscription.topic
            if subscription.own
            else self.queue.format(topic=subscription.topic, group=group)
        )

    def arguments(self, server: Mapping[str, Any], *, own: bool = False) -> dict[str, Any]:
        """The arguments of a queue.

        Args:
            server: The server's properties, as it introduced itself.
            own: Whether it is one for retries or dead letters.
        """
        found: dict[str, Any] = {"x-queue-type": self.queue_type}
        if self.queue_type == "quorum" and _major(server) >= 4:
            # Since 4.0 a message that came back twenty times is dropped.
            found["x-delivery-limit"] = -1
        if self.single_active_consumer and not own:
            found["x-single-active-consumer"] = True
        return found if own else {**found, **self.queue_arguments}

    def delay_arguments(self, topic: str, server: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the queue in which messages wait until they are due in another one."""
        found = self.arguments(server, own=True)
        found |= {"x-dead-letter-exchange": _DEFAULT_EXCHANGE, "x-dead-letter-routing-key": topic}
        if self.queue_type == "quorum":
            found |= {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
        return found


def check_name(what: str, name: str, objection: str | None) -> None:
    """Refuse what can't be declared because of its name.

    Args:
        what: `exchange` or `queue`.
        name: Its name.
        objection: What is wrong with it, None if nothing is.

    Raises:
        ConfigurationError: Something is wrong with it.
    """
    if objection is not None:
        shown = name if len(name) <= _SHOWN_NAME else name[:_SHOWN_NAME] + "..."
        raise ConfigurationError(
            f"the name of the {what} {shown!r} can't be used ({objection}): choose another one"
        )


def delay_queue(topic: str) -> str:
    """Where messages wait that are due in a retry topic later."""
    return topic + _DELAYED


def binding_keys(subscription: Subscription) -> list[str]:
    """The routing keys with which a group's queue is bound to its topic."""
    return [ALL_TYPES] if subscription.types is None else sorted(subscription.types)


class Outgoing(NamedTuple):
    """A message, ready to be sent.

    Attributes:
        exchange: Where to; empty for the queue that the routing key names.
        message: The message.
        delayed: Whether it goes to the queue for delayed messages of its topic.
        headers: The message's table as it is on the wire, length first.
    """

    exchange: str
    message: AmqpMessage
    delayed: bool
    headers: bytes


def outgoing(message: Message, *, text_only: bool = False) -> Outgoing:
    """How a message is sent.

    Args:
        message: The message.
        text_only: See `to_amqp`.

    Raises:
        EncodeError: A name in it is too long for AMQP, or AMQP has nothing for a value.
        HeadersTooLargeError: Its headers are too large for AMQP.
    """
    now_ms = time.time_ns() // 1_000_000
    sent = to_amqp(message.key, message.value, message.headers, now_ms, text_only=text_only)
    headers = encoded(sent.table)
    room = room_for_table(sent.properties)
    if len(headers) > room:
        raise HeadersTooLargeError(f"{len(headers)} bytes of headers are more than RabbitMQ takes ({room})")
    if not message.own:
        return Outgoing(message.topic, sent, False, headers)
    due = dict(message.headers).get(DUE)
    if due is None:
        return Outgoing(_DEFAULT_EXCHANGE, sent._replace(routing_key=message.topic), False, headers)
    sent.properties["expiration"] = str(max(0, int(due) - now_ms))
    return Outgoing(_DEFAULT_EXCHANGE, sent._replace(routing_key=delay_queue(message.topic)), True, headers)


def urls(address: str) -> list[str]:
    """The servers in a list of AMQP URLs.

    Raises:
        ConfigurationError: One isn't such a URL.
    """
    found = [part.strip() for part in address.split(",") if part.strip()]
    for url in found:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("amqp", "amqps") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ConfigurationError(
                f"{_without_password(url)!r} is not a RabbitMQ address: amqp://user:password@host:5672/vhost, "
                "or amqps:// with TLS"
            )
    if not found:
        raise ConfigurationError("no RabbitMQ address was given: amqp://user:password@host:5672/vhost")
    return found


def shown(address: str) -> str:
    """An address for messages: without passwords."""
    return ",".join(_without_password(url) for url in urls(address))


def _without_password(url: str) -> str:
    return re.sub(r"(//[^:@/]*):[^@/]*@", r"\1@", url)


def _major(server: Mapping[str, Any]) -> int:
    version = server.get("version", "")
    text = version.decode() if isinstance(version, bytes) else str(version)
    return int(text.partition(".")[0]) if text.partition(".")[0].isdigit() else 0
