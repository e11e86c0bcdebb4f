"""What was done to a cluster, as it is remembered."""

import itertools
import time
from dataclasses import dataclass, field

from hostilekit._brokers import NOBODY, Layout
from hostilekit._members import Members

__all__ = ["Entry", "Group", "Log", "Place"]

Place = tuple[str, int]


@dataclass(slots=True)
class Entry:
    """What holds an offset.

    Attributes:
        kind: `record`; `open` (of a transaction under way), `aborted`, `marker`.
        arrived: when it was written: not before the first, not after the second (seconds since the epoch).
        stamp: the record's own timestamp.
    """

    kind: str
    arrived: tuple[float, float]
    stamp: float


@dataclass
class Log:
    """A partition: what was written to it, offset by offset.

    Attributes:
        changed: counts what was done to it.
        left: of a compacted one, the offsets that hold records still, as last read.
        layouts: who led and held it the last two times that was read.
        number: tells it from others that had the same name.
    """

    compacted: bool
    entries: list[Entry] = field(default_factory=list)
    start: int = 0
    changed: int = 0
    left: frozenset[int] = frozenset()
    layouts: tuple[Layout, ...] = ()
    number: int = field(default_factory=itertools.count().__next__)

    @property
    def end(self) -> int:
        return len(self.entries)

    @property
    def is_led(self) -> bool:
        """Whether anybody can be asked about it."""
        return self.layouts[-1].leader != NOBODY

    @property
    def stable_end(self) -> int:
        """Up to where readers of committed records get."""
        return next((at for at, entry in enumerate(self.entries) if entry.kind == "open"), self.end)

    def holds(self, offset: int) -> bool:
        """Whether there is a record."""
        return offset >= self.start and self.held(offset)

    def held(self, offset: int) -> bool:
        """Whether there is a record, or was until it was cut off."""
        if self.compacted and offset not in self.left:
            return False
        return self.entries[offset].kind in ("record", "open")


@dataclass
class Group:
    """A group: what it has committed, who is in it, and what those hold; in its state since when."""

    type: str = "classic"
    state: str = "empty"
    commits: dict[Place, int] = field(default_factory=dict)
    held: frozenset[Place] = frozenset()
    count: int = 0
    changed: int = 0
    members: Members | None = None
    since: float = field(default_factory=time.monotonic)
