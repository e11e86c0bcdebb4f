"""A coordinator that moves is a failure of its groups, and never the end of the process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kio.schema.errors import ErrorCode

from devbroker import DevBroker
from devbroker.api import HANDLERS
from devbroker.schema import Api
from waiting import scaled

# In a process of its own, since librdkafka would end this one.
LOOKING = """
import sys, time
from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.lag import KafkaLagSource

source = KafkaLagSource(read_connection(sys.argv[1], environ={}))
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    deadline = time.monotonic() + 5
    source.topics(deadline)
    for group, commits in source.commits(["billing"], deadline):
        failed = hasattr(commits, "reason")
        print("failure" if failed else "commits", commits, flush=True)
        if not failed:
            source.close()
            sys.exit(0)
    time.sleep(0.1)
"""


class Moving:
    """Answers about groups as a broker does that isn't their coordinator, for a while."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.described = 0

    async def describe(self, broker: Any, request: Any, client: Any) -> Any:
        self.described += 1
        if self.described > self.times:
            return await DESCRIBE(broker, request, client)
        groups = [{"group_id": name, "error_code": ErrorCode.not_coordinator} for name in request.body.groups]
        return {"groups": groups}

    async def fetch(self, broker: Any, request: Any, client: Any) -> Any:
        if self.described > self.times:
            return await FETCH(broker, request, client)
        refused = ErrorCode.not_coordinator
        if request.version < 8:
            return {"error_code": refused, "topics": []}
        groups = [
            {"group_id": each.group_id, "error_code": refused, "topics": []} for each in request.body.groups
        ]
        return {"groups": groups}


DESCRIBE, FETCH = HANDLERS[Api.DESCRIBE_GROUPS], HANDLERS[Api.OFFSET_FETCH]


@pytest.fixture
def moving(monkeypatch: pytest.MonkeyPatch) -> Moving:
    moving = Moving(times=0)
    monkeypatch.setitem(HANDLERS, Api.DESCRIBE_GROUPS, moving.describe)  # type: ignore[arg-type]
    monkeypatch.setitem(HANDLERS, Api.OFFSET_FETCH, moving.fetch)  # type: ignore[arg-type]
    return moving


@pytest.fixture
def broker(moving: Moving) -> Iterator[DevBroker]:
    with DevBroker() as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        admin.create_topics([NewTopic("orders", 1, 1)])["orders"].result(scaled(20))
        consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "billing"})
        consumer.commit(offsets=[TopicPartition("orders", 0, 4)], asynchronous=False)
        consumer.close()
        yield broker


@pytest.mark.slow
def test_groups_whose_coordinator_moves_are_failures_until_it_is_there(
    broker: DevBroker, moving: Moving
) -> None:
    moving.times, moving.described = 3, 0
    seconds = scaled(30)
    ended = subprocess.run(
        [sys.executable, "-c", LOOKING, broker.bootstrap_servers, str(seconds)],
        capture_output=True,
        text=True,
        timeout=2 * seconds,
        check=False,
    )
    assert ended.returncode == 0, (ended.returncode, ended.stderr[-500:])
    kinds = [line.split()[0] for line in ended.stdout.splitlines()]
    assert kinds.count("failure") >= 3
    assert kinds[-1] == "commits"
