"""Defects of kafka-python 3.0 that can stop a consumer or a producer for good, worked around.

A join that ends between two polls is thrown away. kafka-python joins its group in the background, and looks
at the result in `poll`. If the join has ended while the program was elsewhere,
`BaseCoordinator.join_group_async` takes the finished task for an old one and joins anew, which starts the next
rebalance for everybody. A group whose members are away from `poll` for a part of the time can go on like that
without end.

What was fetched of a partition that is paused then is parked. It goes on only when nothing is in line, and
`Fetcher.fetched_records` takes the used up records of another partition for something in line: as long as no
other partition gets anything new, a resumed one stays parked, and is not fetched from either.

A producer with idempotence, which is the default, takes a record that the broker refuses for what it is (too
large, not allowed there) for its own end: whatever is sent after it, to any topic, fails with the same error.
"""

from __future__ import annotations

from typing import Any


def keep_finished_join(consumer: Any) -> None:
    """Have a consumer take up the result of a join that ended between two polls.

    Args:
        consumer: A `KafkaConsumer`; one whose insides look different is left as it is.
    """
    coordinator: Any = getattr(consumer, "_coordinator", None)
    manager = getattr(coordinator, "_manager", None)
    join = getattr(coordinator, "join_group_async", None)
    if join is None or manager is None or not hasattr(coordinator, "_join_task"):
        return

    async def join_group_async(timeout_ms: float | None = None) -> Any:
        task = coordinator._join_task
        if task is not None and task.is_done and task.exception is None and coordinator.need_rejoin():
            coordinator._join_task = _ending_soon(manager, type(task)(), task.value)
        return await join(timeout_ms=timeout_ms)

    coordinator.join_group_async = join_group_async


def _ending_soon(manager: Any, future: Any, value: Any) -> Any:
    """The future, which has that value in the next turn of the loop: the coordinator finds it under way."""
    manager.call_soon(lambda: future.success(value))
    return future


def release_parked(consumer: Any) -> None:
    """Make room for what is parked, before a poll: used up records leave the line.

    Args:
        consumer: A `KafkaConsumer`; one whose insides look different is left as it is.
    """
    fetcher = getattr(consumer, "_fetcher", None)
    in_line = getattr(fetcher, "_next_partition_records", None)
    if in_line is not None and not in_line:
        fetcher._next_partition_records = None  # type: ignore[union-attr]


def survive_refusals(producer: Any) -> None:
    """Have a producer go on after a refused record, under a new epoch, as Kafka's own client does.

    Args:
        producer: A `KafkaProducer`; one whose insides look different is left as it is.
    """
    manager = getattr(producer, "_transaction_manager", None)
    classify = getattr(manager, "classify_batch_error", None)
    if manager is None or classify is None or manager.is_transactional():
        return

    def classify_batch_error(error: Any, *args: Any, **kwargs: Any) -> Any:
        found = classify(error, *args, **kwargs)
        kind = error if isinstance(error, type) else type(error)
        if found != manager.ERROR_CLASS_FATAL or kind in manager._FATAL_ERRORS:
            return found
        if manager._supports_epoch_bump():
            return manager.ERROR_CLASS_NEEDS_EPOCH_BUMP
        return manager.ERROR_CLASS_NEEDS_PRODUCER_ID_RESET

    manager.classify_batch_error = classify_batch_error
