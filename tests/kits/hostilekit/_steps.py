"""One odd thing after another, chosen by chance."""

import random
import time
from collections.abc import Callable

from hostilekit._brokers import FIRST, SECOND
from hostilekit._cluster import HostileCluster
from hostilekit._record import Group, Place

__all__ = ["ODD_GROUPS", "Mischief"]

ODD_GROUPS = (
    "",
    " ", "a\nb", "a\rb", "a\\nb", "a\u2028b", "a\u2029b", "a\x85b", "a\x0bb", "a\x1cb", "a\tb", "\x1b[31m", "\x7f", "%d", "%s",
    '%s {x="y"} 1', '"', '\\"', "\\", "\\\\", "{{ 7 * 7 }}", "${HOME}", "{group}", "\N{GRINNING FACE}" * 62, "l" * 249,
    "l" * 248 + "m", "\ufeff", "e\u0301", "\xe9", "\u202egnp", "# HELP x", "# EOF", "NaN", "-1", "null", "/", "?group=x", "'",
    "<script>", "a,b", "a=b", "rc", "rc-\u2028", "rc\n",
)  # fmt: skip
_TOPICS = ("a", "a.b", "-", "_", "NaN", "0", "null", "t" * 249, "t" * 248 + "u", "A", "__kept")
_NEW = ("new", "new\n\u2028", "rc-new")
_SHARING = ("pool", "pool\u2028", "a\nb", "%s", "l" * 249, "null")
# Kafka gives up a member that waits for others after 5 minutes, and a transaction after 15.
_PATIENCE_SECONDS = 120.0
_STEADY, _COMPACTED = "steady", "compacted"
_MOST_PARTITIONS, _MOST_RECORDS = 4, 120
_DAY = 86400.0
# Chances in a cycle: a broker's start takes longer than a hundred cycles.
_LOST_EVERY, _REGAINED_EVERY = 0.007, 0.07


