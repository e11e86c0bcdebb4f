"""The protocol by hand: what no client library sends, on devbroker and on a real Kafka."""

import struct
import time
from collections.abc import Callable

import pytest
from kio.schema.errors import ErrorCode

from devbroker.codec import Body, decode_body
from devbroker.schema import Api
from servers.clients import WAIT_SECONDS
from servers.raw import RawClient, batch
from waiting import Deadline, scaled


def _create(client: RawClient, name: str) -> None:
    """Create a topic of one partition and wait until its leader is there."""
    topics = [{"name": name, "num_partitions": 1, "replication_factor": 1}]
    created = client.call(Api.CREATE_TOPICS, 5, topics=topics, timeout=10_000)
    assert created.topics[0].error_code == ErrorCode.none
    deadline = Deadline(WAIT_SECONDS)
    while _fetch(client, name, 0).error_code != ErrorCode.none:
        assert not deadline.passed


def _produce(client: RawClient, name: str, records: bytes, acks: int = -1) -> Body:
    answer = client.call(
        Api.PRODUCE,
        9,
        acks=acks,
        timeout=10_000,
        topic_data=[{"name": name, "partition_data": [{"index": 0, "records": records}]}],
    )
    part: Body = answer.responses[0].partition_responses[0]
    return part


def _fetch_request(
    name: str, offset: int, *, wait_ms: int = 0, min_bytes: int = 1, max_bytes: int = 2**20
) -> dict[str, object]:
    partition = {"partition": 0, "fetch_offset": offset, "partition_max_bytes": max_bytes}
    return {
        "max_wait": wait_ms,
        "min_bytes": min_bytes,
        "max_bytes": max_bytes,
        "topics": [{"topic": name, "partitions": [partition]}],
    }


def _fetch(client: RawClient, name: str, offset: int, **options: int) -> Body:
    answer = client.call(Api.FETCH, 11, **_fetch_request(name, offset, **options))
    part: Body = answer.responses[0].partitions[0]
    return part


def _producer_id(client: RawClient, **known: int) -> Body:
    request = {"transactional_id": None, "transaction_timeout": 60_000, **known}
    deadline = Deadline(WAIT_SECONDS)
    while (given := client.call(Api.INIT_PRODUCER_ID, 4, **request)).error_code != ErrorCode.none:
        assert given.error_code == ErrorCode.coordinator_load_in_progress
        assert not deadline.passed
    return given


def _batches(records: bytes | None) -> list[tuple[int, int]]:
    """(base offset, size) of each batch."""
    found = []
    position = 0
    while records and position < len(records):
        base_offset, length = struct.unpack_from(">qi", records, position)
        found.append((base_offset, length + 12))
        position += length + 12
    return found


def test_a_fetch_waits_until_there_is_something(broker: str, topic: Callable[..., str]) -> None:
    name = topic()
    with RawClient(broker) as client, RawClient(broker) as other:
        _create(client, name)
        started = time.monotonic()
        assert not _fetch(client, name, 0, wait_ms=400).records
        assert 0.35 < time.monotonic() - started < scaled(2)
        started = time.monotonic()
        client.send(Api.FETCH, 11, **_fetch_request(name, 0, wait_ms=10_000))
        assert _produce(other, name, batch(b"v")).error_code == ErrorCode.none
        part = client.receive(Api.FETCH, 11).responses[0].partitions[0]
        assert time.monotonic() - started < scaled(5)
        assert (part.high_watermark, part.log_start_offset) == (1, 0)
        assert [base for base, _ in _batches(part.records)] == [0]


def test_a_fetch_waits_for_enough_bytes(broker: str, topic: Callable[..., str]) -> None:
    name = topic()
    with RawClient(broker) as client, RawClient(broker) as other:
        _create(client, name)
        records = batch(b"v")
        client.send(Api.FETCH, 11, **_fetch_request(name, 0, wait_ms=10_000, min_bytes=2 * len(records)))
        for _ in range(2):
            assert _produce(other, name, records).error_code == ErrorCode.none
        part = client.receive(Api.FETCH, 11).responses[0].partitions[0]
        assert [base for base, _ in _batches(part.records)] == [0, 1]


