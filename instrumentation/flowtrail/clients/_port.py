"""What the runtime needs of a broker's client: the port that each adapter implements.

It speaks of topics, partitions and offsets. What they are is up to the broker:

| here | Kafka | RabbitMQ |
| --- | --- | --- |
| topic | topic | exchange; the event type is the routing key |
| group | consumer group | a queue for each topic, `<topic>.<group>` |
| partition | partition | a queue: the one line of messages whose order is kept, so its number is 0 |
| offset | offset, for good | a number that grows with each delivery, unique but new when it is delivered again |
| commit up to an offset | offset commit | acknowledgement of every delivery up to there |
| start `earliest` | the oldest record | what was published since the queue is there: nothing is kept for others |
| pause | no fetch | no delivery beyond the prefetch count |
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from flowtrail.clients._kinds import BrokerKind
from flowtrail.errors import ConfigurationError, FlowtrailError
from flowtrail.wire import Header, Record

_log = logging.getLogger("flowtrail")


class Partition(NamedTuple):
    """A topic and one of its partition numbers."""

    topic: str
    partition: int


class Delivered(NamedTuple):
    """Where an acknowledged record ended up; None where the broker doesn't say."""

    partition: int | None
    offset: int | None


class Subscription(NamedTuple):
    """A topic that a group reads.

    Attributes:
        topic: Its name.
        types: Event types that are of interest, None for all. A broker that can leaves the others out.
        own: Whether only this group writes to it, as with retry topics.
    """

    topic: str
    types: frozenset[str] | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A record on its way to the broker.

    Attributes:
        topic: Topic to append to.
        key: Raw key; records with equal keys keep their order.
        value: Raw value; None is a tombstone.
        headers: Name and raw value, in order.
        own: Whether the topic belongs to the group that writes (retries, dead letters): what is sent there is
            kept although nobody has subscribed.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    own: bool = False


OnDelivery = Callable[[Delivered | None, Exception | None], None]
"""Called once per message, from any thread: with where it went, or with what went wrong."""


def report(on_delivery: OnDelivery, delivered: Delivered | None, error: Exception | None) -> None:
    """Say how a message ended. Never raises: the thread that says so has other messages to report."""
    try:
        on_delivery(delivered, error)
    except BaseException:  # noqa: BLE001 - even SystemExit: it would end the client's thread, not the program
        _log.exception("what was to happen after a delivery failed; other deliveries aren't affected")


# As Python, OpenSSL and librdkafka say it; in an address it is written small.
_ABOUT_TLS = re.compile(r"\bSSL|\bTLS|certificate")
_NO_TLS = re.compile(r"wrong.version.number", re.IGNORECASE)


class ClientError(FlowtrailError):
    """A client failed in a way that a new connection may mend: the consumer is closed and opened again."""


class UnreachableError(ClientError):
    """No broker answers; the message says where it was looked for and what to do."""


class ReachedError(ClientError):
    """The broker was reached, but something else is wrong; the message says what."""


class RefusedError(ReachedError):
    """The broker is there and says no; the message says what to do about it."""


class TooLargeError(FlowtrailError):
    """A message is larger than the broker takes."""


class HeadersTooLargeError(TooLargeError):
    """A message's headers are larger than the broker takes, however small its value is."""


class UnroutableError(FlowtrailError):
    """Nobody would get a message: no queue takes it."""


class CommitRefusedError(ClientError):
    """The group has moved on: the offsets belong to somebody else now."""


def unreachable(kind: BrokerKind, address: str, error: BaseException) -> UnreachableError:
    """What to say of a broker that can't be reached.

    Args:
        kind: The broker.
        address: Where it should be.
        error: Why it can't.
    """
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    remedy = kind.remedy
    if _NO_TLS.search(reason):
        remedy = "nothing there speaks TLS: use the port that does, or an address without TLS"
    elif _ABOUT_TLS.search(reason):
        remedy = "correct the client's TLS settings (address, CA, certificate), or the server's certificate"
    return UnreachableError(f"no {kind.name} broker reachable at {address} ({reason}): {remedy}")


def no_headers(address: str) -> ConfigurationError:
    """What to say of brokers whose message format has no room for headers (Apache Kafka before 0.11)."""
    return ConfigurationError(
        f"the Kafka at {address} is older than 0.11 and takes no headers, which events need: upgrade it, or "
        "trace your own producer without headers through wrap_producer"
    )


