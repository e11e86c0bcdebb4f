"""kafka-python."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping
from typing import Any

from flowtrail import _fork
from flowtrail._extras import load
from flowtrail._wrap import leave_alone
from flowtrail._wrap.kafka_python import takes_headers
from flowtrail.clients._kafka_python_defects import (
    keep_finished_join,
    release_parked,
    survive_refusals,
)
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
from flowtrail.clients._topics import ensure_kafka_python
from flowtrail.errors import ConfigurationError
from flowtrail.wire import Record, records_of

_STALLED_SECONDS = 30.0
"""A join may take as long as the slowest member; one that takes longer than this is started afresh."""

_METADATA_SECONDS = 5.0

# Quieter and quicker than the library's own defaults: a broker that comes back is found within two seconds.
_COMMON = {"metrics_enabled": False, "reconnect_backoff_max_ms": 2000, "bootstrap_timeout_ms": 5000}


class KafkaPythonClient:
    """Opens kafka-python producers and consumers.

    Args:
        bootstrap_servers: `host:port`, several separated by commas.
        settings: kafka-python's own settings; those under the keys `producer` and `consumer` go to one side
            only, others to whichever side knows them.

    Raises:
        MissingExtraError: kafka-python isn't installed.
        ConfigurationError: A setting that neither side knows.
    """

    name = "kafka-python"
    kind = KAFKA

    def __init__(self, bootstrap_servers: str, settings: Mapping[str, Any] | None = None) -> None:
        kafka = self._kafka = load("kafka", "kafka-python", "kafka-python")
        self.address = bootstrap_servers
        producer, consumer = split_settings(settings or {})
        known = {
            "producer": kafka.KafkaProducer.DEFAULT_CONFIG,
            "consumer": kafka.KafkaConsumer.DEFAULT_CONFIG,
        }
        unknown = sorted(
            name for name in {*producer, *consumer} if not any(name in side for side in known.values())
        )
        if unknown:
            raise ConfigurationError(f"kafka-python has no setting {', '.join(unknown)}")
        base = {**_COMMON, "bootstrap_servers": bootstrap_servers.split(",")}
        self._producer = {**base, **{name: producer[name] for name in producer if name in known["producer"]}}
        self._consumer = {**base, **{name: consumer[name] for name in consumer if name in known["consumer"]}}

    def open_producer(self) -> ProducerClient:
        """Connect a producer; see `Client.open_producer`."""
        producer = self._open(self._kafka.KafkaProducer, self._producer)
        if not takes_headers(producer):
            producer.close()
            raise no_headers(self.address)
        survive_refusals(producer)
        return _Producer(producer)

    def open_consumer(
        self, subscriptions: Collection[Subscription], group: str, listener: RebalanceListener, *, start: str
    ) -> ConsumerClient:
        """Connect a consumer; see `Client.open_consumer`."""
        topics = [subscription.topic for subscription in subscriptions]
        kafka = self._kafka
        settings = {
            "max_poll_records": 500,
            "metadata_max_age_ms": 30_000,
            **self._consumer,
            "group_id": group,
            "auto_offset_reset": start,
            "enable_auto_commit": False,
        }
        return _Consumer(kafka, self._open(kafka.KafkaConsumer, settings), topics, listener)

    def _open(self, kind: Any, settings: Mapping[str, Any]) -> Any:
        """Construct a client, which connects; one that can't would leave its network thread running."""
        make = settings.get("kafka_client") or kind.DEFAULT_CONFIG["kafka_client"]
        made: list[Any] = []

        def make_noted(*args: Any, **kwargs: Any) -> Any:
            made.append(make(*args, **kwargs))
            return made[-1]

        try:
            opened = kind(**{**settings, "kafka_client": make_noted})
            leave_alone(opened)
            return opened
        except self._kafka.errors.KafkaError as error:
            for client in made:
                with contextlib.suppress(Exception):
                    client.close()
            raise ClientError(str(error)) from error

    def ensure_topics(self, topics: Collection[str]) -> Mapping[str, str]:
        """See `ChecksTopics.ensure_topics`."""
        return ensure_kafka_python(self._kafka, self._producer, topics)

    def is_retriable(self, error: BaseException) -> bool:
        """See `Client.is_retriable`."""
        return bool(getattr(error, "retriable", False))


