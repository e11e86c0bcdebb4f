"""A management API that isn't quick, or isn't one, is told as what it is."""

import socket

import pytest

from flowtrail_collector.brokers.rabbitmq import management
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.settings import RabbitConfig


def test_one_that_is_busy_is_told_apart_from_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(management, "_ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"http://127.0.0.1:{silent.getsockname()[1]}"
        asked = management.Management(RabbitConfig("amqp://ann@127.0.0.1/", management=where))
        with pytest.raises(ServiceUnreachableError, match=r"took longer than 0\.2 s to answer: it is busy"):
            asked.queues()
        asked.close()
    with pytest.raises(ServiceUnreachableError, match="rabbitmq-plugins enable rabbitmq_management"):
        asked.queues()
    asked.close()
