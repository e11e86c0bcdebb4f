"""aiokafka, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Coroutine, Mapping
from typing import Any, TypeVar

from flowtrail._extras import load
from flowtrail._loop_thread import LoopThread
from flowtrail._wrap import leave_alone
from flowtrail.clients._aiokafka_consumer import AiokafkaConsumer
from flowtrail.clients._aiokafka_defects import is_out_of_order, survive_refusals
from flowtrail.clients._aiokafka_producer import AiokafkaProducer
from flowtrail.clients._kinds import KAFKA
from flowtrail.clients._port import (
    ClientError,
    ConsumerClient,
    ProducerClient,
    RebalanceListener,
    Subscription,
    no_headers,
    split_settings,
)
from flowtrail.clients._topics import ensure_aiokafka
from flowtrail.errors import ConfigurationError

T = TypeVar("T")

_CONNECT_SECONDS = 10.0
_METADATA_SECONDS = 5.0


class AiokafkaClient:
    """Opens aiokafka producers and consumers.

    Args:
        bootstrap_servers: `host:port`, several separated by commas.
        settings: aiokafka's own settings; those under the keys `producer` and `consumer` go to one side only.

    Raises:
        MissingExtraError: aiokafka isn't installed.
    """

    name = "aiokafka"
    kind = KAFKA

    def __init__(self, bootstrap_servers: str, settings: Mapping[str, Any] | None = None) -> None:
        self._aiokafka = load("aiokafka", "aiokafka", "aiokafka")
        self.address = bootstrap_servers
        producer, consumer = split_settings(settings or {})
        base = {"bootstrap_servers": bootstrap_servers}
        self._producer = {**base, "enable_idempotence": True, **producer}
        self._consumer = {**base, "metadata_max_age_ms": 30_000, **consumer}
        self._thread = LoopThread("flowtrail-aiokafka")

    def open_producer(self) -> ProducerClient:
        """Connect a producer; see `Client.open_producer`."""
        return self._open(self._start_producer())

    async def _start_producer(self) -> AiokafkaProducer:
        producer = await self._started(self._aiokafka.AIOKafkaProducer, self._producer)
        survive_refusals(producer)
        return AiokafkaProducer(self._thread, producer)

    def open_consumer(
        self, subscriptions: Collection[Subscription], group: str, listener: RebalanceListener, *, start: str
    ) -> ConsumerClient:
        """Connect a consumer; see `Client.open_consumer`."""
        topics = [subscription.topic for subscription in subscriptions]
        return self._open(self._start_consumer(topics, group, listener, start))

    async def _start_consumer(
        self, topics: Collection[str], group: str, listener: RebalanceListener, start: str
    ) -> AiokafkaConsumer:
        settings = {
            **self._consumer,
            "group_id": group,
            "auto_offset_reset": start,
            "enable_auto_commit": False,
        }
        kafka_consumer = await self._started(self._aiokafka.AIOKafkaConsumer, settings)
        consumer = AiokafkaConsumer(self._aiokafka, self._thread, kafka_consumer, listener)
        # Topics that don't exist yet are created by being asked for; without that they would be found only
        # when the metadata gets old.
        with contextlib.suppress(Exception):
            waits = [kafka_consumer._client._wait_on_metadata(topic) for topic in topics]
            async with asyncio.timeout(_METADATA_SECONDS):
                await asyncio.gather(*waits)
        kafka_consumer.subscribe(list(topics), listener=consumer.listener())
        return consumer

    def _open(self, starting: Coroutine[Any, Any, T]) -> T:
        self._thread.acquire()
        try:
            return self._thread.call(starting, _CONNECT_SECONDS + 5)
        except BaseException as error:
            self._thread.release()
            raise self._failure(error) from error

    async def _started(self, kind: Any, settings: Mapping[str, Any]) -> Any:
        try:
            client = kind(**settings)
        except TypeError as error:
            raise ConfigurationError(f"aiokafka: {error}") from error
        leave_alone(client)
        try:
            # Unlike `wait_for` in Python 3.11, this never swallows a cancellation from outside.
            async with asyncio.timeout(_CONNECT_SECONDS):
                await client.start()
        except BaseException:
            await client.stop()
            raise
        return client

    def _failure(self, error: BaseException) -> BaseException:
        if isinstance(error, self._aiokafka.errors.IncompatibleBrokerVersion):
            return no_headers(self.address)
        kinds = (self._aiokafka.errors.KafkaError, OSError, TimeoutError)
        return ClientError(str(error) or "timeout") if isinstance(error, kinds) else error

    def ensure_topics(self, topics: Collection[str]) -> Mapping[str, str]:
        """See `ChecksTopics.ensure_topics`."""
        self._thread.acquire()
        try:
            return self._thread.call(ensure_aiokafka(self._aiokafka, self._producer, topics))
        except (self._aiokafka.errors.KafkaError, OSError, TimeoutError) as error:
            raise ClientError(str(error) or "timeout") from error
        finally:
            self._thread.release()

    def is_retriable(self, error: BaseException) -> bool:
        """See `Client.is_retriable`."""
        return (
            bool(getattr(error, "retriable", False))
            or is_out_of_order(error)
            or isinstance(error, self._aiokafka.errors.KafkaTimeoutError | TimeoutError)
        )
