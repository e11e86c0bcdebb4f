"""What history needs: figures to sample, and a place where samples are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from flowtrail_collector.history.model.blocks import Block, Kind, Name
from flowtrail_collector.history.model.counting import Standing
from flowtrail_collector.history.model.packing import Packed

__all__ = ["Figures", "Key", "Samples", "Source"]


class Key(NamedTuple):
    """Which block: of what, how finely, and when it begins in seconds since the epoch."""

    of: str
    step: int
    start: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Values of one moment.

    Attributes:
        values: By name.
        whole: Whether whatever has no value stands at 0; otherwise it isn't known.
    """

    values: Mapping[Name, int]
    whole: bool


class Source(Protocol):
    """Tells figures of one kind."""

    @property
    def of(self) -> str:
        """What they are of; the name under which they are kept."""
        ...

    @property
    def kind(self) -> Kind:
        """Whether they stand or are added to."""
        ...

    def figures(self, now: float) -> Figures | None:
        """The figures of this moment; None while they aren't known.

        Args:
            now: Wall clock, seconds since the epoch.

        Raises:
            StoreError: They can't be read.
        """
        ...


class Samples(Protocol):
    """Keeps blocks of samples, and how counters stood at the last one."""

    def standing(self) -> Standing | None:
        """How counters stood at the last sample; None before the first.

        Raises:
            StoreError: It can't be read.
        """
        ...

    def block(self, key: Key) -> Block | None:
        """One block, to be gone on with.

        Raises:
            StoreError: It can't be read.
        """
        ...

    def read(self, of: str, start: int, end: int) -> Sequence[Packed]:
        """The blocks that touch a stretch of time (seconds since the epoch), all as of one moment.

        Raises:
            StoreError: They can't be read.
        """
        ...

    def kept(self) -> list[Key]:
        """All blocks there are.

        Raises:
            StoreError: They can't be read.
        """
        ...

    def sampled(
        self,
        standing: Standing,
        before: Standing | None,
        blocks: Mapping[str, tuple[Kind, Block]],
    ) -> None:
        """Write a sample down, all of it or nothing.

        Args:
            standing: How counters stand now.
            before: How they stood at the sample that this one follows.
            blocks: By what they are of; each with its sample, instead of what was kept of its time.

        Raises:
            FencedError: Another sample was written meanwhile.
            StoreError: It can't be written.
        """
        ...

    def is_thinned(self, of: str, start: int) -> bool:
        """Whether an hour is kept by its quarters already; `start` in seconds since the epoch.

        Raises:
            StoreError: It can't be read.
        """
        ...

    def thin(self, key: Key, kind: Kind) -> None:
        """Keep an hour's samples by its quarters, in the block of its day; its own block goes.

        Args:
            key: Of the block.
            kind: What its values are.

        Raises:
            StoreError: It stays as it is.
        """
        ...

    def forget(self, keys: Iterable[Key]) -> None:
        """Remove blocks.

        Raises:
            StoreError: They stay.
        """
        ...
