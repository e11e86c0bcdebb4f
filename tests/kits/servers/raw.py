"""Kafka's protocol by hand, for what no client would send."""

import socket
import struct
from typing import Any, Self

from kafka.record.default_records import DefaultRecordBatchBuilder

from devbroker.codec import Body, decode_body, encode_body
from devbroker.schema import Api, request_header_is_flexible, response_header_is_flexible

_CLIENT_ID = b"raw"


class RawClient:
    """One connection. Sending and receiving are apart, so that requests can be pipelined."""

    def __init__(self, servers: str, timeout_seconds: float = 10) -> None:
        host, _, port = servers.rpartition(":")
        self._socket = socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_seconds)
        self._correlation_id = 0

    def call(self, api: Api, version: int, **body: Any) -> Body:
        """Send a request and wait for its response."""
        self.send(api, version, **body)
        return self.receive(api, version)

    def send(self, api: Api, version: int, **body: Any) -> None:
        """Send a request."""
        self._correlation_id += 1
        header = struct.pack(">hhih", api, version, self._correlation_id, len(_CLIENT_ID)) + _CLIENT_ID
        if request_header_is_flexible(api, version):
            header += b"\0"
        self.send_frame(header + encode_body(api, version, "request", body))

    def send_frame(self, frame: bytes) -> None:
        """Send bytes as a frame."""
        self._socket.sendall(struct.pack(">i", len(frame)) + frame)

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def receive(self, api: Api, version: int) -> Body:
        """Wait for a response and decode it."""
        frame = self.receive_frame()
        header = 5 if response_header_is_flexible(api, version) else 4
        return decode_body(api, version, "response", frame[header:])

    def receive_frame(self) -> bytes:
        """Wait for a frame.

        Raises:
            EOFError: the broker closed the connection.
        """
        (size,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(size)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                part = self._socket.recv(size - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                raise EOFError("the broker closed the connection")
            data += part
        return data


def batch(
    *values: bytes,
    timestamp_ms: int = 1_700_000_000_000,
    producer: tuple[int, int, int] = (-1, -1, -1),
    transactional: bool = False,
    compression: int = 0,
) -> bytes:
    """A record batch of format 2.

    Args:
        values: one record each, a millisecond apart.
        timestamp_ms: of the first.
        producer: id, epoch, and sequence of the first record.
        compression: codec number (1: gzip).
    """
    producer_id, epoch, sequence = producer
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=transactional,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        batch_size=10_000_000,
    )
    for index, value in enumerate(values):
        builder.append(index, timestamp_ms + index, None, value, [])
    return bytes(builder.build())