class _Producer:
    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._known: set[str] = set()
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        _fork.leave_behind(self._producer)
        # At its exit the child would close what belongs to its parent, and may wait for a lock for ever.
        with contextlib.suppress(Exception):
            self._producer._unregister_cleanup()

    def send(self, message: Message, on_delivery: OnDelivery) -> None:
        # Header values can't be null in kafka-python; an empty one is the closest.
        headers = [(name, value if value is not None else b"") for name, value in message.headers]
        try:
            future = self._producer.send(message.topic, key=message.key, value=message.value, headers=headers)
        except Exception as error:
            if self.waits_for(message.topic):
                raise ClientError(
                    f"the broker knows no topic {message.topic} ({error}): create it, or let the broker do so"
                ) from error
            raise
        future.add_callback(lambda sent: report(on_delivery, Delivered(sent.partition, sent.offset), None))
        future.add_errback(lambda error: report(on_delivery, None, error))

    def waits_for(self, topic: str) -> bool:
        if topic in self._known:
            return False
        if self._producer._metadata.partitions_for_topic(topic) is None:
            return True
        self._known.add(topic)
        return False

    def send_at_once(self, message: Message, on_delivery: OnDelivery) -> bool:
        # `send` waits only for a topic's metadata.
        if self._producer._metadata.partitions_for_topic(message.topic) is None:
            return False
        self.send(message, on_delivery)
        return True

    def flush(self, timeout_seconds: float) -> bool:
        try:
            self._producer.flush(timeout=timeout_seconds)
        except Exception:  # noqa: BLE001 - the messages' own callbacks say what went wrong
            return False
        return True

    def close(self, timeout_seconds: float) -> None:
        with contextlib.suppress(Exception):
            self._producer.close(timeout=timeout_seconds)


class _Consumer:
    def __init__(
        self, kafka: Any, consumer: Any, topics: Collection[str], listener: RebalanceListener
    ) -> None:
        self._kafka = kafka
        self._consumer = consumer
        self._listener = listener
        self._joined_at = time.monotonic()
        keep_finished_join(consumer)
        consumer.subscribe(topics=list(topics), listener=self._rebalance_listener())
        self._await_metadata(topics)

    def _await_metadata(self, topics: Collection[str]) -> None:
        """Let topics that don't exist yet be created before the first poll joins the group.

        Metadata that arrives after the first assignment can leave the member in a rebalance that never ends.
        """
        cluster = self._consumer._cluster
        deadline = time.monotonic() + _METADATA_SECONDS
        while any(cluster.partitions_for_topic(topic) is None for topic in topics):
            if time.monotonic() > deadline:
                return  # the broker doesn't create topics by itself; they are found when they appear
            cluster.request_update()
            time.sleep(0.05)

    def _rebalance_listener(self) -> Any:
        ours = self._listener
        consumer = self._consumer
        commit = self._offsets

        class Listener(self._kafka.ConsumerRebalanceListener):  # type: ignore[misc, name-defined]
            # Runs on the client's own loop: waiting for a commit here would deadlock. The commit is queued
            # ahead of the request to join, on the same connection, so it is in time.
            def on_partitions_revoked(self, revoked: Any) -> None:
                if not revoked:
                    return
                offsets = ours.revoked([Partition(*partition) for partition in revoked])
                if offsets:
                    consumer.commit_async(commit(offsets))
                # A partition that stays with this member would keep its position, and so pass over what was
                # fetched but not handled; forgotten, it starts at the committed offset again.
                kept = [found for found in consumer.assignment() if found not in revoked]
                consumer._subscription.assign_from_subscribed(kept)

            def on_partitions_assigned(self, assigned: Any) -> None:
                ours.assigned([Partition(*partition) for partition in assigned])

            def on_partitions_lost(self, lost: Any) -> None:
                ours.lost([Partition(*partition) for partition in lost])

        return Listener()

    def _offsets(self, offsets: Mapping[Partition, int]) -> Any:
        structs = self._kafka.structs
        return {
            structs.TopicPartition(*partition): structs.OffsetAndMetadata(offset, "", -1)
            for partition, offset in offsets.items()
        }

    def poll(self, timeout_seconds: float, max_records: int) -> list[Record]:
        release_parked(self._consumer)
        try:
            polled = self._consumer.poll(timeout_ms=int(timeout_seconds * 1000), max_records=max_records)
        except self._kafka.errors.KafkaError as error:
            if getattr(error, "retriable", False):
                return []
            raise ClientError(str(error)) from error
        self._watch()
        return records_of(polled)

    def _watch(self) -> None:
        """Give up on a join that hangs: heartbeats stop during a join, so nothing else would notice."""
        if "rebalancing" in str(self._consumer.group_metadata().state).lower():
            if time.monotonic() - self._joined_at > _STALLED_SECONDS:
                raise ClientError("the group's rebalance does not end")
        else:
            self._joined_at = time.monotonic()

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        errors = self._kafka.errors
        try:
            self._consumer.commit(self._offsets(offsets), timeout_ms=5000)
        except (errors.CommitFailedError, errors.RebalanceInProgressError, errors.UnknownMemberIdError,
                errors.IllegalGenerationError, errors.FencedInstanceIdError) as error:  # fmt: skip
            raise CommitRefusedError(str(error)) from error

    def rebalancing(self) -> bool:
        return bool(self._consumer._coordinator.rejoin_needed)

    def pause(self, partitions: Collection[Partition]) -> None:
        self._consumer.pause(*self._ours(partitions))

    def resume(self, partitions: Collection[Partition]) -> None:
        self._consumer.resume(*self._ours(partitions))

    def _ours(self, partitions: Collection[Partition]) -> list[Any]:
        assignment = self._consumer.assignment()
        return [self._kafka.TopicPartition(*partition) for partition in partitions if partition in assignment]

    def close(self, timeout_seconds: float) -> None:
        with contextlib.suppress(Exception):
            self._consumer.close(autocommit=False, timeout_ms=int(timeout_seconds * 1000))
