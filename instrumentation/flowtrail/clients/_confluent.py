"""confluent-kafka."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Collection, Mapping
from typing import Any

from flowtrail import _fork
from flowtrail._extras import load
from flowtrail._wrap import leave_alone
from flowtrail.clients._kinds import KAFKA
from flowtrail.clients._port import (
    ClientError,
    CommitRefusedError,
    ConsumerClient,
    Delivered,
    Message,
    OnDelivery,
    Partition,
    ProducerClient,
    RebalanceListener,
    Subscription,
    no_headers,
    report,
    split_settings,
)
from flowtrail.clients._topics import ensure_confluent
from flowtrail.wire import Record, record_of

_CONNECT_SECONDS = 5.0
_BUFFER_SECONDS = 60.0
_FATAL_SECONDS = 1.0
_PURGE_SECONDS = 1.0

# The library's own messages go to logging instead of stderr.
_log = logging.getLogger("flowtrail.confluent")


class ConfluentClient:
    """Opens confluent-kafka producers and consumers.

    Args:
        bootstrap_servers: `host:port`, several separated by commas.
        settings: librdkafka's own settings (`linger.ms` and so on); those under the keys `producer` and
            `consumer` go to one side only.

    Raises:
        MissingExtraError: confluent-kafka isn't installed.
    """

    name = "confluent"
    kind = KAFKA

    def __init__(self, bootstrap_servers: str, settings: Mapping[str, Any] | None = None) -> None:
        self._confluent = load("confluent_kafka", "confluent-kafka", "confluent")
        self.address = bootstrap_servers
        producer, consumer = split_settings(settings or {})
        base = {"bootstrap.servers": bootstrap_servers, "reconnect.backoff.max.ms": 2000, "logger": _log}
        self._producer = {**base, "enable.idempotence": True, "linger.ms": 1, **producer}
        self._consumer = {
            **base,
            "allow.auto.create.topics": True,
            "topic.metadata.refresh.interval.ms": 10_000,
            **consumer,
        }

    def open_producer(self) -> ProducerClient:
        """Connect a producer; see `Client.open_producer`."""
        producer = self._confluent.Producer(self._producer)
        leave_alone(producer)
        self._reach(producer)
        return _Producer(self._confluent, producer, self.address)

    def open_consumer(
        self, subscriptions: Collection[Subscription], group: str, listener: RebalanceListener, *, start: str
    ) -> ConsumerClient:
        """Connect a consumer; see `Client.open_consumer`."""
        topics = [subscription.topic for subscription in subscriptions]
        consumer = self._confluent.Consumer({
            **self._consumer,
            "group.id": group,
            "auto.offset.reset": start,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
        })  # fmt: skip
        leave_alone(consumer)
        try:
            self._reach(consumer)
            for topic in topics:
                consumer.list_topics(
                    topic, timeout=_CONNECT_SECONDS
                )  # creates it, where the broker does that
        except (ClientError, self._confluent.KafkaException) as error:
            consumer.close()
            raise ClientError(str(error)) from error
        return _Consumer(self._confluent, consumer, topics, listener)

    def _reach(self, client: Any) -> None:
        """librdkafka connects in the background and never gives up; ask for something to see if it can."""
        try:
            client.list_topics(timeout=_CONNECT_SECONDS)
        except self._confluent.KafkaException as error:
            raise ClientError(_reason(error)) from error

    def ensure_topics(self, topics: Collection[str]) -> Mapping[str, str]:
        """See `ChecksTopics.ensure_topics`."""
        return ensure_confluent(self._confluent, self._producer, topics)

    def is_retriable(self, error: BaseException) -> bool:
        """See `Client.is_retriable`."""
        if isinstance(error, BufferError):
            return True
        cause = error.args[0] if error.args else None
        codes = self._confluent.KafkaError
        if not isinstance(cause, codes):
            return False
        transient = (codes._MSG_TIMED_OUT, codes._TIMED_OUT, codes._TRANSPORT, codes._ALL_BROKERS_DOWN)
        return bool(cause.retriable()) or cause.code() in transient


def _reason(error: BaseException) -> str:
    cause = error.args[0] if error.args else error
    text = getattr(cause, "str", None)
    return str(text()) if callable(text) else str(error)


class _Producer:
    def __init__(self, confluent: Any, producer: Any, address: str) -> None:
        self._confluent = confluent
        self._producer = producer
        self._address = address
        self._fatal: Exception | None = None
        self._fatal_known = threading.Event()
        self._closed = threading.Event()
        self._purged: list[tuple[OnDelivery, Any]] = []
        # Delivery reports arrive only while somebody polls.
        self._poller = threading.Thread(target=self._poll, name="flowtrail-confluent-poll", daemon=True)
        self._poller.start()
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        _fork.leave_behind(self._producer)

    def _poll(self) -> None:
        while not self._closed.is_set():
            try:
                self._producer.poll(0.1)
            except self._confluent.KafkaException as error:  # fatal: nothing can be published any more
                self._fatal = self._failure(error)
                self._fatal_known.set()
                self._closed.wait(0.1)
            finally:
                self._report_purged()

    def _report_purged(self) -> None:
        """Say why: a fatal error empties the queue, and is told only after the reports of what was in it."""
        purged, self._purged = self._purged, []
        for on_delivery, error in purged:
            report(on_delivery, None, self._fatal or self._failure(self._confluent.KafkaException(error)))

    def _failure(self, error: Any) -> Any:
        code = error.args[0].code()
        if code == self._confluent.KafkaError._UNSUPPORTED_FEATURE:
            return no_headers(self._address)
        if code == self._confluent.KafkaError._FATAL and self._fatal is not None:
            return self._fatal
        return error

    def send(self, message: Message, on_delivery: OnDelivery) -> None:
        deadline = time.monotonic() + _BUFFER_SECONDS
        while True:
            try:
                self._produce(message, on_delivery)
            except BufferError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            except self._confluent.KafkaException as error:
                # librdkafka tells why only when it is polled.
                if error.args[0].code() == self._confluent.KafkaError._FATAL:
                    self._fatal_known.wait(_FATAL_SECONDS)
                raise self._failure(error) from error
            else:
                return

    def waits_for(self, topic: str) -> bool:
        return False

    def send_at_once(self, message: Message, on_delivery: OnDelivery) -> bool:
        try:
            self._produce(message, on_delivery)
        except BufferError:
            return False
        except self._confluent.KafkaException as error:
            if error.args[0].code() == self._confluent.KafkaError._FATAL and not self._fatal_known.is_set():
                return False
            raise self._failure(error) from error
        return True

    def _produce(self, message: Message, on_delivery: OnDelivery) -> None:
        def delivered(error: Any, sent: Any) -> None:
            purged = error is not None and error.code() == self._confluent.KafkaError._PURGE_QUEUE
            if purged and threading.current_thread() is self._poller:
                self._purged.append((on_delivery, error))
            elif error is not None:
                report(on_delivery, None, self._failure(self._confluent.KafkaException(error)))
            else:
                report(on_delivery, Delivered(sent.partition(), sent.offset()), None)

        self._producer.produce(
            message.topic,
            value=message.value,
            key=message.key,
            headers=list(message.headers),
            on_delivery=delivered,
        )

    def flush(self, timeout_seconds: float) -> bool:
        return bool(self._producer.flush(timeout_seconds) == 0)

    def close(self, timeout_seconds: float) -> None:
        with contextlib.suppress(Exception):
            if self._producer.flush(timeout_seconds):
                self._producer.purge()  # what didn't go is reported as failed: somebody may wait for it
                self._producer.flush(_PURGE_SECONDS)
        self._closed.set()
        self._poller.join(timeout_seconds)


class _Consumer:
    def __init__(
        self, confluent: Any, consumer: Any, topics: Collection[str], listener: RebalanceListener
    ) -> None:
        self._confluent = confluent
        self._consumer = consumer
        self._listener = listener
        consumer.subscribe(
            list(topics),
            on_assign=lambda _, partitions: listener.assigned(_named(partitions)),
            on_revoke=self._revoked,
            on_lost=lambda _, partitions: listener.lost(_named(partitions)),
        )

    def _revoked(self, _consumer: Any, partitions: Any) -> None:
        offsets = self._listener.revoked(_named(partitions))
        if offsets:
            with contextlib.suppress(CommitRefusedError):
                self.commit(offsets)

    def poll(self, timeout_seconds: float, max_records: int) -> list[Record]:
        # consume() waits until it has as many as asked for; poll() hands over the first one at once.
        first = self._consumer.poll(timeout_seconds)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(max_records - 1, 0)]
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(record_of(message))
            elif error.fatal():
                raise ClientError(error.str())
            else:
                _log.info("consumer: %s", error.str())
        return records

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        confluent = self._confluent
        structs = [confluent.TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        try:
            results = self._consumer.commit(offsets=structs, asynchronous=False)
        except confluent.KafkaException as error:
            code = error.args[0].code()
            codes = confluent.KafkaError
            if code in (codes.ILLEGAL_GENERATION, codes.UNKNOWN_MEMBER_ID, codes.REBALANCE_IN_PROGRESS,
                        codes.FENCED_INSTANCE_ID, codes._ASSIGNMENT_LOST, codes._STATE):  # fmt: skip
                raise CommitRefusedError(_reason(error)) from error
            raise
        for result in results or ():
            if result.error is not None:
                raise confluent.KafkaException(result.error)

    def rebalancing(self) -> bool:
        return False

    def pause(self, partitions: Collection[Partition]) -> None:
        if ours := self._ours(partitions):
            self._consumer.pause(ours)

    def resume(self, partitions: Collection[Partition]) -> None:
        if ours := self._ours(partitions):
            self._consumer.resume(ours)

    def _ours(self, partitions: Collection[Partition]) -> list[Any]:
        assigned = _named(self._consumer.assignment())
        return [
            self._confluent.TopicPartition(*partition) for partition in partitions if partition in assigned
        ]

    def close(self, timeout_seconds: float) -> None:
        with contextlib.suppress(Exception):
            self._consumer.close()


def _named(partitions: Any) -> list[Partition]:
    return [Partition(found.topic, found.partition) for found in partitions]
