"""Samples of one kind over a stretch of time, and what they become in wider slots.

A gauge's value in a slot is the highest of its samples, a counter's is how much was added. Both can be put together
in any order and portions: an hour that was thinned out says the same of its quarters as its minutes did.

What isn't known is None and stays so: a slot in which nothing was sampled has `covered` 0, and an addition of which a
part is unknown is unknown.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby
from typing import NamedTuple, Protocol

__all__ = ["Block", "Kind", "Name", "Slots", "Values", "bucketed", "put", "thinned"]

Name = tuple[str, ...]
"""What is measured: a group and a unit, a flow and an outcome."""
Values = Sequence[int | None]


class Kind(Enum):
    """What samples say."""

    GAUGE = "gauge"
    COUNTER = "counter"


class Slots(Protocol):
    """What can be read of a stretch of time; see `Block`."""

    @property
    def start(self) -> int:
        """When it begins, in seconds since the epoch."""
        ...

    @property
    def step(self) -> int:
        """Length of a slot, in seconds."""
        ...

    @property
    def covered(self) -> Sequence[int]:
        """Milliseconds that are known of each slot."""
        ...

    @property
    def whole(self) -> Sequence[int]:
        """By slot, whether everything that isn't 0 has a value there."""
        ...

    @property
    def names(self) -> Iterable[Name]:
        """What has values."""
        ...

    def column(self, name: Name) -> Values | None:
        """The values of a name, one for each slot; None for a name that has none."""
        ...

    def size(self, name: Name) -> int | None:
        """The highest value of a gauge, the sum of a counter's known ones; None if that isn't kept beside them."""
        ...


@dataclass(slots=True)
class Block:
    """Samples of one kind over a stretch of time.

    Attributes:
        start: When it begins, in seconds since the epoch.
        step: Length of a slot, in seconds.
        covered: Milliseconds that are known of each slot; 0: nothing was sampled.
        whole: By slot 1 where a name without a value stands at 0, 0 where it isn't known.
        columns: Values by name, one for each slot.
    """

    start: int
    step: int
    covered: list[int]
    whole: list[int]
    columns: dict[Name, list[int | None]] = field(default_factory=dict)

    @classmethod
    def empty(cls, start: int, step: int, slots: int) -> Block:
        """A block in which nothing is known."""
        return cls(start, step, [0] * slots, [0] * slots)

    @classmethod
    def of(cls, slots: Slots) -> Block:
        """A copy that can be changed."""
        columns = {name: list(slots.column(name) or ()) for name in slots.names}
        return cls(slots.start, slots.step, list(slots.covered), list(slots.whole), columns)

    @property
    def names(self) -> Iterable[Name]:
        """See `Slots.names`."""
        return self.columns.keys()

    def column(self, name: Name) -> Values | None:
        """See `Slots.column`."""
        return self.columns.get(name)

    def size(self, name: Name) -> int | None:
        """See `Slots.size`."""
        return None

    def note(self, place: int, values: Mapping[Name, int | None], covered_ms: int, *, whole: bool) -> None:
        """Set what is known of a slot."""
        self.covered[place], self.whole[place] = covered_ms, int(whole)
        for name, value in values.items():
            column = self.columns.get(name)
            if column is None:
                column = self.columns[name] = [None] * len(self.covered)
            column[place] = value


def bucketed(
    blocks: Iterable[Slots], kind: Kind, names: Iterable[Name], *, start: int, step: int, count: int
) -> Block:
    """What blocks say in wider slots.

    Args:
        blocks: In any order; of no moment two of them tell. Where one begins, a new slot does.
        kind: What their values are.
        names: Whose values are wanted.
        start: Of the first new slot, in seconds since the epoch; a multiple of `step`.
        step: Length of the new slots, in seconds; a multiple of the old ones'.
        count: How many.
    """
    found = Block.empty(start, step, count)
    unknown = [False] * count
    wanted = list(names)
    columns: dict[Name, list[int | None]] = {name: [None] * count for name in wanted}
    value_of = _highest if kind is Kind.GAUGE else _sum
    together = max if kind is Kind.GAUGE else _added
    for block in blocks:
        runs = _runs(block, start, step, count)
        for run in runs:
            found.covered[run.place] += sum(block.covered[run.first : run.end])
            unknown[run.place] |= not run.is_whole
        is_sized = _is_sized(block, kind, runs, start, step)
        for name in wanted if runs else ():
            into = columns[name]
            # Kept beside the values, so that they needn't be unpacked. Of 0 it can't be told whether it is known.
            size = block.size(name) if is_sized else None
            if size is not None and size > 0:
                known = into[runs[0].place]
                into[runs[0].place] = size if known is None else together(known, size)
                continue
            column = block.column(name)
            for run in runs:
                value = value_of(run, block, column)
                if value is not None:
                    known = into[run.place]
                    into[run.place] = value if known is None else together(known, value)
    for place in range(count):
        found.whole[place] = int(found.covered[place] > 0 and not unknown[place])
    if kind is Kind.COUNTER:
        columns = {name: [_known(value) for value in column] for name, column in columns.items()}
    found.columns = columns
    return found


