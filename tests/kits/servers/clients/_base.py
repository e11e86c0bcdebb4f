"""What the three clients have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from waiting import Deadline

Headers = Sequence[tuple[str, bytes | None]]
Place = tuple[int, int]
"""(partition, offset)"""

WAIT_SECONDS = 30.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Message:
    """A message to produce."""

    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    partition: int | None = 0
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it was consumed."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Member(Protocol):
    """A consumer in a group; use it as a context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def poll(self) -> list[Received]:
        """Whatever arrives within a short moment; must be called often while joining."""

    def assignment(self) -> set[int]:
        """The partitions it has."""

    def commit(self) -> None:
        """Commit the positions."""

    def committed(self, partition: int) -> int | None:
        """The group's committed offset."""

    def close(self) -> None:
        """Leave the group (a static member doesn't)."""


class Driver(Protocol):
    """One client library."""

    name: str

    def produce(
        self,
        servers: str,
        topic: str,
        messages: Sequence[Message],
        *,
        idempotent: bool = False,
        compression: str | None = None,
        max_bytes: int = 1_000_000,
    ) -> list[Place]:
        """Produce in order, wait for all, hand back where they are; raises what went wrong."""

    def member(
        self,
        servers: str,
        topic: str,
        group: str | None = None,
        *,
        instance_id: str | None = None,
        session_ms: int = 10_000,
    ) -> Member:
        """A consumer of the topic from the earliest offset on, without auto-commit.

        Without a group it has all partitions at once.
        """

    def offsets_at(self, servers: str, topic: str, timestamps_ms: Sequence[int]) -> list[int | None]:
        """For each: the offset in partition 0 of the first message with that timestamp or a later one."""


def consume(member: Member, count: int) -> list[Received]:
    """Poll until so many messages came."""
    received: list[Received] = []
    deadline = Deadline(WAIT_SECONDS)
    while len(received) < count:
        assert not deadline.passed, f"{len(received)} of {count} messages came"
        received += member.poll()
    return received


class Closing:
    """A context manager that closes at the end."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()
