"""Who is in a consumer group, what they agree on, and what they are answered."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from kio.schema.errors import ErrorCode

from devbroker.members import JoinRequest, Member, join_error, sync_error


class Roster:
    """The members of one generation.

    Attributes:
        generation: counts the rebalances.
        protocol_type: what the members are, e.g. consumers.
        protocol: how partitions are assigned, as the members elected.
        leader: id of the member that assigns.
        members: by id.
        static: ids of the static members by instance id.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol: str | None = None
        self.leader: str | None = None
        self.members: dict[str, Member] = {}
        self.static: dict[str, str] = {}

    def accepts(self, request: JoinRequest) -> bool:
        """Whether the member's protocols fit those of the others."""
        if not request.protocol_type or not request.protocols:
            return False
        others = [member for member in self.members.values() if member.id != request.member_id]
        if not others:
            return True
        if request.protocol_type != self.protocol_type:
            return False
        return bool({name for name, _ in request.protocols} & self._common_protocols(others))

    def check(self, member_id: str, instance_id: str | None, generation: int) -> ErrorCode | None:
        """What is wrong with a request of this member, None if nothing is."""
        if instance_id is not None:
            current = self.static.get(instance_id)
            if current is None:
                return ErrorCode.unknown_member_id
            if current != member_id:
                return ErrorCode.fenced_instance_id
        if member_id not in self.members:
            return ErrorCode.unknown_member_id
        if generation != self.generation:
            return ErrorCode.illegal_generation
        return None

    @staticmethod
    def _common_protocols(members: Sequence[Member]) -> set[str]:
        names = [{name for name, _ in member.protocols} for member in members]
        return set.intersection(*names) if names else set()

    def elect_protocol(self) -> str:
        """Each member votes for the first of its protocols that all have; the most votes win."""
        members = list(self.members.values())
        common = self._common_protocols(members)
        votes = Counter(next(name for name, _ in member.protocols if name in common) for member in members)
        return votes.most_common(1)[0][0]

    def joined(self, member: Member) -> dict[str, Any]:
        """The answer to its JoinGroup: the leader is told who the others are."""
        roster = [
            {
                "member_id": other.id,
                "group_instance_id": other.instance_id,
                "metadata": other.metadata(self.protocol),
            }
            for other in self.members.values()
        ]
        return {
            "error_code": ErrorCode.none,
            "generation_id": self.generation,
            "protocol_type": self.protocol_type,
            "protocol_name": self.protocol,
            "leader": self.leader or "",
            "member_id": member.id,
            "members": roster if member.id == self.leader else [],
        }

    def assignment_of(self, member: Member) -> dict[str, Any]:
        """The answer to its SyncGroup."""
        return {
            "error_code": ErrorCode.none,
            "protocol_type": self.protocol_type,
            "protocol_name": self.protocol,
            "assignment": member.assignment,
        }

    def forget(self, member: Member) -> None:
        """Take it off the roster; what it waits for is refused."""
        del self.members[member.id]
        if member.instance_id is not None and self.static.get(member.instance_id) == member.id:
            del self.static[member.instance_id]
        if self.leader == member.id:
            self.leader = None
        member.answer_join(join_error(ErrorCode.unknown_member_id, member.id))
        member.answer_sync(sync_error(ErrorCode.unknown_member_id))

    def enrol(self, request: JoinRequest, member_id: str, now: float) -> None:
        """Put a new member on the roster."""
        member = Member(
            id=member_id,
            instance_id=request.instance_id,
            client_id=request.client_id,
            client_host=request.client_host,
            protocol_type=request.protocol_type,
            protocols=request.protocols,
            session_timeout_seconds=request.session_timeout_seconds,
            rebalance_timeout_seconds=request.rebalance_timeout_seconds,
        )
        if not self.members:
            self.protocol_type = request.protocol_type
        self.members[member_id] = member
        if member.instance_id is not None:
            self.static[member.instance_id] = member_id
        self.update(member, request, now)

    def update(self, member: Member, request: JoinRequest, now: float) -> None:
        """Take over what a member says when it joins."""
        member.protocols = request.protocols
        member.session_timeout_seconds = request.session_timeout_seconds
        member.rebalance_timeout_seconds = request.rebalance_timeout_seconds
        member.touch(now)
        member.join_reply = request.reply
