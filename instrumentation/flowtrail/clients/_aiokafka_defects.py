"""A defect of aiokafka that can stop a producer for good, worked around.

A producer with idempotence numbers the batches of each partition. One that the broker refuses for what it is
(too large, not allowed there) keeps its number, which the broker never saw: whatever is sent to that partition
after it is refused as out of order, for ever.
"""

from __future__ import annotations

from typing import Any

_STATE_ERRORS = (45, 46, 47, 59)
"""Out of order, duplicate, fenced, unknown producer: there the numbers themselves are what is wrong."""


def survive_refusals(producer: Any) -> None:
    """Have a producer give the numbers of refused batches to the next ones.

    Nothing else of that partition is under way then: aiokafka sends one batch at a time.

    Args:
        producer: An `AIOKafkaProducer`; one whose insides look different is left as it is.
    """
    accumulator: Any = getattr(producer, "_message_accumulator", None)
    manager = getattr(producer, "_txn_manager", None)
    append = getattr(accumulator, "_append_batch", None)
    if manager is None or append is None or manager.transactional_id is not None:
        return

    def append_batch(*args: Any, **kwargs: Any) -> Any:
        batch = append(*args, **kwargs)
        fail = batch.failure

        def failure(exception: Any) -> None:
            code = getattr(exception, "errno", 0)
            if code > 0 and code not in _STATE_ERRORS and not exception.retriable:
                manager.increment_sequence_number(batch.tp, -batch.record_count)
            fail(exception=exception)

        batch.failure = failure
        return batch

    accumulator._append_batch = append_batch