def thinned(block: Slots, kind: Kind, step: int) -> Block:
    """The same stretch of time in wider slots."""
    count = len(block.covered) * block.step // step
    found = bucketed([block], kind, block.names, start=block.start, step=step, count=count)
    if kind is Kind.COUNTER and all(map(operator.ge, found.whole, map(bool, found.covered))):
        # What was never added to stands at 0 wherever everything else is known.
        found.columns = {name: column for name, column in found.columns.items() if any(column)}
    return found


def put(into: Block, part: Slots) -> None:
    """Take over the slots of another block with slots of the same length, which lies within this one."""
    first = (part.start - into.start) // into.step
    for at, covered in enumerate(part.covered):
        if covered:
            values = {name: (part.column(name) or ())[at] for name in part.names}
            values = {name: value for name, value in values.items() if value is not None}
            into.note(first + at, values, covered, whole=bool(part.whole[at]))


_POISON = -1
"""Of a sum: a part of it isn't known. Additions are never negative."""


class _Run(NamedTuple):
    """Slots of a block that follow each other, in all of which something is known, and that go into one new slot."""

    place: int
    first: int
    end: int
    is_whole: bool


def _is_sized(block: Slots, kind: Kind, runs: Sequence[_Run], start: int, step: int) -> bool:
    """Whether all of a block goes into one new slot, so that a name's size is its value there, if it is above 0."""
    if not runs or start + runs[0].place * step > block.start:
        return False
    if block.start + len(block.covered) * block.step > start + (runs[0].place + 1) * step:
        return False
    return kind is Kind.GAUGE or all(run.is_whole for run in runs)


def _runs(block: Slots, start: int, step: int, count: int) -> list[_Run]:
    found = []
    together = step // block.step
    for first in range(0, len(block.covered), together):
        place = (block.start + first * block.step - start) // step
        if 0 <= place < count:
            for begin, end in _known_runs(block.covered, first, first + together):
                found.append(_Run(place, begin, end, 0 not in block.whole[begin:end]))
    return found


def _known_runs(covered: Sequence[int], first: int, end: int) -> list[tuple[int, int]]:
    """Where something is known, between two slots."""
    part = covered[first:end]
    if 0 not in part:
        return [(first, first + len(part))]
    found, begin = [], first
    for is_known, run in groupby(part, bool):
        until = begin + sum(1 for _ in run)
        if is_known:
            found.append((begin, until))
        begin = until
    return found


def _highest(run: _Run, block: Slots, column: Values | None) -> int | None:
    values = None if column is None else column[run.first : run.end]
    if values is None or None in values:
        values = _told(run, block, values)
        return max((value for value in values if value is not None), default=None)
    return max(values)  # type: ignore[type-var]


def _sum(run: _Run, block: Slots, column: Values | None) -> int:
    values = None if column is None else column[run.first : run.end]
    if run.is_whole:  # what isn't written down is 0
        return sum(filter(None, values or ()))
    values = _told(run, block, values)
    return _POISON if None in values else sum(filter(None, values))


def _told(run: _Run, block: Slots, values: Values | None) -> Values:
    """The values of a run, with the zeros that aren't written down."""
    whole = block.whole[run.first : run.end]
    if values is None:
        return [0 if is_whole else None for is_whole in whole]
    return [0 if value is None and is_whole else value for value, is_whole in zip(values, whole, strict=True)]


def _added(one: int, other: int) -> int:
    return _POISON if _POISON in (one, other) else one + other


def _known(value: int | None) -> int | None:
    return None if value == _POISON else value
