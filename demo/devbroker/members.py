"""What a consumer group knows about a member, and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kio.schema.errors import ErrorCode

Reply = Callable[[Mapping[str, Any]], None]
"""Sends the answer to a JoinGroup or SyncGroup request, now or later."""


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """What a JoinGroup request says.

    Attributes:
        requires_known_member: a new member is sent back to join again with the id it is given.
        can_skip_assignment: whether the client understands that it leads but need not assign.
    """

    member_id: str
    instance_id: str | None
    protocol_type: str
    protocols: Sequence[tuple[str, bytes]]
    session_timeout_seconds: float
    rebalance_timeout_seconds: float
    client_id: str
    client_host: str
    requires_known_member: bool
    can_skip_assignment: bool
    reply: Reply


@dataclass(slots=True)
class Member:
    """A member of a group.

    Attributes:
        expires_at: when its session ends, on the group's clock; not watched while it waits for an answer.
        join_reply: set while its JoinGroup waits for the others.
        sync_reply: set while its SyncGroup waits for the leader.
    """

    id: str
    instance_id: str | None
    client_id: str
    client_host: str
    protocol_type: str
    protocols: Sequence[tuple[str, bytes]]
    session_timeout_seconds: float
    rebalance_timeout_seconds: float
    expires_at: float = 0.0
    assignment: bytes = b""
    join_reply: Reply | None = field(default=None, repr=False)
    sync_reply: Reply | None = field(default=None, repr=False)

    @property
    def waits(self) -> bool:
        """Whether an answer is owed to it, which keeps it alive."""
        return self.join_reply is not None or self.sync_reply is not None

    def metadata(self, protocol: str | None) -> bytes:
        """What it said about itself for this protocol."""
        return next((data for name, data in self.protocols if name == protocol), b"")

    def touch(self, now: float) -> None:
        """Start its session anew."""
        self.expires_at = now + self.session_timeout_seconds

    def answer_join(self, answer: Mapping[str, Any]) -> None:
        """Answer its waiting JoinGroup, if there is one."""
        reply, self.join_reply = self.join_reply, None
        if reply is not None:
            reply(answer)

    def answer_sync(self, answer: Mapping[str, Any]) -> None:
        """Answer its waiting SyncGroup, if there is one."""
        reply, self.sync_reply = self.sync_reply, None
        if reply is not None:
            reply(answer)


def join_error(code: ErrorCode, member_id: str = "") -> dict[str, Any]:
    """A JoinGroup response that refuses."""
    return {"error_code": code, "member_id": member_id, "generation_id": -1, "protocol_name": ""}


def sync_error(code: ErrorCode) -> dict[str, Any]:
    """A SyncGroup response that refuses."""
    return {"error_code": code, "assignment": b""}
