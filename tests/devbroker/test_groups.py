"""The group state machine without a broker: time and answers are in the test's hands."""

from collections.abc import Mapping
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from devbroker.groups import Group, GroupState
from devbroker.members import JoinRequest

_DELAY = 0.25
_RANGE = ("range", b"")


class Clock:
    """A group with a clock of its own, and the answers its members got."""

    def __init__(self) -> None:
        self.now = 100.0
        self.group = Group("g", initial_delay_seconds=_DELAY)
        self.answers: dict[str, Mapping[str, Any]] = {}

    def wait(self, seconds: float) -> None:
        """Let time pass, with the ticks that the group asks for."""
        end = self.now + seconds
        while (deadline := self.group.next_deadline()) is not None and deadline <= end:
            self.now = max(deadline, self.now)
            self.group.tick(self.now)
        self.now = end

    def join(
        self,
        name: str,
        member_id: str = "",
        *,
        instance_id: str | None = None,
        protocols: tuple[tuple[str, bytes], ...] = (_RANGE,),
        session: float = 10.0,
        rebalance: float = 60.0,
        known: bool = False,
        skip: bool = False,
    ) -> None:
        self.answers.pop(name, None)
        request = JoinRequest(
            member_id=member_id,
            instance_id=instance_id,
            protocol_type="consumer",
            protocols=protocols,
            session_timeout_seconds=session,
            rebalance_timeout_seconds=rebalance,
            client_id=name,
            client_host="/127.0.0.1",
            requires_known_member=known,
            can_skip_assignment=skip,
            reply=lambda answer: self.answers.__setitem__(name, answer),
        )
        self.group.join(request, self.now)

    def sync(self, name: str, joined: Mapping[str, Any], assignments: Mapping[str, bytes]) -> None:
        self.answers.pop(name, None)
        self.group.sync(
            joined["member_id"],
            None,
            joined["generation_id"],
            (None, None),
            assignments,
            lambda answer: self.answers.__setitem__(name, answer),
            self.now,
        )

    def beat(self, joined: Mapping[str, Any]) -> ErrorCode:
        return self.group.heartbeat(joined["member_id"], None, joined["generation_id"], self.now)

    def stable(self, *names: str, **options: Any) -> list[Mapping[str, Any]]:
        """Bring these members into a stable group; hand back their JoinGroup answers."""
        for name in names:
            self.join(name, **options)
        self.wait(2 * _DELAY)
        joined = [self.answers[name] for name in names]
        for name, answer in zip(names, joined, strict=True):
            self.sync(name, answer, {a["member_id"]: a["member_id"].encode() for a in joined})
        assert self.group.state is GroupState.STABLE
        return joined


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_first_rebalance_waits_for_more_members(clock: Clock) -> None:
    clock.join("a")
    clock.wait(_DELAY * 0.9)
    assert clock.answers == {}
    clock.join("b")
    clock.wait(_DELAY * 0.9)
    assert clock.answers == {}
    clock.wait(_DELAY * 0.2)
    a, b = clock.answers["a"], clock.answers["b"]
    assert (a["generation_id"], b["generation_id"]) == (1, 1)
    assert a["leader"] == b["leader"] == a["member_id"]
    assert {member["member_id"] for member in a["members"]} == {a["member_id"], b["member_id"]}
    assert b["members"] == []


def test_the_first_rebalance_does_not_wait_for_ever(clock: Clock) -> None:
    for number in range(40):
        clock.join(f"m{number}", rebalance=1.0)
        clock.wait(_DELAY / 2)
        if clock.answers:
            break
    assert clock.now < 100 + 1.5


def test_a_new_member_must_come_back_with_its_id(clock: Clock) -> None:
    clock.join("a", known=True)
    first = clock.answers["a"]
    assert first["error_code"] is ErrorCode.member_id_required
    clock.join("a", first["member_id"], known=True)
    clock.wait(_DELAY)
    assert clock.answers["a"]["member_id"] == first["member_id"]
    assert clock.answers["a"]["error_code"] is ErrorCode.none


def test_an_id_that_nobody_comes_back_with_lapses(clock: Clock) -> None:
    (leader,) = clock.stable("a")
    clock.join("b", known=True, session=1.0)
    ghost = clock.answers["b"]["member_id"]
    clock.join("a", leader["member_id"])
    assert "a" not in clock.answers  # it waits for the one who got an id
    clock.wait(1.0)
    assert clock.answers["a"]["generation_id"] == 2
    clock.join("b", ghost)
    assert clock.answers["b"]["error_code"] is ErrorCode.unknown_member_id


def test_followers_wait_for_the_leaders_assignment(clock: Clock) -> None:
    clock.join("a")
    clock.join("b")
    clock.wait(1)
    a, b = clock.answers["a"], clock.answers["b"]
    clock.sync("b", b, {})
    assert "b" not in clock.answers
    clock.sync("a", a, {a["member_id"]: b"0", b["member_id"]: b"1"})
    assert clock.answers["a"]["assignment"] == b"0"
    assert clock.answers["b"]["assignment"] == b"1"


def test_a_joining_member_makes_the_others_rejoin(clock: Clock) -> None:
    (a,) = clock.stable("a")
    clock.join("b")
    assert clock.beat(a) is ErrorCode.rebalance_in_progress
    assert "b" not in clock.answers
    clock.join("a", a["member_id"])
    assert clock.answers["a"]["generation_id"] == clock.answers["b"]["generation_id"] == 2
    assert clock.beat(a) is ErrorCode.illegal_generation


