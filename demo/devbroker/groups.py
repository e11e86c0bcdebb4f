"""The state machine of one consumer group (Kafka's classic protocol), without I/O.

Time comes in with every call; answers that wait for other members go out through the reply given
with the request. `tick(now)` does what time alone causes, `next_deadline()` says when that is due.
The rules are those of Apache Kafka's GroupCoordinator (KIP-62, 134, 345, 394).
"""

import uuid
from collections.abc import Mapping
from enum import StrEnum

from kio.schema.errors import ErrorCode

from devbroker.members import JoinRequest, Member, Reply, join_error, sync_error
from devbroker.roster import Roster


class GroupState(StrEnum):
    """As DescribeGroups and ListGroups spell it."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


class Group(Roster):
    """A consumer group's members and generation.

    Args:
        group_id: its name.
        initial_delay_seconds: how long the first rebalance of an empty group waits for more members.
    """

    def __init__(self, group_id: str, *, initial_delay_seconds: float) -> None:
        super().__init__()
        self.id = group_id
        self.state = GroupState.EMPTY
        self._initial_delay_seconds = initial_delay_seconds
        # Ids handed out with MEMBER_ID_REQUIRED, and when they lapse.
        self._pending: dict[str, float] = {}
        self._rebalance_ends_at: float | None = None
        # While an empty group fills: the latest moment to which its delay may be extended.
        self._delay_limit: float | None = None
        self._sync_ends_at: float | None = None

    # -- requests ---------------------------------------------------------------------------------

    def join(self, request: JoinRequest, now: float) -> None:
        """JoinGroup: the answer comes when everybody has joined."""
        if not self.accepts(request):
            request.reply(join_error(ErrorCode.inconsistent_group_protocol, request.member_id))
        elif request.member_id == "":
            self._join_new(request, now)
        elif request.member_id in self._pending:
            del self._pending[request.member_id]
            self._add(request, request.member_id, now)
        else:
            self._join_known(request, now)

    def sync(
        self,
        member_id: str,
        instance_id: str | None,
        generation: int,
        protocol: tuple[str | None, str | None],
        assignments: Mapping[str, bytes],
        reply: Reply,
        now: float,
    ) -> None:
        """SyncGroup: the leader brings everybody's assignment, the others wait for it.

        Args:
            protocol: type and name as the member knows them; None is not compared.
        """
        error = self.check(member_id, instance_id, generation)
        if error is None and any(
            theirs is not None and theirs != ours
            for theirs, ours in zip(protocol, (self.protocol_type, self.protocol), strict=True)
        ):
            error = ErrorCode.inconsistent_group_protocol
        if error is None and self.state is GroupState.PREPARING:
            error = ErrorCode.rebalance_in_progress
        if error is not None:
            reply(sync_error(error))
            return
        member = self.members[member_id]
        member.touch(now)
        member.sync_reply = reply
        if self.state is GroupState.STABLE:
            member.answer_sync(self.assignment_of(member))
        elif member_id == self.leader:
            self._distribute(assignments, now)

    def heartbeat(self, member_id: str, instance_id: str | None, generation: int, now: float) -> ErrorCode:
        """Heartbeat: keeps the session, and tells of a rebalance."""
        error = self.check(member_id, instance_id, generation)
        if error is not None:
            return error
        self.members[member_id].touch(now)
        if self.state is GroupState.PREPARING:
            return ErrorCode.rebalance_in_progress
        return ErrorCode.none

    def leave(self, member_id: str, instance_id: str | None, now: float) -> ErrorCode:
        """LeaveGroup for one member, named by its id, or by its instance id alone."""
        if instance_id is not None:
            current = self.static.get(instance_id)
            if current is None:
                return ErrorCode.unknown_member_id
            if member_id not in ("", current):
                return ErrorCode.fenced_instance_id
            member_id = current
        if self._pending.pop(member_id, None) is not None:
            self._complete_join_if_ready(now)
            return ErrorCode.none
        if member_id not in self.members:
            return ErrorCode.unknown_member_id
        self._remove(self.members[member_id], now)
        return ErrorCode.none

    def check_commit(self, member_id: str, instance_id: str | None, generation: int, now: float) -> ErrorCode:
        """Whether an OffsetCommit is accepted; if it is, it counts as a sign of life."""
        if generation < 0 and not self.members:
            return ErrorCode.none  # an admin client, or a consumer that assigns itself
        if generation < 0 and member_id == "" and instance_id is None:
            return ErrorCode.unknown_member_id
        error = self.check(member_id, instance_id, generation)
        if error is not None:
            return error
        if self.state is GroupState.COMPLETING:
            return ErrorCode.rebalance_in_progress
        self.members[member_id].touch(now)
        return ErrorCode.none

    # -- time -------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `tick` has something to do at the earliest, if nothing else happens before."""
        deadlines = [member.expires_at for member in self.members.values() if not member.waits]
        deadlines += self._pending.values()
        deadlines += [end for end in (self._rebalance_ends_at, self._sync_ends_at) if end is not None]
        return min(deadlines, default=None)

    def tick(self, now: float) -> None:
        """Drop members whose session ended, and end a rebalance that waited long enough."""
        for member_id in [id_ for id_, lapses in self._pending.items() if lapses <= now]:
            del self._pending[member_id]
            self._complete_join_if_ready(now)
        for member in list(self.members.values()):
            if not member.waits and member.expires_at <= now and member.id in self.members:
                self._remove(member, now)
        if self._rebalance_ends_at is not None and self._rebalance_ends_at <= now:
            self._end_waiting(now)
        if self._sync_ends_at is not None and self._sync_ends_at <= now:
            self._sync_ends_at = None
            late = [member for member in self.members.values() if member.sync_reply is None]
            for member in late:
                self._remove(member, now)

    # -- joining ----------------------------------------------------------------------------------

    def _join_new(self, request: JoinRequest, now: float) -> None:
        if request.instance_id is not None:
            member_id = f"{request.instance_id}-{uuid.uuid4()}"
            if request.instance_id in self.static:
                self._replace_static(request, member_id, now)
            else:
                self._add(request, member_id, now)
            return
        member_id = f"{request.client_id}-{uuid.uuid4()}"
        if request.requires_known_member:
            self._pending[member_id] = now + request.session_timeout_seconds
            request.reply(join_error(ErrorCode.member_id_required, member_id))
        else:
            self._add(request, member_id, now)

    def _join_known(self, request: JoinRequest, now: float) -> None:
        if request.instance_id is not None:
            current = self.static.get(request.instance_id)
            if current is not None and current != request.member_id:
                request.reply(join_error(ErrorCode.fenced_instance_id, request.member_id))
                return
        member = self.members.get(request.member_id)
        if member is None:
            request.reply(join_error(ErrorCode.unknown_member_id, request.member_id))
            return
        unchanged = list(member.protocols) == list(request.protocols)
        settled = self.state is GroupState.COMPLETING or (
            self.state is GroupState.STABLE and member.id != self.leader
        )
        self.update(member, request, now)
        if unchanged and settled:
            # It lost the answer to an earlier JoinGroup; nothing has changed.
            member.answer_join(self.joined(member))
        else:
            self._prepare(now)

    def _add(self, request: JoinRequest, member_id: str, now: float) -> None:
        self.enrol(request, member_id, now)
        self._prepare(now, joined=True)

    def _replace_static(self, request: JoinRequest, member_id: str, now: float) -> None:
        """A static member came back: it takes over its place, and whoever held it is fenced."""
        instance_id = request.instance_id or ""
        old = self.members.pop(self.static[instance_id])
        old.answer_join(join_error(ErrorCode.fenced_instance_id, old.id))
        old.answer_sync(sync_error(ErrorCode.fenced_instance_id))
        old_id, was_leader = old.id, self.leader == old.id
        unchanged = list(old.protocols) == list(request.protocols)
        old.id = member_id
        self.members[member_id] = old
        self.static[instance_id] = member_id
        if was_leader:
            self.leader = member_id
        self.update(old, request, now)
        if self.state is GroupState.STABLE and unchanged:
            answer = self.joined(old)
            if was_leader and request.can_skip_assignment:
                answer["skip_assignment"] = True
            elif was_leader:
                # It must not assign anew, so an older client may not know that it leads.
                answer |= {"leader": old_id, "members": []}
            old.answer_join(answer)
        else:
            self._prepare(now)

    # -- rebalancing ------------------------------------------------------------------------------

    def _prepare(self, now: float, *, joined: bool = False) -> None:
        """Begin a rebalance, or go on with the one that runs."""
        longest = max((member.rebalance_timeout_seconds for member in self.members.values()), default=0.0)
        if self.state is GroupState.PREPARING:
            if joined and self._delay_limit is not None:
                self._rebalance_ends_at = min(now + self._initial_delay_seconds, self._delay_limit)
        else:
            if self.state is GroupState.COMPLETING:
                self._abandon_sync()
            if self.state is GroupState.EMPTY:
                self._delay_limit = now + max(longest, self._initial_delay_seconds)
                self._rebalance_ends_at = now + self._initial_delay_seconds
            else:
                self._rebalance_ends_at = now + longest
            self.state = GroupState.PREPARING
        self._complete_join_if_ready(now)

    def _abandon_sync(self) -> None:
        self._sync_ends_at = None
        for member in self.members.values():
            member.assignment = b""
            member.answer_sync(sync_error(ErrorCode.rebalance_in_progress))

    def _complete_join_if_ready(self, now: float) -> None:
        if self.state is not GroupState.PREPARING or self._delay_limit is not None:
            return
        if not self._pending and all(member.join_reply is not None for member in self.members.values()):
            self._complete_join(now)

    def _end_waiting(self, now: float) -> None:
        """The time for joining is over: who hasn't come back is out, unless it is a static member."""
        for member in list(self.members.values()):
            if member.join_reply is None and member.instance_id is None:
                self.forget(member)
        if self.members and all(member.join_reply is None for member in self.members.values()):
            # Only static members that are away: wait on, their sessions decide.
            longest = max(member.rebalance_timeout_seconds for member in self.members.values())
            self._rebalance_ends_at = now + longest
            return
        self._complete_join(now)

    def _complete_join(self, now: float) -> None:
        self._rebalance_ends_at = self._delay_limit = None
        self.generation += 1
        if not self.members:
            self.state = GroupState.EMPTY
            self.leader = self.protocol = None
            return
        self.state = GroupState.COMPLETING
        self.protocol = self.elect_protocol()
        present = [member for member in self.members.values() if member.join_reply is not None]
        if self.leader not in {member.id for member in present}:
            self.leader = present[0].id
        self._sync_ends_at = now + max(m.rebalance_timeout_seconds for m in self.members.values())
        for member in present:
            member.touch(now)
            member.answer_join(self.joined(member))

    def _distribute(self, assignments: Mapping[str, bytes], now: float) -> None:
        self.state = GroupState.STABLE
        self._sync_ends_at = None
        for member in self.members.values():
            member.assignment = assignments.get(member.id, b"")
        for member in self.members.values():
            if member.sync_reply is not None:
                member.touch(now)
                member.answer_sync(self.assignment_of(member))

    def _remove(self, member: Member, now: float) -> None:
        self.forget(member)
        if self.state in (GroupState.STABLE, GroupState.COMPLETING):
            self._prepare(now)
        else:
            self._complete_join_if_ready(now)