def test_a_fetch_returns_whole_batches_from_the_one_with_the_offset(
    broker: str, topic: Callable[..., str]
) -> None:
    name = topic()
    with RawClient(broker) as client:
        _create(client, name)
        for values in ([b"0", b"1", b"2"], [b"3", b"4"], [b"5"]):
            _produce(client, name, batch(*values))
        assert [base for base, _ in _batches(_fetch(client, name, 1).records)] == [0, 3, 5]
        assert [base for base, _ in _batches(_fetch(client, name, 3).records)] == [3, 5]
        assert _fetch(client, name, 6).error_code == ErrorCode.none
        # The first batch comes however small the limit is, or nobody could go on.
        whole = _batches(_fetch(client, name, 4, max_bytes=10).records)
        assert whole[0] == (3, len(batch(b"3", b"4")))


@pytest.mark.parametrize(("offset", "error"), [(-1, 1), (2, 1)])
def test_a_fetch_out_of_range(broker: str, topic: Callable[..., str], offset: int, error: int) -> None:
    name = topic()
    with RawClient(broker) as client:
        _create(client, name)
        _produce(client, name, batch(b"v"))
        assert _fetch(client, name, offset, wait_ms=10_000).error_code == error


def test_what_is_not_there(broker: str, topic: Callable[..., str]) -> None:
    with RawClient(broker) as client:
        missing = topic()
        assert _fetch(client, missing, 0).error_code == ErrorCode.unknown_topic_or_partition
        assert _produce(client, missing, batch(b"v")).error_code == ErrorCode.unknown_topic_or_partition
        looked_up = client.call(
            Api.LIST_OFFSETS,
            5,
            replica_id=-1,
            topics=[{"name": missing, "partitions": [{"partition_index": 0, "timestamp": -1}]}],
        )
        assert looked_up.topics[0].partitions[0].error_code == ErrorCode.unknown_topic_or_partition
        described = client.call(Api.METADATA, 9, topics=[{"name": missing}], allow_auto_topic_creation=False)
        assert described.topics[0].error_code == ErrorCode.unknown_topic_or_partition


def test_wrong_batches_are_refused(broker: str, topic: Callable[..., str]) -> None:
    name = topic()
    sound = batch(b"value")
    with RawClient(broker) as client:
        _create(client, name)
        flipped = sound[:-1] + bytes([sound[-1] ^ 1])
        assert _produce(client, name, flipped).error_code == ErrorCode.corrupt_message
        assert _produce(client, name, sound, acks=7).error_code == ErrorCode.invalid_required_acks
        assert _produce(client, name, sound).base_offset == 0


def test_an_idempotent_producers_batches_are_stored_once_and_in_order(
    broker: str, topic: Callable[..., str]
) -> None:
    name = topic()
    with RawClient(broker) as client:
        _create(client, name)
        given = _producer_id(client)
        id_, epoch = given.producer_id, given.producer_epoch

        def send(sequence: int, *values: bytes, epoch: int = epoch) -> tuple[int, int]:
            part = _produce(client, name, batch(*values, producer=(id_, epoch, sequence)))
            return part.error_code, part.base_offset

        assert send(0, b"a", b"b") == (0, 0)
        assert send(2, b"c") == (0, 2)
        assert send(2, b"c") == (0, 2)
        assert send(0, b"a", b"b") == (0, 0)
        assert send(4, b"e")[0] == ErrorCode.out_of_order_sequence_number
        assert send(3, b"d") == (0, 3)
        assert send(0, b"x", epoch=epoch + 1) == (0, 4)
        assert send(4, b"y")[0] == ErrorCode.invalid_producer_epoch


def test_every_producer_gets_an_id_of_its_own(broker: str) -> None:
    with RawClient(broker) as client:
        first, second = _producer_id(client), _producer_id(client)
        again = _producer_id(client, producer_id=first.producer_id, producer_epoch=0)
        assert len({first.producer_id, second.producer_id, again.producer_id}) == 3
        assert first.producer_epoch == second.producer_epoch == again.producer_epoch == 0


def test_requests_are_answered_in_order(broker: str, topic: Callable[..., str]) -> None:
    name = topic()
    with RawClient(broker) as client:
        _create(client, name)
        client.send(Api.FETCH, 11, **_fetch_request(name, 0, wait_ms=300))
        client.send(Api.API_VERSIONS, 0)
        client.send(Api.METADATA, 4, topics=[], allow_auto_topic_creation=False)
        assert client.receive(Api.FETCH, 11).responses[0].partitions[0].error_code == ErrorCode.none
        assert client.receive(Api.API_VERSIONS, 0).error_code == ErrorCode.none
        assert client.receive(Api.METADATA, 4).topics == []