def test_who_does_not_rejoin_in_time_is_out(clock: Clock) -> None:
    a, b = clock.stable("a", "b", session=100.0, rebalance=5.0)
    clock.join("c", rebalance=5.0)
    clock.join("a", a["member_id"], rebalance=5.0)
    clock.wait(4.9)
    assert "a" not in clock.answers
    clock.wait(0.2)
    assert clock.answers["a"]["generation_id"] == 2
    assert clock.beat(b) is ErrorCode.unknown_member_id


def test_a_silent_member_is_evicted_and_a_waiting_one_is_not(clock: Clock) -> None:
    a, b = clock.stable("a", "b", session=100.0)
    clock.join("a", a["member_id"], session=2.0, rebalance=300.0)
    assert "a" not in clock.answers
    clock.wait(50)  # "a" waits for "b"
    assert a["member_id"] in clock.group.members
    clock.wait(60)
    assert b["member_id"] not in clock.group.members
    assert clock.answers["a"]["generation_id"] == 2


def test_the_last_one_out_leaves_an_empty_group(clock: Clock) -> None:
    (a,) = clock.stable("a")
    assert clock.group.leave(a["member_id"], None, clock.now) is ErrorCode.none
    assert clock.group.state is GroupState.EMPTY
    assert clock.group.next_deadline() is None
    assert clock.group.leave(a["member_id"], None, clock.now) is ErrorCode.unknown_member_id
    assert clock.stable("b")[0]["generation_id"] == 3


def test_a_leader_that_never_assigns_is_evicted(clock: Clock) -> None:
    clock.join("a", session=5.0, rebalance=5.0)
    clock.join("b", session=5.0, rebalance=5.0)
    clock.wait(1)
    a, b = clock.answers["a"], clock.answers["b"]
    clock.sync("b", b, {})
    clock.wait(10)
    assert a["member_id"] not in clock.group.members
    assert clock.answers["b"]["error_code"] is ErrorCode.rebalance_in_progress


def test_a_lost_join_answer_is_given_again(clock: Clock) -> None:
    clock.join("a")
    clock.join("b")
    clock.wait(1)
    b = clock.answers["b"]
    clock.join("b", b["member_id"])
    assert clock.answers["b"] == b
    a, b = clock.answers["a"], clock.answers["b"]
    clock.sync("a", a, {b["member_id"]: b"1"})
    clock.join("b", b["member_id"])
    assert clock.answers["b"]["generation_id"] == b["generation_id"]


def test_a_leader_that_rejoins_rebalances(clock: Clock) -> None:
    (a,) = clock.stable("a")
    clock.join("a", a["member_id"])
    assert clock.answers["a"]["generation_id"] == 2


def test_the_protocol_that_most_members_prefer_is_taken(clock: Clock) -> None:
    sticky, old = ("sticky", b"s"), ("old", b"o")
    clock.join("a", protocols=(old, sticky, _RANGE))
    clock.join("b", protocols=(sticky, _RANGE))
    clock.join("c", protocols=(sticky, _RANGE))
    clock.join("d", protocols=(("alien", b""),))
    assert clock.answers["d"]["error_code"] is ErrorCode.inconsistent_group_protocol
    clock.wait(1)
    assert clock.answers["a"]["protocol_name"] == "sticky"
    assert clock.answers["a"]["members"][0]["metadata"] == b"s"


@pytest.mark.parametrize("skip", [False, True])
def test_a_static_leader_comes_back_without_a_rebalance(clock: Clock, skip: bool) -> None:
    (a,) = clock.stable("a", instance_id="one")
    clock.join("again", instance_id="one", skip=skip)
    again = clock.answers["again"]
    assert again["generation_id"] == a["generation_id"]
    assert again["member_id"] != a["member_id"]
    # An older client takes itself for a follower, a newer one leads but doesn't assign.
    assert again["leader"] == (again["member_id"] if skip else a["member_id"])
    assert again.get("skip_assignment", False) is skip
    assert bool(again["members"]) is skip
    error = clock.group.heartbeat(a["member_id"], "one", a["generation_id"], clock.now)
    assert error is ErrorCode.fenced_instance_id


def test_a_static_member_keeps_its_place_while_it_is_away(clock: Clock) -> None:
    (a,) = clock.stable("a", session=1000.0, rebalance=5.0)
    clock.join("s", instance_id="one", session=1000.0, rebalance=5.0)
    clock.join("a", a["member_id"], session=1000.0, rebalance=5.0)
    b = clock.answers["s"]
    clock.sync("a", clock.answers["a"], {})
    clock.sync("s", b, {})
    clock.join("c", rebalance=5.0)
    clock.join("a", a["member_id"], rebalance=5.0)
    clock.wait(6)
    assert b["member_id"] in clock.group.members
    assert len(clock.answers["a"]["members"]) == 3


@pytest.mark.parametrize("members", [(), ("a", "b")], ids=["alone", "with-others"])
def test_next_deadline_moves_on(clock: Clock, members: tuple[str, ...]) -> None:
    """After a tick the next deadline lies ahead, or a timer would spin."""
    if members:
        clock.stable(*members, session=3.0, rebalance=3.0)
    clock.join("c", session=3.0, rebalance=3.0)
    clock.join("d", session=3.0, rebalance=3.0, known=True)
    while (deadline := clock.group.next_deadline()) is not None:
        assert deadline > clock.now
        assert clock.now < 200
        clock.now = deadline
        clock.group.tick(clock.now)
    assert clock.group.state is GroupState.EMPTY
