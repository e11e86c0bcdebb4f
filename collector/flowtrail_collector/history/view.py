"""What charts are made of: each kind of figure in the slots of a window, those first that stand out most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from flowtrail_collector.history.model.blocks import Block, Kind, Name, bucketed
from flowtrail_collector.history.model.packing import Packed
from flowtrail_collector.history.model.ranking import Ranking
from flowtrail_collector.history.model.windows import Stretch
from flowtrail_collector.history.ports import Samples
from flowtrail_collector.history.sources import (
    DEAD_LETTERS,
    EDGES,
    KINDS,
    LAG,
    MESSAGES,
    OUTCOMES,
    SECONDS,
    STEPS,
)
from flowtrail_collector.quantiles import at_most
from flowtrail_collector.sagas.model.lifecycle import DURATION_BUCKETS_SECONDS

__all__ = ["LONGEST_SECONDS", "SHARES", "History", "LagHistory", "Line", "Lines"]

LONGEST_SECONDS = DURATION_BUCKETS_SECONDS[-1]
"""Of durations beyond it, only that is known."""

SHARES = {"p50": 50, "p95": 95, "p99": 99}
"""Percentiles of durations by the names they have."""
_BOUNDS = (*map(str, DURATION_BUCKETS_SECONDS), "+Inf")
_SECONDS_OF = dict(zip(_BOUNDS, (*DURATION_BUCKETS_SECONDS, DURATION_BUCKETS_SECONDS[-1]), strict=True))
_ALL = 1_000
Numbers = Sequence[float | None]


class Line(NamedTuple):
    """One thing's values, one for each slot; None where they aren't known."""

    name: Name
    values: Numbers


class Lines(NamedTuple):
    """Lines over the same slots.

    Attributes:
        stretch: The slots.
        lines: Those that reach highest first.
        left_out: How many there are besides: none of them gets higher, of rates none comes to more in all.
    """

    stretch: Stretch
    lines: list[Line]
    left_out: int


class LagHistory:
    """How far behind groups were; each is known by its name.

    Args:
        stretch: The slots.
        blocks: Samples of them.
    """

    def __init__(self, stretch: Stretch, blocks: Sequence[Packed]) -> None:
        self._stretch = stretch
        self._blocks = blocks
        self._ranking = Ranking(blocks, Kind.GAUGE, stretch)

    def messages(self, most: int, groups: Collection[str] | None = None) -> Lines:
        """Unread messages of groups, of all by default: the most there were in each slot."""
        return self._lines(most, groups, MESSAGES)

    def seconds(self, most: int, groups: Collection[str] | None = None) -> Lines:
        """For how long the oldest unread message of groups had waited, in seconds."""
        found = self._lines(most, groups, SECONDS)
        lines = [
            Line(name, [None if value is None else value / 1000 for value in values])
            for name, values in found.lines
        ]
        return found._replace(lines=lines)

    def _lines(self, most: int, groups: Collection[str] | None, unit: str) -> Lines:
        names, others = self._ranking.largest(
            most, lambda name: name[1] == unit and (groups is None or name[0] in groups)
        )
        found = _bucketed(self._blocks, LAG, names, self._stretch)
        lines = [Line(name[:1], column) for name, column in found.columns.items()]
        return _lines(self._stretch, lines, others)


class History:
    """Reads samples.

    Args:
        samples: Where they are kept.
    """

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def lag(self, stretch: Stretch) -> LagHistory:
        """How far behind groups were."""
        return LagHistory(stretch, self._read(LAG, stretch))

    def outcomes(self, stretch: Stretch, most: int, flow: str | None = None) -> Lines:
        """How many instances of flows started and how they ended, per minute; names are flow and outcome."""
        return _rates(self._read(OUTCOMES, stretch), OUTCOMES, stretch, most, 60.0, _of_flow(flow))

    def flows(self, stretch: Stretch, most: int) -> tuple[dict[str, list[Line]], list[str]]:
        """See `outcomes`: of the flows in which most happened, and the names of the others."""
        blocks = self._read(OUTCOMES, stretch)
        sizes: dict[str, int] = defaultdict(int)
        for name, size in Ranking(blocks, Kind.COUNTER, stretch).sizes.items():
            sizes[name[0]] += size
        ranked = sorted(sizes, key=lambda flow: (-sizes[flow], flow))
        chosen = frozenset(ranked[:most])
        found = _rates(blocks, OUTCOMES, stretch, _ALL, 60.0, lambda name: name[0] in chosen)
        of_flow: dict[str, list[Line]] = {flow: [] for flow in ranked[:most]}
        for line in found.lines:
            of_flow[line.name[0]].append(line)
        return of_flow, ranked[most:]

    def edges(self, stretch: Stretch, most: int) -> Lines:
        """Reactions a second that went over edges; names are source, topic and target."""
        return _rates(self._read(EDGES, stretch), EDGES, stretch, most, 1.0, lambda name: True)

    def dead_letters(self, stretch: Stretch, most: int) -> Lines:
        """Pending dead letters by cause: the most there were in each slot. For names see `sources.cause_of`."""
        blocks = self._read(DEAD_LETTERS, stretch)
        names, others = Ranking(blocks, Kind.GAUGE, stretch).largest(most)
        found = _bucketed(blocks, DEAD_LETTERS, names, stretch)
        return _lines(stretch, [Line(name, column) for name, column in found.columns.items()], others)

    def durations(self, stretch: Stretch, most: int, flow: str | None = None) -> Lines:
        """What percentages of steps took at most, in seconds; names are flow, step and one of `SHARES`.

        Infinite where too many took longer than the largest bucket's bound. Those of the steps that took longest on
        average, as far as buckets tell; a step's three percentiles stay together.
        """
        blocks = self._read(STEPS, stretch)
        sizes = Ranking(blocks, Kind.COUNTER, stretch).sizes
        steps = _slowest(sizes, flow)
        chosen = set(steps[:most])
        names = [name for name in sizes if name[:2] in chosen]
        found = _bucketed(blocks, STEPS, names, stretch)
        shown = [(step, _percentiles(found, step)) for step in chosen]
        shown = [item for item in shown if any(value is not None for value in item[1]["p50"])]
        shown.sort(key=lambda item: (-max(value or 0 for value in item[1]["p95"]), item[0]))
        lines = [Line((*step, share), values) for step, shares in shown for share, values in shares.items()]
        return Lines(stretch, lines, len(steps[most:]))

    def _read(self, of: str, stretch: Stretch) -> Sequence[Packed]:
        found = self._samples.read(of, stretch.start, stretch.end)
        # What a clock that was ahead made wide says nothing of narrow slots.
        return [block for block in found if block.step <= stretch.step]


def _of_flow(flow: str | None) -> Callable[[Name], bool]:
    return lambda name: flow is None or name[0] == flow


def _rates(
    blocks: Sequence[Packed],
    of: str,
    stretch: Stretch,
    most: int,
    per_seconds: float,
    wanted: Callable[[Name], bool],
) -> Lines:
    names, others = Ranking(blocks, Kind.COUNTER, stretch).largest(most, wanted)
    found = _bucketed(blocks, of, names, stretch)
    factors = [per_seconds * 1000 / covered if covered else None for covered in found.covered]
    lines = [
        Line(
            name,
            [
                None if value is None or factor is None else value * factor
                for value, factor in zip(column, factors, strict=True)
            ],
        )
        for name, column in found.columns.items()
    ]
    return _lines(stretch, lines, others)


def _bucketed(blocks: Sequence[Packed], of: str, names: Iterable[Name], stretch: Stretch) -> Block:
    return bucketed(blocks, KINDS[of], names, start=stretch.start, step=stretch.step, count=stretch.count)


def _lines(stretch: Stretch, lines: list[Line], others: int) -> Lines:
    """Those that reach highest in these slots first; those that have no value there don't count."""
    known = [line for line in lines if any(value is not None for value in line.values)]
    known.sort(key=lambda line: (-max(value for value in line.values if value is not None), line.name))
    return Lines(stretch, known, others)


