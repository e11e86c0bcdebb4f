"""A partition without a broker."""

import gzip
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from devbroker.log import PartitionLog
from servers.raw import batch

_START = 1_700_000_000_000


def _offsets(records: bytes) -> list[int]:
    found, position = [], 0
    while position < len(records):
        base, length = struct.unpack_from(">qi", records, position)
        found.append(base)
        position += 12 + length
    return found


def test_offsets_follow_each_other() -> None:
    log = PartitionLog()
    assert [log.append(batch(*[b"v"] * count)).base_offset for count in (1, 3, 2)] == [0, 1, 4]
    assert (log.start_offset, log.end_offset) == (0, 6)
    assert _offsets(log.read(0, 2**20)) == [0, 1, 4]
    assert _offsets(log.read(3, 2**20)) == [1, 4]
    assert log.read(6, 2**20) == b""


def test_only_offset_and_epoch_are_rewritten() -> None:
    log = PartitionLog()
    sent = batch(b"first"), batch(b"second")
    for records in sent:
        log.append(records)
    stored = log.read(1, 2**20)
    assert stored[8:12] == sent[1][8:12]
    assert stored[16:] == sent[1][16:]
    assert struct.unpack_from(">q", stored) == (1,)


def test_several_batches_in_one_request_are_all_stored_or_none() -> None:
    log = PartitionLog()
    assert log.append(batch(b"a") + batch(b"b", b"c")).base_offset == 0
    assert log.end_offset == 3
    broken = batch(b"d") + batch(b"e")[:-1] + b"!"
    assert log.append(broken).error is ErrorCode.corrupt_message
    assert log.end_offset == 3


@pytest.mark.parametrize(
    ("records", "error"),
    [
        (b"", ErrorCode.invalid_record),
        (None, ErrorCode.invalid_record),
        (b"\0" * 30, ErrorCode.corrupt_message),
        (batch(b"v")[:-1], ErrorCode.corrupt_message),
        (batch(b"v")[:16] + b"\x01" + batch(b"v")[17:], ErrorCode.unsupported_for_message_format),
        (batch(b"v")[:8] + b"\xff" * 4 + batch(b"v")[12:], ErrorCode.corrupt_message),
        (batch(b"v", transactional=True, producer=(1, 0, 0)), ErrorCode.invalid_txn_state),
        (batch(bytes(2000)), ErrorCode.message_too_large),
    ],
    ids=["empty", "null", "zeros", "cut", "format", "length", "transaction", "large"],
)
def test_what_is_refused(records: bytes | None, error: ErrorCode) -> None:
    log = PartitionLog(max_batch_bytes=1000)
    appended = log.append(records)
    assert (appended.error, appended.base_offset, log.end_offset) == (error, -1, 0)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_refused_without_an_exception(records: bytes) -> None:
    log = PartitionLog()
    assert log.append(records).error is not ErrorCode.none
    assert log.end_offset == 0


def test_retention_drops_the_oldest_batches_and_keeps_the_newest() -> None:
    size = len(batch(bytes(100)))
    log = PartitionLog(retention_bytes=3 * size)
    for _ in range(10):
        log.append(batch(bytes(100)))
    assert (log.start_offset, log.end_offset, log.size_bytes) == (7, 10, 3 * size)
    log.append(batch(bytes(5000)))
    assert (log.start_offset, log.end_offset) == (10, 11)
    assert _offsets(log.read(10, 1)) == [10]


def test_deleting_records_within_a_batch_keeps_the_batch() -> None:
    log = PartitionLog()
    log.append(batch(b"0", b"1", b"2", timestamp_ms=_START))
    log.append(batch(b"3", timestamp_ms=_START + 100))
    assert log.delete_before(1) == 1
    assert _offsets(log.read(1, 2**20)) == [0, 3]
    assert log.offset_for_timestamp(0) == (1, _START + 1)
    assert log.delete_before(-1) == 4
    assert (log.start_offset, log.end_offset, log.size_bytes) == (4, 4, 0)
    assert log.delete_before(2) == 4
    for wrong in (5, -2):
        with pytest.raises(ValueError, match=str(wrong)):
            log.delete_before(wrong)


