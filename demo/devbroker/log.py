"""One partition: record batches in memory, and what idempotent producers sent to it.

A batch (format 2) stays the opaque bytes that the producer made, except for the base offset and
the leader epoch, which its checksum doesn't cover.
"""

import bisect
import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from crc32c import crc32c
from kio.schema.errors import ErrorCode

from devbroker.records import record_timestamps

# base offset, length, leader epoch, magic, checksum, attributes, last offset delta, first and
# max timestamp, producer id, producer epoch, base sequence, number of records
_HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_BYTES = _HEADER.size
_CHECKED_FROM = 21
_BEFORE_LENGTH_ENDS = 12
_MAGIC = 2
_TRANSACTIONAL, _CONTROL = 0x10, 0x20
_SEQUENCES = 2**31
_BATCHES_REMEMBERED = 5  # as many as a producer may have in flight
LEADER_EPOCH = 0
_REWRITTEN = struct.Struct(">qii")


@dataclass(frozen=True, slots=True)
class Batch:
    """A stored record batch.

    Attributes:
        base_offset: of its first record.
        last_offset: of its last record.
        max_timestamp_ms: the newest of its records' timestamps.
        data: the bytes as they are fetched.
    """

    base_offset: int
    last_offset: int
    max_timestamp_ms: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """What came of an append: an error, or the offset of the first record."""

    error: ErrorCode
    base_offset: int = -1
    message: str | None = None


@dataclass(frozen=True, slots=True)
class _Header:
    size: int
    attributes: int
    last_offset_delta: int
    max_timestamp_ms: int
    producer_id: int
    producer_epoch: int
    base_sequence: int

    @property
    def last_sequence(self) -> int:
        return (self.base_sequence + self.last_offset_delta) % _SEQUENCES


@dataclass(slots=True)
class _Producer:
    epoch: int
    # (first sequence, last sequence, base offset) of the last batches, oldest first
    batches: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=_BATCHES_REMEMBERED))