class RebalanceListener(Protocol):
    """Told what a consumer owns; called while `poll` or `close` runs, possibly from another thread."""

    def assigned(self, partitions: Collection[Partition]) -> None:
        """These partitions are ours now (in addition to those we have), from their committed offsets on."""
        ...

    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """These are about to be handed over; the next offsets that are returned are committed first."""
        ...

    def lost(self, partitions: Collection[Partition]) -> None:
        """These are gone, and may already be somebody else's: nothing may be committed."""
        ...


class ProducerClient(Protocol):
    """An open producer; safe to use from several threads.

    It belongs to the process that opened it. After a fork the child opens its own and drops this one without
    closing it, and finalizing it there neither waits for anything nor disturbs the parent's (`_fork`).
    """

    def send(self, message: Message, on_delivery: OnDelivery) -> None:
        """Hand over a message without waiting for its acknowledgement.

        May block while the topic's metadata is fetched. Messages to one partition are written in the order in
        which they were handed over.

        Raises:
            Exception: It was not taken; `on_delivery` isn't called then.
        """
        ...

    def waits_for(self, topic: str) -> bool:
        """Whether `send` would wait until the broker tells where the partitions of this topic are."""
        ...

    def send_at_once(self, message: Message, on_delivery: OnDelivery) -> bool:
        """`send` for a caller that can't wait, such as an event loop.

        Returns:
            False if it would have to wait: nothing was done then, and `on_delivery` isn't called.

        Raises:
            Exception: It was not taken; `on_delivery` isn't called then.
        """
        ...

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until everything handed over is acknowledged or failed; False if it took longer."""
        ...

    def close(self, timeout_seconds: float) -> None:
        """Flush, then close; never raises, and may be called again."""
        ...


class ConsumerClient(Protocol):
    """An open member of a group; used by one thread at a time."""

    def poll(self, timeout_seconds: float, max_records: int) -> list[Record]:
        """Records of partitions that aren't paused, in order per partition; also keeps the membership.

        Raises:
            ClientError: The consumer is of no use any more.
        """
        ...

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit the next offsets to read, and wait for it.

        Raises:
            CommitRefusedError: The partitions aren't ours any more.
            Exception: It didn't work this time.
        """
        ...

    def rebalancing(self) -> bool:
        """Whether the next `poll` is known to start a rebalance; False where the client can't tell."""
        ...

    def pause(self, partitions: Collection[Partition]) -> None:
        """Fetch nothing from these until they are resumed; those that aren't ours are ignored."""
        ...

    def resume(self, partitions: Collection[Partition]) -> None:
        """Fetch from these again; those that aren't ours are ignored."""
        ...

    def close(self, timeout_seconds: float) -> None:
        """Leave the group without committing; never raises, and may be called again."""
        ...


class Client(Protocol):
    """A client library, ready to open producers and consumers."""

    @property
    def name(self) -> str:
        """The library's name, as in `Trail(client=...)`."""
        ...

    @property
    def kind(self) -> BrokerKind:
        """What it talks to."""
        ...

    @property
    def address(self) -> str:
        """Where it connects to, for messages."""
        ...

    def open_producer(self) -> ProducerClient:
        """Connect a producer.

        Raises:
            ClientError: No broker could be reached.
        """
        ...

    def open_consumer(
        self, subscriptions: Collection[Subscription], group: str, listener: RebalanceListener, *, start: str
    ) -> ConsumerClient:
        """Connect a consumer, subscribed to topics, which need not exist yet.

        Args:
            subscriptions: What to read.
            group: Consumer group.
            listener: Told about the partitions that come and go.
            start: Where a group without offsets begins: `earliest` or `latest`.

        Raises:
            ClientError: No broker could be reached.
        """
        ...

    def is_retriable(self, error: BaseException) -> bool:
        """Whether sending the same message again may work: broker away, timeout, leader moved."""
        ...


@runtime_checkable
class ChecksTopics(Protocol):
    """What a client can do besides; without it, sending to a topic that isn't there is taken not to block."""

    def ensure_topics(self, topics: Collection[str]) -> Mapping[str, str]:
        """Create the topics that don't exist, with the broker's own defaults, as far as it allows that.

        Returns:
            Those that still don't exist, each with the reason.

        Raises:
            ClientError: No broker could be reached.
        """
        ...


def split_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings for producer and consumer: common ones, then those under `producer` and `consumer`."""
    common = {name: value for name, value in settings.items() if name not in ("producer", "consumer")}
    return {**common, **settings.get("producer", {})}, {**common, **settings.get("consumer", {})}
