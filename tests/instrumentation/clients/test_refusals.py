"""A record that the broker refuses is its own misfortune: the producer goes on."""

from collections.abc import Callable
from typing import Any

import pytest

from flowtrail.clients import Delivered, Message, choose_client, is_too_large

pytestmark = pytest.mark.slow

WIDE = {
    "kafka-python": {"producer": {"max_request_size": 3_000_000}},
    "confluent": {"producer": {"message.max.bytes": 3_000_000}},
    "aiokafka": {"producer": {"max_request_size": 3_000_000}},
}


@pytest.mark.parametrize("adapter", WIDE)
def test_the_next_records_are_taken(adapter: str, broker: str, topic: Callable[..., str]) -> None:
    name = topic("refused")
    producer = choose_client(adapter, broker, WIDE[adapter]).open_producer()
    outcomes: list[str] = []
    try:
        for size in (10, 1_500_000, 10, 10, 1_500_000, 10):
            ends: list[Any] = []

            def note(where: Delivered | None, error: Exception | None, ends: list[Any] = ends) -> None:
                ends.append(error if where is None else where)

            producer.send(Message(name, b"k", b"x" * size, ()), note)
            assert producer.flush(60)
            (end,) = ends
            outcomes.append("taken" if isinstance(end, Delivered) else str(is_too_large(end)))
    finally:
        producer.close(10)
    assert outcomes == ["taken", "True", "taken", "taken", "True", "taken"]
