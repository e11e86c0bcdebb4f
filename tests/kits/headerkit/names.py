"""Records whose headers have names that no client for Python would write."""

from __future__ import annotations

from typing import Any

from kafka import KafkaProducer

__all__ = ["write_bad_names"]


class _Latin(str):
    """A name that goes out in Latin-1, as clients in Go, C and Rust let their callers do."""

    __slots__ = ()

    def encode(self, *args: Any, **named: Any) -> bytes:
        return b"caf\xe9"


def write_bad_names(servers: str, topic: str, count: int = 200, value: bytes = b"v") -> None:
    """Write records into partition 0: every second one has a header whose name isn't UTF-8, the first hasn't."""
    producer = KafkaProducer(bootstrap_servers=servers)
    for number in range(count):
        headers = [("good", b"v"), *([(_Latin("x"), b"v")] if number % 2 else [])]
        producer.send(topic, value=value, headers=headers, partition=0)
    producer.flush()
    producer.close()
