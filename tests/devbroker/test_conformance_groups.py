"""Consumer groups, by three clients, on devbroker and on a real Kafka."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from devbroker.codec import Body
from devbroker.schema import Api
from servers.clients import WAIT_SECONDS, Driver, Member, Message, Received, consume
from servers.raw import RawClient
from waiting import Deadline, scaled

_PARTITIONS = {0, 1, 2}
_COORDINATOR_COMES_UP = (
    ErrorCode.coordinator_load_in_progress,
    ErrorCode.coordinator_not_available,
    ErrorCode.not_coordinator,
)

# Each statement runs with every client: half a second each, because clients connect and groups form.
pytestmark = pytest.mark.slow


def _poll_until(members: Sequence[Member], condition: Callable[[], bool]) -> list[Received]:
    """Poll all members in turn, as their processes would, until the condition holds."""
    received: list[Received] = []
    deadline = Deadline(WAIT_SECONDS)
    while not condition():
        assert not deadline.passed, [member.assignment() for member in members]
        for member in members:
            received += member.poll()
    return received


def _one_in_each(driver: Driver, broker: str, topic: str) -> None:
    driver.produce(broker, topic, [Message(b"v", partition=index) for index in _PARTITIONS])


def test_a_group_goes_on_where_it_committed(driver: Driver, broker: str, topic: Callable[..., str]) -> None:
    name, group = topic(), topic("group")
    driver.produce(broker, name, [Message(b"1"), Message(b"2")])
    with driver.member(broker, name, group) as member:
        assert [r.value for r in consume(member, 2)] == [b"1", b"2"]
        member.commit()
        driver.produce(broker, name, [Message(b"3")])
        assert [r.value for r in consume(member, 1)] == [b"3"]  # and doesn't commit it
    with driver.member(broker, name, group) as member:
        assert [r.value for r in consume(member, 1)] == [b"3"]
        assert member.committed(0) == 2
        assert member.committed(1) in (None, 0)  # a client may commit positions it never moved


def test_two_members_share_the_partitions_and_one_takes_over(
    driver: Driver, broker: str, topic: Callable[..., str]
) -> None:
    name, group = topic(), topic("group")
    _one_in_each(driver, broker, name)
    with driver.member(broker, name, group) as first:
        consume(first, 3)
        assert first.assignment() == _PARTITIONS
        with driver.member(broker, name, group) as second:
            _poll_until(
                [first, second],
                lambda: (
                    bool(first.assignment() and second.assignment())
                    and first.assignment() | second.assignment() == _PARTITIONS
                    and not first.assignment() & second.assignment()
                ),
            )
            closing = threading.Thread(
                target=_poll_until, args=([first], lambda: first.assignment() == _PARTITIONS)
            )
            closing.start()
        closing.join()
        assert first.assignment() == _PARTITIONS


def test_a_static_member_comes_back_to_its_partitions_without_a_rebalance(
    driver: Driver, broker: str, topic: Callable[..., str]
) -> None:
    name, group = topic(), topic("group")
    _one_in_each(driver, broker, name)
    with driver.member(broker, name, group, instance_id="one") as first:
        consume(first, 3)
        second = driver.member(broker, name, group, instance_id="two")
        _poll_until([first, second], lambda: _shared(first, second))
        kept, returned = first.assignment(), second.assignment()
        second.close()
        again = driver.member(broker, name, group, instance_id="two")
        with again:
            _poll_until([again], lambda: again.assignment() == returned)
            assert first.assignment() == kept


def _shared(first: Member, second: Member) -> bool:
    both = first.assignment() | second.assignment() == _PARTITIONS
    return both and bool(second.assignment()) and not first.assignment() & second.assignment()


def test_a_static_member_started_twice_fences_the_first(broker: str, topic: Callable[..., str]) -> None:
    group = topic("group")
    with RawClient(broker) as first, RawClient(broker) as second:
        old = _join(first, group, instance_id="only")
        request = _join_request(group, session_ms=10_000, instance_id="only")
        new = second.call(Api.JOIN_GROUP, 5, **request)
        assert (new.error_code, new.generation_id) == (ErrorCode.none, old.generation_id)
        assert new.member_id != old.member_id
        assert new.leader == old.member_id  # so that an old client doesn't assign anew
        assert _heartbeat(first, group, old, "only") == ErrorCode.fenced_instance_id
        assert _heartbeat(second, group, new, "only") == ErrorCode.none
        kept = _sync(second, group, new, b"ignored", "only")
        assert (kept.error_code, kept.assignment) == (ErrorCode.none, b"all")


def test_a_member_that_falls_silent_is_evicted(broker: str, topic: Callable[..., str]) -> None:
    """A frozen process: its socket stays open, and it sends no heartbeat."""
    group = topic("group")
    with RawClient(broker) as silent, RawClient(broker) as watcher:
        joined = _join(silent, group, session_ms=1000)
        assert _heartbeat(silent, group, joined) == ErrorCode.none
        started = time.monotonic()
        while watcher.call(Api.DESCRIBE_GROUPS, 5, groups=[group]).groups[0].members:
            assert time.monotonic() - started < WAIT_SECONDS
        assert 0.7 < time.monotonic() - started < scaled(5)
        assert _heartbeat(silent, group, joined) == ErrorCode.unknown_member_id


def _join_request(group: str, *, session_ms: int, instance_id: str | None = None) -> dict[str, Any]:
    return {
        "group_id": group,
        "group_instance_id": instance_id,
        "session_timeout": session_ms,
        "rebalance_timeout": session_ms,
        "protocol_type": "consumer",
        "protocols": [{"name": "range", "metadata": b""}],
    }


def _join(client: RawClient, group: str, *, session_ms: int = 10_000, instance_id: str | None = None) -> Body:
    """Join and become the one stable member."""
    request = _join_request(group, session_ms=session_ms, instance_id=instance_id)
    deadline = Deadline(WAIT_SECONDS)
    joined = client.call(Api.JOIN_GROUP, 5, **request)
    while joined.error_code in _COORDINATOR_COMES_UP:
        assert not deadline.passed
        client.call(Api.FIND_COORDINATOR, 1, key=group)
        joined = client.call(Api.JOIN_GROUP, 5, **request)
    if instance_id is None:
        assert joined.error_code == ErrorCode.member_id_required
        joined = client.call(Api.JOIN_GROUP, 5, **request, member_id=joined.member_id)
    assert joined.error_code == ErrorCode.none
    assert joined.leader == joined.member_id
    synced = _sync(client, group, joined, b"all", instance_id)
    assert (synced.error_code, synced.assignment) == (ErrorCode.none, b"all")
    return joined


def _sync(
    client: RawClient, group: str, joined: Body, assignment: bytes, instance_id: str | None = None
) -> Body:
    return client.call(
        Api.SYNC_GROUP,
        3,
        group_id=group,
        generation_id=joined.generation_id,
        member_id=joined.member_id,
        group_instance_id=instance_id,
        assignments=[{"member_id": joined.member_id, "assignment": assignment}],
    )


def _heartbeat(client: RawClient, group: str, joined: Body, instance_id: str | None = None) -> int:
    answer = client.call(
        Api.HEARTBEAT,
        3,
        group_id=group,
        generation_id=joined.generation_id,
        member_id=joined.member_id,
        group_instance_id=instance_id,
    )
    return int(answer.error_code)


def test_commits_are_fenced(broker: str, topic: Callable[..., str]) -> None:
    name, group = topic(), topic("group")
    with RawClient(broker) as client:
        client.call(Api.METADATA, 5, topics=[{"name": name}], allow_auto_topic_creation=True)
        joined = _join(client, group)
        cases = [
            (joined.generation_id, joined.member_id, ErrorCode.none),
            (joined.generation_id - 1, joined.member_id, ErrorCode.illegal_generation),
            (joined.generation_id, "stranger", ErrorCode.unknown_member_id),
            (-1, "", ErrorCode.unknown_member_id),
        ]
        for generation, member_id, expected in cases:
            committed = client.call(
                Api.OFFSET_COMMIT,
                7,
                group_id=group,
                generation_id_or_member_epoch=generation,
                member_id=member_id,
                topics=[{"name": name, "partitions": [{"partition_index": 0, "committed_offset": 5}]}],
            )
            assert committed.topics[0].partitions[0].error_code == expected
        left = client.call(Api.LEAVE_GROUP, 3, group_id=group, members=[{"member_id": joined.member_id}])
        assert left.members[0].error_code == ErrorCode.none
        again = client.call(Api.LEAVE_GROUP, 3, group_id=group, members=[{"member_id": joined.member_id}])
        assert again.members[0].error_code == ErrorCode.unknown_member_id


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"group_id": ""}, ErrorCode.invalid_group_id),
        ({"session_timeout": 1}, ErrorCode.invalid_session_timeout),
        ({"protocols": []}, ErrorCode.inconsistent_group_protocol),
        ({"protocol_type": ""}, ErrorCode.inconsistent_group_protocol),
        ({"member_id": "never-seen"}, ErrorCode.unknown_member_id),
    ],
)
def test_a_wrong_join_is_refused(
    broker: str, topic: Callable[..., str], change: dict[str, object], error: ErrorCode
) -> None:
    request = _join_request(topic("group"), session_ms=10_000)
    with RawClient(broker) as client:
        _join(client, topic("group"))  # by now the coordinator is there
        assert client.call(Api.JOIN_GROUP, 3, **request | change).error_code == error
