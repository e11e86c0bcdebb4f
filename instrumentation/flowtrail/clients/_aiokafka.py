"""aiokafka, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from flowtrail._record import Record
from flowtrail._wrap import leave_alone
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
    split_settings,
)
from flowtrail.errors import ConfigurationError, MissingExtraError

T = TypeVar("T")

_CONNECT_SECONDS = 10.0
_CALL_SECONDS = 30.0
_METADATA_SECONDS = 5.0
_GRACE_SECONDS = 0.05


def _library() -> Any:
    try:
        import aiokafka
    except ImportError as error:
        raise MissingExtraError("aiokafka", "aiokafka") from error
    return aiokafka


class LoopThread:
    """An event loop in a thread, as long as somebody uses it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._thread: threading.Thread | None = None
        self.loop: asyncio.AbstractEventLoop

    def acquire(self) -> None:
        """Start it, unless it runs."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self.loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self.loop.run_forever, name="flowtrail-aiokafka", daemon=True
                )
                self._thread.start()

    def release(self) -> None:
        """Stop it, if nobody else uses it."""
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._thread is not None:
                self.loop.call_soon_threadsafe(self.loop.stop)
                self._thread.join()
                self.loop.run_until_complete(self.loop.shutdown_asyncgens())
                self.loop.close()

    def call(self, coroutine: Coroutine[Any, Any, T], timeout_seconds: float = _CALL_SECONDS) -> T:
        """Run a coroutine there and wait for it; one that takes longer is cancelled."""
        running = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return running.result(timeout_seconds)
        finally:
            running.cancel()


class AiokafkaClient:
    """Opens aiokafka producers and consumers.

    Args:
        bootstrap_servers: `host:port`, several separated by commas.
        settings: aiokafka's own settings; those under the keys `producer` and `consumer` go to one side only.

    Raises:
        MissingExtraError: aiokafka isn't installed.
    """

    name = "aiokafka"

    def __init__(self, bootstrap_servers: str, settings: Mapping[str, Any] | None = None) -> None:
        self._aiokafka = _library()
        self.address = bootstrap_servers
        producer, consumer = split_settings(settings or {})
        base = {"bootstrap_servers": bootstrap_servers}
        self._producer = {**base, "enable_idempotence": True, **producer}
        self._consumer = {**base, "metadata_max_age_ms": 30_000, **consumer}
        self._thread = LoopThread()

    def open_producer(self) -> ProducerClient:
        """Connect a producer; see `Client.open_producer`."""
        self._thread.acquire()
        try:
            return self._thread.call(self._start_producer(), _CONNECT_SECONDS + 5)
        except BaseException as error:
            self._thread.release()
            raise self._failure(error) from error

    async def _start_producer(self) -> _Producer:
        producer = self._make(self._aiokafka.AIOKafkaProducer, self._producer)
        await self._start(producer)
        return _Producer(self._thread, producer)

    def open_consumer(
        self, topics: Collection[str], group: str, listener: RebalanceListener, *, start: str
    ) -> ConsumerClient:
        """Connect a consumer; see `Client.open_consumer`."""
        self._thread.acquire()
        try:
            return self._thread.call(
                self._start_consumer(topics, group, listener, start), _CONNECT_SECONDS + 5
            )
        except BaseException as error:
            self._thread.release()
            raise self._failure(error) from error

    async def _start_consumer(
        self, topics: Collection[str], group: str, listener: RebalanceListener, start: str
    ) -> _Consumer:
        settings = {
            **self._consumer,
            "group_id": group,
            "auto_offset_reset": start,
            "enable_auto_commit": False,
        }
        kafka_consumer = self._make(self._aiokafka.AIOKafkaConsumer, settings)
        consumer = _Consumer(self._aiokafka, self._thread, kafka_consumer, listener)
        await self._start(kafka_consumer)
        # Topics that don't exist yet are created by being asked for; without that they would be found only
        # when the metadata gets old.
        with contextlib.suppress(Exception):
            waits = [kafka_consumer._client._wait_on_metadata(topic) for topic in topics]
            async with asyncio.timeout(_METADATA_SECONDS):
                await asyncio.gather(*waits)
        kafka_consumer.subscribe(list(topics), listener=consumer.listener())
        return consumer

    def _make(self, kind: Any, settings: Mapping[str, Any]) -> Any:
        try:
            client = kind(**settings)
            leave_alone(client)
            return client
        except TypeError as error:
            raise ConfigurationError(f"aiokafka: {error}") from error

    async def _start(self, client: Any) -> None:
        try:
            # Unlike `wait_for` in Python 3.11, this never swallows a cancellation from outside.
            async with asyncio.timeout(_CONNECT_SECONDS):
                await client.start()
        except BaseException:
            await client.stop()
            raise

    def _failure(self, error: BaseException) -> BaseException:
        kinds = (self._aiokafka.errors.KafkaError, OSError, TimeoutError)
        return ClientError(str(error) or "timeout") if isinstance(error, kinds) else error

    def is_retriable(self, error: BaseException) -> bool:
        """See `Client.is_retriable`."""
        return bool(getattr(error, "retriable", False)) or isinstance(
            error, self._aiokafka.errors.KafkaTimeoutError | TimeoutError
        )


class _Producer:
    """Sends one after the other: concurrent `send` coroutines could overtake each other."""

    def __init__(self, thread: LoopThread, producer: Any) -> None:
        self._thread = thread
        self._producer = producer
        self._waiting: asyncio.Queue[tuple[Message, OnDelivery]] = asyncio.Queue()
        self._under_way = 0
        self._idle = threading.Condition()
        self._sender = thread.loop.create_task(self._send_waiting())
        self._closed = False

    def send(self, message: Message, on_delivery: OnDelivery) -> None:
        with self._idle:
            if self._closed:
                raise ClientError("the producer is closed")
            self._under_way += 1
        self._thread.loop.call_soon_threadsafe(self._waiting.put_nowait, (message, on_delivery))

    async def _send_waiting(self) -> None:
        while True:
            message, on_delivery = await self._waiting.get()
            # Header values can't be null in aiokafka; an empty one is the closest.
            headers = [(name, value if value is not None else b"") for name, value in message.headers]
            try:
                sent = await self._producer.send(
                    message.topic, value=message.value, key=message.key, headers=headers
                )
            except Exception as error:  # noqa: BLE001 - reported to whoever publishes
                self._report(on_delivery, None, error)
            else:
                sent.add_done_callback(lambda future, report=on_delivery: self._delivered(future, report))

    def _delivered(self, future: asyncio.Future[Any], on_delivery: OnDelivery) -> None:
        if future.cancelled():
            self._report(on_delivery, None, ClientError("the producer was closed"))
        elif (error := future.exception()) is not None:
            self._report(
                on_delivery, None, error if isinstance(error, Exception) else ClientError(str(error))
            )
        else:
            sent = future.result()
            self._report(on_delivery, Delivered(sent.partition, sent.offset), None)

    def _report(self, on_delivery: OnDelivery, delivered: Delivered | None, error: Exception | None) -> None:
        try:
            on_delivery(delivered, error)
        finally:
            with self._idle:
                self._under_way -= 1
                self._idle.notify_all()

    def flush(self, timeout_seconds: float) -> bool:
        with self._idle:
            return self._idle.wait_for(lambda: not self._under_way, timeout_seconds)

    def close(self, timeout_seconds: float) -> None:
        with self._idle:
            if self._closed:
                return
            self._closed = True
        self.flush(timeout_seconds)
        with contextlib.suppress(Exception):
            self._thread.call(self._stop(), timeout_seconds)
        self._thread.release()

    async def _stop(self) -> None:
        self._sender.cancel()
        await self._producer.stop()


class _Consumer:
    """aiokafka rebalances whenever it likes; here the listener runs in the polling thread, during `poll`."""

    def __init__(self, aiokafka: Any, thread: LoopThread, consumer: Any, listener: RebalanceListener) -> None:
        self._aiokafka = aiokafka
        self._thread = thread
        self._consumer = consumer
        self._listener = listener
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._waiting_calls = 0
        self._getting: Future[tuple[int, dict[Any, list[Any]]]] | None = None
        self._epoch = 0  # counts changes of the assignment; changed on the loop only
        self._closed = False

    def listener(self) -> Any:
        """For `subscribe`."""
        outer = self

        class Listener(self._aiokafka.ConsumerRebalanceListener):  # type: ignore[misc, name-defined]
            async def on_partitions_revoked(self, revoked: Any) -> None:
                outer._epoch += 1
                if not revoked:
                    return
                partitions = [Partition(*partition) for partition in revoked]
                offsets = await outer._in_poll(lambda: outer._listener.revoked(partitions))
                if offsets:
                    with contextlib.suppress(Exception):  # lost already: others handle the records again
                        await outer._commit(offsets)

            async def on_partitions_assigned(self, assigned: Any) -> None:
                outer._epoch += 1
                partitions = [Partition(*partition) for partition in assigned]
                await outer._in_poll(lambda: outer._listener.assigned(partitions))

        return Listener()

    async def _in_poll(self, call: Callable[[], T]) -> T:
        """Have a function called by the thread that polls, and wait for it."""
        ended: Future[T] = Future()

        def run() -> None:
            try:
                ended.set_result(call())
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                ended.set_exception(error)

        self._waiting_calls += 1
        self._calls.put(run)
        try:
            return await asyncio.wrap_future(ended)
        finally:
            self._waiting_calls -= 1

    def _serve(self, until: Future[T], timeout_seconds: float) -> bool:
        """Run the listener's calls until a future is done; False if it took longer."""
        deadline = time.monotonic() + timeout_seconds
        while not until.done():
            try:
                self._calls.get(timeout=max(0.0, deadline - time.monotonic()))()
            except Empty:
                return False
        return True

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop; its end wakes `_serve`."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._thread.loop)
        future.add_done_callback(lambda _: self._calls.put(_nothing))
        return future

    async def _get(self, timeout_seconds: float, max_records: int) -> tuple[int, dict[Any, list[Any]]]:
        polled = await self._consumer.getmany(timeout_ms=int(timeout_seconds * 1000), max_records=max_records)
        return self._epoch, polled

    def poll(self, timeout_seconds: float, max_records: int) -> list[Record]:
        # During a rebalance aiokafka's getmany waits for its end, whatever its timeout; it is left to itself
        # then, and its result is for a later poll.
        if self._getting is None:
            self._getting = self._submit(self._get(timeout_seconds, max_records))
        if not self._serve(self._getting, timeout_seconds + _GRACE_SECONDS):
            return []
        getting, self._getting = self._getting, None
        try:
            epoch, polled = getting.result()
        except self._aiokafka.errors.KafkaError as error:
            if getattr(error, "retriable", False):
                return []
            raise ClientError(str(error)) from error
        if epoch != self._epoch:
            return []  # fetched for an assignment that is over; what is still ours is fetched again
        return [
            Record(
                record.topic, record.partition, record.offset, record.timestamp, record.key, record.value,
                record.headers,
            )
            for records in polled.values()
            for record in records
        ]  # fmt: skip

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        errors = self._aiokafka.errors
        committing = self._submit(self._commit(offsets))
        try:
            if not self._serve(committing, _CALL_SECONDS):
                raise ClientError("aiokafka does not answer a commit")
            committing.result()
        except (errors.CommitFailedError, errors.IllegalStateError, errors.UnknownMemberIdError,
                errors.IllegalGenerationError, errors.RebalanceInProgressError) as error:  # fmt: skip
            raise CommitRefusedError(str(error)) from error

    async def _commit(self, offsets: Mapping[Partition, int]) -> None:
        await self._consumer.commit({
            self._aiokafka.TopicPartition(*partition): offset for partition, offset in offsets.items()
        })  # fmt: skip

    def rebalancing(self) -> bool:
        return self._waiting_calls > 0

    def pause(self, partitions: Collection[Partition]) -> None:
        self._thread.call(self._apply(self._consumer.pause, partitions))

    def resume(self, partitions: Collection[Partition]) -> None:
        self._thread.call(self._apply(self._consumer.resume, partitions))

    async def _apply(self, change: Callable[..., None], partitions: Collection[Partition]) -> None:
        assigned = self._consumer.assignment()
        ours = [self._aiokafka.TopicPartition(*found) for found in partitions if found in assigned]
        if ours:
            change(*ours)

    def close(self, timeout_seconds: float) -> None:
        if self._closed:
            return
        self._closed = True
        if self._getting is not None:
            self._getting.cancel()
        stopping = self._submit(self._consumer.stop())
        with contextlib.suppress(Exception):
            self._serve(stopping, timeout_seconds)
        self._thread.release()


def _nothing() -> None:
    """Wakes `_serve`."""
