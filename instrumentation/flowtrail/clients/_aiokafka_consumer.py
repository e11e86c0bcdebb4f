"""Consuming with aiokafka from one thread that polls."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from flowtrail._clock import remaining
from flowtrail._loop_thread import CALL_SECONDS, LoopThread
from flowtrail.clients._port import ClientError, CommitRefusedError, Partition, RebalanceListener
from flowtrail.wire import Record, records_of

T = TypeVar("T")

_GRACE_SECONDS = 0.05


class AiokafkaConsumer:
    """aiokafka rebalances whenever it likes; here the listener runs in the polling thread, during `poll`."""

    def __init__(self, aiokafka: Any, thread: LoopThread, consumer: Any, listener: RebalanceListener) -> None:
        self._aiokafka = aiokafka
        self._thread = thread
        self._consumer = consumer
        self._listener = listener
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._waiting_calls = 0
        self._getting: Future[tuple[int, dict[Any, list[Any]]]] | None = None
        self._one_commit = asyncio.Lock()  # aiokafka tries each again by itself: an older one could come last
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
                self._calls.get(timeout=remaining(deadline))()
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
        return records_of(polled)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        errors = self._aiokafka.errors
        committing = self._submit(self._commit(offsets))
        try:
            if not self._serve(committing, CALL_SECONDS):
                committing.cancel()  # or it would be tried again after later ones
                raise ClientError("aiokafka does not answer a commit")
            committing.result()
        except (errors.CommitFailedError, errors.IllegalStateError, errors.UnknownMemberIdError,
                errors.IllegalGenerationError, errors.RebalanceInProgressError) as error:  # fmt: skip
            raise CommitRefusedError(str(error)) from error

    async def _commit(self, offsets: Mapping[Partition, int]) -> None:
        async with self._one_commit:
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