class Mischief:
    """Does things to a cluster.

    Args:
        cluster: which one.
        seed: the same seed does the same again.
    """

    def __init__(self, cluster: HostileCluster, seed: int) -> None:
        self._cluster = cluster
        self._dice = random.Random(seed)
        # Apart, so that when brokers go is known beforehand.
        self._fate = random.Random(f"{seed} brokers")
        self._steps: dict[Callable[[], str | None], int] = {
            self._produce: 24, self._commit: 30, self._transact: 8, self._cut: 5,
            self._forget_commit: 4, self._delete_group: 4, self._create_topic: 4, self._delete_topic: 3,
            self._add_partition: 1, self._join: 3, self._join_anew: 1, self._disturb: 2, self._settle: 2,
            self._leave: 3, self._nothing: 6, self._join_share: 2,
        }  # fmt: skip

    def begin(self) -> None:
        """What there is at first."""
        self._cluster.create_topic(_STEADY, [(FIRST,), (SECOND,)])
        self._cluster.create_topic(_COMPACTED, [(FIRST,)], compacted=True)
        for name in self._dice.sample(_TOPICS, 4):
            self._cluster.create_topic(name, self._holders())
        for place in list(self._cluster.logs):
            self._write(place)
        for name in self._dice.sample(ODD_GROUPS, 20):
            self._commit(name)

    def disrupt(self) -> str | None:
        """Now and then the second broker goes, or comes back; what was done, if anything was."""
        if self._fate.random() >= (_LOST_EVERY if self._cluster.is_whole else _REGAINED_EVERY):
            return None
        if not self._cluster.is_whole:
            self._cluster.regain_broker()
            return "the second broker is back"
        killed = self._fate.random() < 0.5
        self._cluster.lose_broker(killed=killed)
        return f"the second broker is {'killed' if killed else 'stopped'}"

    def step(self) -> str:
        """Do one thing that can be done; what it was."""
        while True:
            if (done := self._tidy()) is not None:
                return done
            (step,) = self._dice.choices(list(self._steps), list(self._steps.values()))
            if (done := step()) is not None:
                return f"{step.__name__}: {done}"

    def _tidy(self) -> str | None:
        """End what Kafka would end by itself before long."""
        for name, group in self._cluster.groups.items():
            if group.state == "preparing_rebalance" and time.monotonic() - group.since > _PATIENCE_SECONDS:
                self._cluster.settle(name, [(), ()])
                return f"tidied: {name!r}"
        for place, log in self._cluster.logs.items():
            if log.is_led and (self._cluster.open_for(place) or 0) > _PATIENCE_SECONDS:
                self._cluster.end_transaction(place, commit=True)
                return f"tidied: {place!r}"
        return None

    def _holders(self) -> list[tuple[int, ...]]:
        """Brokers for each partition of a topic, the preferred leader first."""
        copies = self._dice.choice((1, 1, 2)) if self._cluster.is_whole else 1
        return [self._holder(copies) for _ in range(self._dice.randint(1, 3))]

    def _holder(self, copies: int) -> tuple[int, ...]:
        if copies == 2:
            return self._dice.choice(((FIRST, SECOND), (SECOND, FIRST)))
        return (self._dice.choice((FIRST, SECOND)) if self._cluster.is_whole else FIRST,)

    def _nothing(self) -> str:
        return ""

    def _place(self) -> Place:
        return self._dice.choice(sorted(self._cluster.logs))

    def _group(self, wanted: Callable[[Group], bool]) -> str | None:
        names = [name for name, group in self._cluster.groups.items() if wanted(group)]
        return self._dice.choice(sorted(names)) if names else None

    def _produce(self) -> str | None:
        place = self._place()
        log = self._cluster.logs[place]
        if not log.is_led or log.end > _MOST_RECORDS or self._cluster.open_for(place) is not None:
            return None
        return self._write(place)

    def _write(self, place: Place) -> str:
        dice = self._dice
        kind, stamp = dice.choices(
            (("now", lambda now: now),
             ("past", lambda now: now - dice.uniform(1, _DAY)),
             ("future", lambda now: now + dice.uniform(10, _DAY)),
             ("mixed", lambda now: now + dice.uniform(-_DAY, _DAY))),
            (12, 2, 1, 1),
        )[0]  # fmt: skip
        count = dice.choice((1, 1, 2, 5, 20))
        key = dice.choice((b"k", b"l")) if self._cluster.logs[place].compacted else None
        self._cluster.produce(place, count, stamp, key)
        return f"{count} {kind} {place!r}"

    def _commit(self, name: str | None = None) -> str | None:
        if name is None:
            name = self._dice.choice((*ODD_GROUPS, *self._cluster.groups))
        group = self._cluster.groups.get(name)
        if group is not None and (group.type == "share" or group.state not in ("empty", "stable")):
            return None
        place = self._place()
        log = self._cluster.logs[place]
        offset = self._dice.choice(
            (0, log.start, log.end, log.end, log.stable_end, self._dice.randint(log.start, log.end),
             self._dice.randint(0, log.end), max(0, log.end - 1), log.end + self._dice.randint(1, 5))
        )  # fmt: skip
        self._cluster.commit(name, place, offset)
        return f"{name!r} {place!r} {offset}"

    def _transact(self) -> str | None:
        place = self._place()
        log = self._cluster.logs[place]
        if log.compacted or not log.is_led or log.end > _MOST_RECORDS:
            return None
        how = self._dice.choice(("commit", "abort", "leave open"))
        if self._cluster.open_for(place) is None or self._dice.random() < 0.3:
            self._cluster.write_transaction(place, self._dice.randint(1, 4))
        if how != "leave open":
            self._cluster.end_transaction(place, commit=how == "commit")
        return f"{how} {place!r}"

    def _cut(self) -> str | None:
        place = self._place()
        log = self._cluster.logs[place]
        if log.compacted or not log.is_led or log.end == log.start:
            return None
        start = self._dice.choice((log.stable_end, self._dice.randint(log.start, log.stable_end)))
        self._cluster.cut(place, start)
        return f"{place!r} {start}"

    def _forget_commit(self) -> str | None:
        name = self._group(lambda group: group.members is None and bool(group.commits))
        # Kafka takes commits of a group without a name, and gives them up with the group alone.
        if not name:
            return None
        place = self._dice.choice(sorted(self._cluster.groups[name].commits))
        self._cluster.forget_commit(name, place)
        return f"{name!r} {place!r}"

    def _delete_group(self) -> str | None:
        name = self._group(lambda group: group.members is None)
        if name is None:
            return None
        self._cluster.delete_group(name)
        return repr(name)

    def _create_topic(self) -> str | None:
        name = self._dice.choice(_TOPICS)
        # Kafka takes a point and an underscore for the same.
        if name.replace(".", "_") in {topic.replace(".", "_") for topic in self._cluster.topics()}:
            return None
        holders = self._holders()
        self._cluster.create_topic(name, holders)
        return f"{name} {holders}"

    def _delete_topic(self) -> str | None:
        name = self._dice.choice(sorted(self._cluster.topics()))
        if name == _STEADY or len(self._cluster.topics()) < 4 or self._hangs(name):
            return None
        self._cluster.delete_topic(name)
        if name == _COMPACTED:
            self._cluster.create_topic(name, [(FIRST,)], compacted=True)
        return name

    def _hangs(self, topic: str) -> bool:
        """Whether a transaction is under way there that nobody can end."""
        return any(
            place[0] == topic and not log.is_led and self._cluster.open_for(place) is not None
            for place, log in self._cluster.logs.items()
        )

    def _add_partition(self) -> str | None:
        name = self._dice.choice(sorted(self._cluster.topics()))
        if name in (_STEADY, _COMPACTED) or self._cluster.topics()[name] >= _MOST_PARTITIONS:
            return None
        # Kafka wants the same number of copies of all of a topic's partitions.
        copies = len(self._cluster.logs[name, 0].layouts[-1].replicas)
        if copies == 2 and not self._cluster.is_whole:
            return None
        holder = self._holder(copies)
        self._cluster.add_partition(name, holder)
        return f"{name} {holder}"

    def _held(self) -> list[Place]:
        places = sorted(self._cluster.logs)
        return self._dice.sample(places, self._dice.randint(0, min(5, len(places))))

    def _join(self) -> str | None:
        name = self._group(lambda group: group.members is None and group.type == "classic")
        # Kafka lets nobody into a group without a name.
        if not name:
            return None
        held = self._held()
        self._cluster.join(name, held)
        return f"{name!r} {held!r}"

    def _join_anew(self) -> str | None:
        name = self._dice.choice(_NEW)
        if name in self._cluster.groups and self._cluster.groups[name].members is not None:
            return None
        self._cluster.join_anew(name, _STEADY)
        return repr(name)

    def _join_share(self) -> str | None:
        name = self._dice.choice(_SHARING)
        group = self._cluster.groups.get(name)
        if group is not None and (group.type != "share" or group.members is not None):
            return None
        topics = [_STEADY, self._dice.choice(sorted(self._cluster.topics()))]
        self._cluster.join_share(name, topics)
        return f"{name!r} {topics!r}"

    def _disturb(self) -> str | None:
        name = self._group(lambda group: group.type == "classic" and group.count == 1)
        if name is None:
            return None
        self._cluster.disturb(name)
        return repr(name)

    def _settle(self) -> str | None:
        name = self._group(lambda group: group.state == "preparing_rebalance")
        if name is None:
            return None
        held = self._held()
        middle = self._dice.randint(0, len(held))
        self._cluster.settle(name, [held[:middle], held[middle:]])
        return f"{name!r} {held!r}"

    def _leave(self) -> str | None:
        name = self._group(lambda group: group.members is not None and group.state == "stable")
        if name is None:
            return None
        self._cluster.leave(name)
        return repr(name)