def test_acks_0_gets_no_answer(broker: str, topic: Callable[..., str]) -> None:
    name = topic()
    with RawClient(broker) as client:
        _create(client, name)
        data = [{"name": name, "partition_data": [{"index": 0, "records": batch(b"v")}]}]
        client.send(Api.PRODUCE, 9, acks=0, timeout=1000, topic_data=data)
        assert _batches(_fetch(client, name, 0, wait_ms=5000).records)


def test_api_versions_too_new_are_answered_in_the_oldest(broker: str) -> None:
    with RawClient(broker) as client:
        client.send_frame(struct.pack(">hhih", Api.API_VERSIONS, 99, 7, -1) + b"\0")
        frame = client.receive_frame()
        assert struct.unpack_from(">i", frame) == (7,)
        answer = decode_body(Api.API_VERSIONS, 0, "response", frame[4:])
        assert answer.error_code == ErrorCode.unsupported_version
        assert Api.API_VERSIONS in {entry.api_key for entry in answer.api_keys}
        assert client.call(Api.API_VERSIONS, 3, client_software_name="x", client_software_version="1")


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack(">hhih", 9999, 0, 1, -1),
        struct.pack(">hhih", -1, 0, 1, -1),
        struct.pack(">hhih", Api.METADATA, 99, 1, -1),
        struct.pack(">hhih", Api.PRODUCE, 0, 1, -1),
        b"\0",
    ],
    ids=["unknown-api", "negative-api", "version-too-new", "version-too-old", "no-header"],
)
def test_a_request_that_is_not_spoken_ends_the_connection_only(broker: str, frame: bytes) -> None:
    with RawClient(broker) as client, RawClient(broker) as other:
        client.send_frame(frame)
        with pytest.raises(EOFError):
            client.receive_frame()
        assert other.call(Api.API_VERSIONS, 0).error_code == ErrorCode.none


@pytest.mark.parametrize("size", [-1, 2**31 - 1, int.from_bytes(b"GET ", "big")])
def test_an_absurd_size_ends_the_connection(broker: str, size: int) -> None:
    with RawClient(broker) as client, RawClient(broker) as other:
        client.send_bytes(struct.pack(">i", size))
        with pytest.raises(EOFError):
            client.receive_frame()
        assert other.call(Api.API_VERSIONS, 0).error_code == ErrorCode.none


def test_a_tagged_field_that_nobody_knows_is_skipped(broker: str) -> None:
    header = struct.pack(">hhih", Api.API_VERSIONS, 3, 1, -1)
    tagged = b"\x01" + b"\x63" + b"\x03" + b"abc"
    with RawClient(broker) as client:
        client.send_frame(header + tagged + b"\x02x\x021" + tagged)
        assert client.receive(Api.API_VERSIONS, 3).error_code == ErrorCode.none


def test_several_groups_are_asked_for_at_once(broker: str, topic: Callable[..., str]) -> None:
    name, groups = topic(), [topic("group") for _ in range(3)]
    with RawClient(broker) as client:
        _create(client, name)
        for number, group in enumerate(groups[:2]):
            partition = {"partition_index": 0, "committed_offset": number + 5, "committed_metadata": "m"}
            request = {"group_id": group, "topics": [{"name": name, "partitions": [partition]}]}
            deadline = Deadline(WAIT_SECONDS)
            while client.call(Api.OFFSET_COMMIT, 7, **request).topics[0].partitions[0].error_code:
                assert not deadline.passed
                client.call(Api.FIND_COORDINATOR, 1, key=group)
        answer = client.call(
            Api.OFFSET_FETCH, 8, groups=[{"group_id": group, "topics": None} for group in groups]
        )
        found = {
            group.group_id: [
                (t.name, p.committed_offset, p.metadata) for t in group.topics for p in t.partitions
            ]
            for group in answer.groups
        }
        assert found == {groups[0]: [(name, 5, "m")], groups[1]: [(name, 6, "m")], groups[2]: []}