class _RefusedError(Exception):
    def __init__(self, error: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.error = error


class PartitionLog:
    """The records of one partition. It does no I/O and is not thread-safe.

    Args:
        retention_bytes: above this the oldest batches go (the newest always stays); None keeps all.
        max_batch_bytes: larger batches are refused.
    """

    def __init__(self, *, retention_bytes: int | None = None, max_batch_bytes: int = 1_048_588) -> None:
        self.start_offset = 0
        self.end_offset = 0
        self.size_bytes = 0
        self.retention_bytes = retention_bytes
        self.max_batch_bytes = max_batch_bytes
        self.on_append: set[Callable[[], None]] = set()
        self._batches: list[Batch] = []
        self._producers: dict[int, _Producer] = {}

    def append(self, records: bytes | None) -> Appended:
        """Append a producer's batches; all of them, or none.

        A batch that an idempotent producer sent before is not appended again, and its first
        offset is handed back.
        """
        try:
            headers = list(self._check(records or b""))
        except _RefusedError as refused:
            return Appended(refused.error, message=str(refused))
        first = self.end_offset
        position = 0
        for header in headers:
            duplicate = self._sent_before(header)
            data = records[position : position + header.size] if records else b""
            position += header.size
            if duplicate is not None:
                return Appended(ErrorCode.none, duplicate)
            self._store(header, data)
        self._retain()
        for notify in list(self.on_append):
            notify()
        return Appended(ErrorCode.none, first)

    def read(self, offset: int, max_bytes: int, *, at_least_one: bool = True) -> bytes:
        """Whole batches from the one that holds `offset` on, up to `max_bytes`.

        Args:
            offset: from `start_offset` to `end_offset`.
            max_bytes: the most to return.
            at_least_one: return the first batch even if it is larger.
        """
        parts: list[bytes] = []
        size = 0
        for index in range(self._index(offset), len(self._batches)):
            data = self._batches[index].data
            if size + len(data) > max_bytes and (parts or not at_least_one):
                break
            parts.append(data)
            size += len(data)
        return b"".join(parts)

    def available_bytes(self, offset: int, enough: int) -> int:
        """How many bytes there are from `offset` on, counted no further than `enough`."""
        size = 0
        for index in range(self._index(offset), len(self._batches)):
            size += len(self._batches[index].data)
            if size >= enough:
                break
        return size

    def offset_for_timestamp(self, timestamp_ms: int) -> tuple[int, int] | None:
        """The first record with this timestamp or a later one: (offset, timestamp), or None.

        Exact for plain and gzip batches; of others only the batch is known, and its first offset
        is the answer.
        """
        for batch in self._batches:
            if batch.max_timestamp_ms < timestamp_ms or batch.last_offset < self.start_offset:
                continue
            for offset, stamp in record_timestamps(batch.data):
                if stamp >= timestamp_ms and offset >= self.start_offset:
                    return offset, stamp
        return None

    def max_timestamp(self) -> tuple[int, int] | None:
        """The record with the newest timestamp, the first of several: (offset, timestamp), or None."""
        live = [batch for batch in self._batches if batch.last_offset >= self.start_offset]
        if not live:
            return None
        newest = max(live, key=lambda batch: (batch.max_timestamp_ms, -batch.base_offset))
        stamps = [
            (offset, stamp) for offset, stamp in record_timestamps(newest.data) if offset >= self.start_offset
        ]
        return max(stamps, key=lambda pair: (pair[1], -pair[0]), default=None)

    def delete_before(self, offset: int) -> int:
        """Forget the records before `offset` (-1: all of them); hand back the new start offset.

        Raises:
            ValueError: there is no such offset.
        """
        target = self.end_offset if offset == -1 else offset
        if not 0 <= target <= self.end_offset:
            raise ValueError(f"offset {offset} is not within 0 to {self.end_offset}")
        self.start_offset = max(self.start_offset, target)
        self._drop(self._index(self.start_offset))
        return self.start_offset

    def _index(self, offset: int) -> int:
        return bisect.bisect_left(self._batches, offset, key=lambda batch: batch.last_offset)

    def _check(self, records: bytes) -> Iterator[_Header]:
        """Check every batch, and the sequences of an idempotent producer, before any is stored."""
        if not records:
            raise _RefusedError(ErrorCode.invalid_record, "no records")
        position = 0
        while position < len(records):
            header = _parse(records, position)
            if header.size > self.max_batch_bytes:
                raise _RefusedError(
                    ErrorCode.message_too_large,
                    f"a batch of {header.size} bytes; {self.max_batch_bytes} are allowed",
                )
            if position == 0:
                self._check_sequence(header)
            elif header.producer_id >= 0:
                raise _RefusedError(ErrorCode.invalid_record, "more than one idempotent batch")
            position += header.size
            yield header

    def _check_sequence(self, header: _Header) -> None:
        if header.producer_id < 0:
            return
        producer = self._producers.get(header.producer_id)
        if producer is None:
            return
        if header.producer_epoch < producer.epoch:
            raise _RefusedError(ErrorCode.invalid_producer_epoch, "a newer producer took over")
        if self._sent_before(header) is not None:
            return
        if header.producer_epoch > producer.epoch or not producer.batches:
            expected = 0
        else:
            expected = (producer.batches[-1][1] + 1) % _SEQUENCES
        if header.base_sequence != expected:
            raise _RefusedError(
                ErrorCode.out_of_order_sequence_number,
                f"sequence {header.base_sequence}, {expected} was expected",
            )

    def _sent_before(self, header: _Header) -> int | None:
        producer = self._producers.get(header.producer_id)
        if producer is None or producer.epoch != header.producer_epoch:
            return None
        for first, last, base_offset in producer.batches:
            if (first, last) == (header.base_sequence, header.last_sequence):
                return base_offset
        return None

    def _store(self, header: _Header, data: bytes) -> None:
        base = self.end_offset
        last = base + header.last_offset_delta
        start = _REWRITTEN.pack(base, header.size - _BEFORE_LENGTH_ENDS, LEADER_EPOCH)
        self._batches.append(Batch(base, last, header.max_timestamp_ms, start + data[_REWRITTEN.size :]))
        self.end_offset = last + 1
        self.size_bytes += header.size
        if header.producer_id >= 0:
            producer = self._producers.get(header.producer_id)
            if producer is None or producer.epoch != header.producer_epoch:
                producer = self._producers[header.producer_id] = _Producer(header.producer_epoch)
            producer.batches.append((header.base_sequence, header.last_sequence, base))

    def _retain(self) -> None:
        if self.retention_bytes is None:
            return
        excess = self.size_bytes - self.retention_bytes
        count = 0
        while excess > 0 and count < len(self._batches) - 1:
            excess -= len(self._batches[count].data)
            count += 1
        if count:
            self.start_offset = max(self.start_offset, self._batches[count].base_offset)
            self._drop(count)

    def _drop(self, count: int) -> None:
        self.size_bytes -= sum(len(batch.data) for batch in self._batches[:count])
        del self._batches[:count]


def _parse(records: bytes, position: int) -> _Header:
    """Check the batch at `position` and take its header.

    Raises:
        _RefusedError: it isn't a whole, sound batch of format 2.
    """
    if position + HEADER_BYTES > len(records):
        raise _RefusedError(ErrorCode.corrupt_message, "a batch that ends within its header")
    (_, length, _, magic, checksum, attributes, last_delta, _, max_timestamp,
     producer_id, producer_epoch, base_sequence, count) = _HEADER.unpack_from(records, position)  # fmt: skip
    end = position + _BEFORE_LENGTH_ENDS + length
    if magic != _MAGIC:
        raise _RefusedError(ErrorCode.unsupported_for_message_format, f"message format {magic}, not 2")
    if length < HEADER_BYTES - _BEFORE_LENGTH_ENDS or end > len(records):
        raise _RefusedError(ErrorCode.corrupt_message, f"a batch length of {length}")
    if crc32c(memoryview(records)[position + _CHECKED_FROM : end]) != checksum:
        raise _RefusedError(ErrorCode.corrupt_message, "the checksum doesn't match")
    if count < 1 or last_delta != count - 1:
        raise _RefusedError(ErrorCode.invalid_record, f"{count} records, last offset delta {last_delta}")
    if attributes & (_TRANSACTIONAL | _CONTROL):
        raise _RefusedError(ErrorCode.invalid_txn_state, "there are no transactions here")
    return _Header(
        size=end - position,
        attributes=attributes,
        last_offset_delta=last_delta,
        max_timestamp_ms=max_timestamp,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
    )
