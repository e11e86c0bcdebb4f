"""All consumer groups of the broker, and the offsets they committed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from kio.schema.errors import ErrorCode

from devbroker.groups import Group, GroupState

TopicPartition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed offset."""

    offset: int
    metadata: str = ""
    leader_epoch: int = -1


class Coordinator:
    """Consumer groups by name.

    Args:
        initial_delay_seconds: see `Group`.
        on_deadline: told a group's name and when `tick` should be called for it.
    """

    def __init__(self, *, initial_delay_seconds: float, on_deadline: Callable[[str, float], None]) -> None:
        self._initial_delay_seconds = initial_delay_seconds
        self._on_deadline = on_deadline
        self._groups: dict[str, Group] = {}
        self._offsets: dict[str, dict[TopicPartition, Committed]] = {}

    def __iter__(self) -> Iterator[Group]:
        return iter(list(self._groups.values()))

    def get(self, group_id: str) -> Group | None:
        """The group, if it is known: it has or had members, or committed offsets."""
        return self._groups.get(group_id)

    def get_or_create(self, group_id: str) -> Group:
        """The group, made if need be."""
        if group_id not in self._groups:
            self._groups[group_id] = Group(group_id, initial_delay_seconds=self._initial_delay_seconds)
        return self._groups[group_id]

    def changed(self, group: Group) -> None:
        """Must be called after anything that a group was asked: its next deadline may be another."""
        deadline = group.next_deadline()
        if deadline is not None:
            self._on_deadline(group.id, deadline)

    def tick(self, group_id: str, now: float) -> None:
        """A deadline of this group may have come."""
        group = self._groups.get(group_id)
        if group is not None:
            group.tick(now)
            self.changed(group)

    def check_commit(
        self, group_id: str, member_id: str, instance_id: str | None, generation: int, now: float
    ) -> ErrorCode:
        """Whether this member may commit offsets; a group that isn't known is made for simple commits."""
        if not group_id:
            return ErrorCode.invalid_group_id
        group = self._groups.get(group_id)
        if group is None:
            if generation >= 0:
                return ErrorCode.illegal_generation
            group = self.get_or_create(group_id)
        error = group.check_commit(member_id, instance_id, generation, now)
        self.changed(group)
        return error

    def commit(self, group_id: str, partition: TopicPartition, committed: Committed) -> None:
        """Store an offset."""
        self._offsets.setdefault(group_id, {})[partition] = committed

    def offsets(self, group_id: str) -> Mapping[TopicPartition, Committed]:
        """Everything a group committed."""
        return self._offsets.get(group_id, {})

    def delete(self, group_id: str) -> ErrorCode:
        """Forget a group without members, and its offsets."""
        group = self._groups.get(group_id)
        if group is None:
            return ErrorCode.group_id_not_found
        if group.state is not GroupState.EMPTY:
            return ErrorCode.non_empty_group
        del self._groups[group_id]
        self._offsets.pop(group_id, None)
        return ErrorCode.none

    def delete_offset(self, group_id: str, partition: TopicPartition) -> None:
        """Forget one offset, if there is one."""
        self._offsets.get(group_id, {}).pop(partition, None)

    def forget_topic(self, topic: str) -> None:
        """Forget all offsets of a topic that is deleted."""
        for offsets in self._offsets.values():
            for partition in [key for key in offsets if key[0] == topic]:
                del offsets[partition]
