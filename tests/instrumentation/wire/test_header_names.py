"""Header names that aren't UTF-8, which Kafka doesn't look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from flowtrail.wire import record_of
from headerkit.names import write_bad_names
from waiting import scaled, wait_for


@pytest.mark.slow
def test_a_record_of_confluent_kafka_is_read_without_headers_that_it_cant_give(
    broker: str, topic: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    name = topic("names")
    admin = AdminClient({"bootstrap.servers": broker})  # kept until the answer is there
    (made,) = admin.create_topics([NewTopic(name, 1, 1)]).values()
    made.result(scaled(20))
    write_bad_names(broker, name, 4)
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "names"})
    consumer.assign([TopicPartition(name, 0, 0)])
    messages: list[Any] = []
    wait_for(lambda: messages.extend(consumer.consume(4, 0.2)) or len(messages) >= 4, scaled(30))
    consumer.close()
    assert [list(record_of(message).headers) for message in messages] == [[("good", b"v")], []] * 2
    lines = [message for message in caplog.messages if "isn't UTF-8" in message]
    assert [line.split(":")[0] for line in lines] == [f"{name}-0@1", f"{name}-0@3"]