@pytest.mark.parametrize("compression", [0, 1])
def test_look_up_by_timestamp(compression: int) -> None:
    log = PartitionLog()
    log.append(batch(b"0", b"1", timestamp_ms=_START + 50, compression=compression))
    log.append(batch(b"2", b"3", timestamp_ms=_START, compression=compression))
    log.append(batch(b"4", timestamp_ms=_START + 60, compression=compression))
    assert log.offset_for_timestamp(_START) == (0, _START + 50)
    assert log.offset_for_timestamp(_START + 51) == (1, _START + 51)
    assert log.offset_for_timestamp(_START + 52) == (4, _START + 60)
    assert log.offset_for_timestamp(_START + 61) is None
    assert log.max_timestamp() == (4, _START + 60)
    assert PartitionLog().max_timestamp() is None


def test_records_that_cannot_be_read_are_found_by_their_batch() -> None:
    log = PartitionLog()
    log.append(_as_codec(batch(b"0", b"1", timestamp_ms=_START), 3))
    assert log.offset_for_timestamp(_START) == (0, _START + 1)


def test_a_bomb_in_a_batch_is_not_unpacked_whole() -> None:
    log = PartitionLog()
    log.append(_with_payload(batch(b"v", timestamp_ms=_START), gzip.compress(bytes(2**24)), 1))
    assert log.offset_for_timestamp(_START) is not None


def _as_codec(records: bytes, codec: int) -> bytes:
    return _with_payload(records, records[61:], codec)


def _with_payload(records: bytes, payload: bytes, codec: int) -> bytes:
    from crc32c import crc32c

    checked = struct.pack(">h", codec) + records[23:61] + payload
    return (
        struct.pack(">qii", 0, 9 + len(checked), 0) + b"\x02" + struct.pack(">I", crc32c(checked)) + checked
    )


def test_waiters_are_told_of_an_append_and_not_of_a_refusal() -> None:
    log = PartitionLog()
    told: list[int] = []
    log.on_append.add(lambda: told.append(1))
    log.append(b"nonsense")
    assert told == []
    log.append(batch(b"v"))
    assert told == [1]


class TestIdempotence:
    def test_sequences_wrap_around(self) -> None:
        log = PartitionLog()
        last = 2**31 - 1
        assert log.append(batch(b"a", producer=(5, 0, last))).base_offset == 0
        assert log.append(batch(b"b", producer=(5, 0, 0))).base_offset == 1

    def test_only_the_last_five_batches_are_remembered(self) -> None:
        log = PartitionLog()
        for sequence in range(7):
            log.append(batch(b"v", producer=(5, 0, sequence)))
        assert log.append(batch(b"v", producer=(5, 0, 2))).base_offset == 2
        forgotten = log.append(batch(b"v", producer=(5, 0, 1)))
        assert forgotten.error is ErrorCode.out_of_order_sequence_number
        assert log.end_offset == 7

    def test_producers_do_not_mix(self) -> None:
        log = PartitionLog()
        assert log.append(batch(b"v", producer=(5, 0, 0))).base_offset == 0
        assert log.append(batch(b"v", producer=(6, 0, 0))).base_offset == 1

    def test_a_new_epoch_starts_at_0(self) -> None:
        log = PartitionLog()
        log.append(batch(b"v", producer=(5, 0, 0)))
        wrong = log.append(batch(b"v", producer=(5, 1, 1)))
        assert wrong.error is ErrorCode.out_of_order_sequence_number
        assert log.append(batch(b"v", producer=(5, 1, 0))).base_offset == 1
        assert log.append(batch(b"v", producer=(5, 0, 1))).error is ErrorCode.invalid_producer_epoch
