"""A Kafka that has been started, for the first time or again, coordinates groups and transactions at once."""

from collections.abc import Callable

import pytest

from devbroker.schema import Api
from servers import KafkaServer
from servers.raw import RawClient

pytestmark = pytest.mark.slow(20)


def errors(server: KafkaServer) -> set[int]:
    """What it answers to the first question of many groups and transactional producers."""
    names = [f"first-{number}" for number in range(12)]
    with RawClient(server.bootstrap_servers) as client:
        groups = [client.call(Api.OFFSET_FETCH, 5, group_id=name, topics=None) for name in names]
        producers = [
            client.call(
                Api.INIT_PRODUCER_ID, 3, transactional_id=name, transaction_timeout=10_000,
                producer_id=-1, producer_epoch=-1,
            )
            for name in names
        ]  # fmt: skip
    return {answer.error_code for answer in (*groups, *producers)}


def test_after_every_start(kafka_server: Callable[..., KafkaServer]) -> None:
    server = kafka_server()
    assert errors(server) == {0}
    server.kill()
    server.start()
    assert errors(server) == {0}
    server.restart()
    assert errors(server) == {0}
