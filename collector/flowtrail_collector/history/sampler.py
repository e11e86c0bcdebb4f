"""Takes a sample a minute, in the one worker that leads, and writes it down in one transaction."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from flowtrail_collector.errors import FencedError
from flowtrail_collector.history.model.blocks import Block, Kind
from flowtrail_collector.history.model.counting import Added, Standing, added
from flowtrail_collector.history.model.windows import DAY, HOUR, MINUTE
from flowtrail_collector.history.ports import Figures, Key, Samples, Source

__all__ = ["HistoryKeeper", "Sampler"]

_KEPT_BY_MINUTE = DAY
_KEPT = 8 * DAY


class Sampler:
    """A `Part` named `history`: once a minute, whatever the sources tell.

    What was written of a minute stays: a clock that goes back finds its minutes taken, and nothing is drawn twice.

    Args:
        sources: What is sampled.
        samples: Where it is kept.
        time_seconds: Wall clock, seconds since the epoch.
    """

    name = "history"
    problem: str | None = None

    def __init__(
        self, sources: Sequence[Source], samples: Samples, *, time_seconds: Callable[[], float] = time.time
    ) -> None:
        self._sources = tuple(sources)
        self._samples = samples
        self._time_seconds = time_seconds
        self._before: Standing | None = None
        self._blocks: dict[str, Block] = {}

    def run(self, stop: threading.Event) -> None:
        """Sample at the end of each minute until `stop` is set."""
        self.begin()
        while not stop.wait(MINUTE - self._time_seconds() % MINUTE):
            self.sample()

    def begin(self) -> None:
        """Look at the counters, so that of the minute that is running what is added from now on is known.

        Of what was added before, it isn't known when; and of the minute before nothing is said, because nobody looked.

        Raises:
            StoreError: Nothing was written.
        """
        self._forget()  # another worker may have gone on meanwhile
        now = self._time_seconds()
        slot = int(now // MINUTE) - 1
        before = self._samples.standing()
        if before is None or before.slot != slot:
            figures = {source.of: source.figures(now) for source in self._sources}
            with contextlib.suppress(FencedError):  # there is a sample of this minute already
                self._samples.sampled(self._standing(slot, int(now * 1000), figures), before, {})

    def sample(self) -> bool:
        """Take one sample of the minute that has just ended.

        Returns:
            False if there is one already.

        Raises:
            StoreError: Nothing was written.
        """
        now = self._time_seconds()
        slot = int(now // MINUTE) - 1
        figures = {source.of: source.figures(now) for source in self._sources}
        for attempt in range(2):
            if self._before is None:
                self._before = self._samples.standing()
            if self._before is not None and self._before.slot == slot:
                return False
            standing = self._standing(slot, int(now * 1000), figures)
            try:
                self._write(standing, figures)
            except FencedError:
                self._forget()
                if attempt:
                    raise
            else:
                return True
        return False

    def _forget(self) -> None:
        self._before, self._blocks = None, {}

    def _standing(self, slot: int, at_ms: int, figures: dict[str, Figures | None]) -> Standing:
        counted = {
            source.of: known
            for source in self._sources
            if source.kind is Kind.COUNTER and (known := figures[source.of]) is not None
        }
        return Standing(
            slot,
            at_ms,
            {of: known.values for of, known in counted.items()},
            frozenset(of for of, known in counted.items() if not known.whole),
        )

    def _write(self, standing: Standing, figures: dict[str, Figures | None]) -> None:
        start = standing.slot * MINUTE // HOUR * HOUR
        place = standing.slot - start // MINUTE
        changed: dict[str, tuple[Kind, Block]] = {}
        for source in self._sources:
            found = _found(source, figures[source.of], self._before, standing)
            if found.covered_ms:
                block = self._block(source.of, start)
                if block is not None and not block.covered[place]:
                    block.note(place, found.values, found.covered_ms, whole=found.whole)
                    changed[source.of] = (source.kind, block)
        try:
            self._samples.sampled(standing, self._before, changed)
        except BaseException:
            self._blocks = {}  # they say what isn't written
            raise
        self._before = standing

    def _block(self, of: str, start: int) -> Block | None:
        """The block of an hour; None for one that takes no more samples, because the clock went back a day."""
        block = self._blocks.get(of)
        if block is None or block.start != start:
            found = self._samples.block(Key(of, MINUTE, start))
            if found is None and self._samples.is_thinned(of, start):
                return None
            block = self._blocks[of] = found or Block.empty(start, MINUTE, HOUR // MINUTE)
        return block


def _found(source: Source, figures: Figures | None, before: Standing | None, now: Standing) -> Added:
    if source.kind is Kind.COUNTER:
        return added(source.of, before, now)
    if figures is None:
        return Added(0, {}, whole=False)
    return Added(MINUTE * 1000, figures.values, figures.whole)


class HistoryKeeper:
    """Thins out what is older than a day, and forgets what is older than eight.

    Args:
        samples: Where they are.
        kinds: What each kind of them says.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self, samples: Samples, kinds: Mapping[str, Kind], *, time_seconds: Callable[[], float] = time.time
    ) -> None:
        self._samples = samples
        self._kinds = kinds
        self._time_seconds = time_seconds

    def forget(self, stop: threading.Event) -> int:
        """Do what is due, a block at a time, until `stop` is set.

        Returns:
            How many blocks went.
        """
        now, gone = self._time_seconds(), 0
        keys = self._samples.kept()
        # What a clock that was ahead left behind would be in the way when its time comes.
        dead = [key for key in keys if key.start < now - _KEPT - _length(key) or key.start > now + HOUR]
        if dead:
            self._samples.forget(dead)
            gone += len(dead)
        for key in sorted(set(keys).difference(dead)):
            if stop.is_set():
                break
            if key.step == MINUTE and key.start + HOUR <= now - _KEPT_BY_MINUTE and key.of in self._kinds:
                self._samples.thin(key, self._kinds[key.of])
                gone += 1
        return gone


def _length(key: Key) -> int:
    return HOUR if key.step == MINUTE else DAY
