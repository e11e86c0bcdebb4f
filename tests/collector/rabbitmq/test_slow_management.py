"""A management API that takes its time keeps nobody from telling what Kafka's groups do."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from flowtrail_collector.brokers.question import Question
from flowtrail_collector.settings import LagSettings
from rabbitkit import Corner, Following
from waiting import scaled, until


def group_behind(servers: str, topic: str, records: int) -> str:
    """A group that has read none of some records."""
    producer = Producer({"bootstrap.servers": servers})
    for _ in range(records):
        producer.produce(topic, b"{}", partition=0)
    assert producer.flush(scaled(30)) == 0
    consumer = Consumer({"bootstrap.servers": servers, "group.id": f"{topic}.readers"})
    consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    consumer.close()
    return f"{topic}.readers"


@pytest.mark.servers
@pytest.mark.slow
def test_kafkas_groups_stay_fresh_while_it_does_not_answer(
    corner: Corner, tmp_path: Path, devbroker: str
) -> None:
    group = group_behind(devbroker, corner.called("orders"), 7)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        management = f"http://127.0.0.1:{silent.getsockname()[1]}"
        lag = LagSettings(interval_seconds=scaled(2.0))
        with Following(corner, tmp_path, kafka=devbroker, management=management, lag=lag) as following:

            def told() -> tuple[list[int | None], list[str]]:
                answer = following.api("lag") or {"groups": [], "failures": []}
                figures = [each["lag"] for each in answer["groups"] if each["group"] == group]
                return figures, [each["reason"] for each in answer["failures"]]

            until(lambda: told()[0] == [7] and told()[1], told)
            for reason in told()[1]:
                assert reason.startswith(f"RabbitMQ's management API at {management} ")


def test_an_answer_that_comes_late_is_there_for_the_next_who_asks() -> None:
    question: Question[int] = Question("slow")
    go, asked = threading.Event(), []

    def ask() -> int:
        asked.append(None)
        assert go.wait(scaled(30))
        return 7

    assert question.answer(ask, 0.0) is None
    assert question.answer(ask, 0.01) is None
    go.set()
    assert question.answer(ask, scaled(30)) == 7
    assert len(asked) == 1


def test_what_went_wrong_is_raised_where_the_answer_is_taken_and_it_is_asked_anew() -> None:
    question: Question[int] = Question("wrong")

    def fail() -> int:
        raise ValueError("no figures")

    with pytest.raises(ValueError, match="no figures"):
        question.answer(fail, None)
    assert question.answer(lambda: 8, None) == 8