def _slowest(sizes: Mapping[Name, int], flow: str | None) -> list[Name]:
    """Flow and step of all that ended, those first that took longest on average, as far as buckets tell."""
    counts: dict[Name, int] = defaultdict(int)
    seconds: dict[Name, float] = defaultdict(float)
    for name, size in sizes.items():
        if flow is None or name[0] == flow:
            counts[name[:2]] += size
            seconds[name[:2]] += size * _SECONDS_OF[name[2]]
    return sorted(counts, key=lambda step: (-seconds[step] / max(1, counts[step]), step))


def _percentiles(found: Block, step: Name) -> Mapping[str, Numbers]:
    # A bucket that nothing ever fell into isn't kept.
    nothing = [0 if whole else None for whole in found.whole]
    columns = [found.columns.get((*step, bound), nothing) for bound in _BOUNDS]
    percents = list(SHARES.values())
    rows: list[Numbers] = []
    unknown: Numbers = [None] * len(SHARES)
    for counts in zip(*columns, strict=True):
        known = [count for count in counts if count is not None]
        found_at = at_most(percents, DURATION_BUCKETS_SECONDS, known) if len(known) == len(counts) else None
        rows.append(found_at or unknown)
    return dict(zip(SHARES, map(list, zip(*rows, strict=True)), strict=True))
