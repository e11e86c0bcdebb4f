"""A defect of aiokafka that can stop a producer for good, worked around.

A producer with idempotence numbers the batches of each partition. One that the broker refuses for what it is
(too large, not allowed there) keeps its number, which the broker never saw, and so does one that waits for a
partition's leader for too long: whatever is sent to that partition after it is refused as out of order, for ever
(https://github.com/aio-libs/aiokafka/issues/1017).
"""

from __future__ import annotations

from typing import Any

_STATE_ERRORS = (45, 47, 59)
"""Out of order, fenced, unknown producer: there the numbers themselves are what is wrong."""


def survive_refusals(producer: Any) -> None:
    """Have a producer go on after a batch that failed.

    The number of a batch that was surely not written goes to the next one: nothing else of its partition is under
    way then, since aiokafka sends one batch at a time. Where nobody knows, the producer gets a new id from the broker
    and counts from the beginning, as Kafka's own client does. A batch keeps the id that it was first sent with.

    Args:
        producer: An `AIOKafkaProducer`; one whose insides look different is left as it is.
    """
    accumulator: Any = getattr(producer, "_message_accumulator", None)
    manager = getattr(producer, "_txn_manager", None)
    append = getattr(accumulator, "_append_batch", None)
    if manager is None or append is None or manager.transactional_id is not None:
        return
    if not hasattr(manager, "_pid_and_epoch") or not hasattr(manager, "_sequence_numbers"):
        return
    numbering = _Numbering(accumulator._loop, manager)

    def append_batch(*args: Any, **kwargs: Any) -> Any:
        batch = append(*args, **kwargs)
        fail = batch.failure

        def failure(exception: Any) -> None:
            numbering.failed(batch, exception)
            fail(exception=exception)

        batch.failure = failure
        return batch

    accumulator._append_batch = append_batch


def is_out_of_order(error: BaseException) -> bool:
    """Whether a batch was refused for its number: sent again, it gets another one."""
    return getattr(error, "errno", 0) in _STATE_ERRORS or type(error).__name__ == "ProducerFenced"


class _Numbering:
    """Numbers and ids of a producer's batches.

    Args:
        loop: The producer's loop.
        manager: Its transaction manager.
    """

    def __init__(self, loop: Any, manager: Any) -> None:
        self._loop = loop
        self._manager = manager
        self._starting_anew = False

    def failed(self, batch: Any, exception: Any) -> None:
        """A batch won't be sent any more."""
        if batch.retry_count == 0:
            return  # it has no number yet
        code = getattr(exception, "errno", 0)
        if code > 0 and not exception.retriable and not is_out_of_order(exception):
            self._manager.increment_sequence_number(batch.tp, -batch.record_count)
        elif not self._starting_anew:
            self._starting_anew = True
            # The sender may be taking batches just now, and asks for an id before it takes the next ones.
            self._loop.call_soon(self._start_anew)

    def _start_anew(self) -> None:
        self._starting_anew = False
        manager = self._manager
        manager._pid_and_epoch = manager._pid_and_epoch._replace(pid=-1, epoch=-1)
        manager._pid_waiter = self._loop.create_future()
        manager._sequence_numbers.clear()
