"""Forgets what may go, a portion at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence

from flowtrail_collector.errors import StoreConflictError
from flowtrail_collector.keeping.families import families_of
from flowtrail_collector.keeping.model import Family, Policy, kind_of
from flowtrail_collector.keeping.ports import Keeping, Parts, Place
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.settings.keep import COMPLETED

__all__ = ["TrailKeeper"]

logger = logging.getLogger("flowtrail_collector")

# Neighbours share packs of events, and a pack is written anew for each transaction that takes events out of it:
# the more are looked at, the closer neighbours those are that go in one.
_LOOKED_AT = 5_000
# The tail waits meanwhile.
_PER_TRANSACTION = 100
_SPARED_AT_ONCE = 500
# What couldn't go yet is met again: an instance of another flow was open, an event not looked through.
_ANEW_SECONDS = 1_800.0
_FIRST: Place = (-(2**62), "", "")


class TrailKeeper:
    """Forgets the trails that `--keep` doesn't keep.

    Args:
        policy: What is kept.
        flows: The flows of the flow file.
        keeping: Where it is kept.
        watermark_ms: The time up to which everything was read, in ms since the epoch; None if nothing was.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        policy: Policy,
        flows: Flows,
        keeping: Keeping,
        watermark_ms: Callable[[], int | None],
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._policy = policy
        self._flows = flows
        self._keeping = keeping
        self._watermark_ms = watermark_ms
        self._time_seconds = time_seconds
        self._places: dict[str, Place] = {}
        self._began = time.monotonic()

    def forget(self, stop: threading.Event) -> int:
        """Forget what may go by now.

        Returns:
            How many instances went.
        """
        known_ms, now_ms = self._watermark_ms(), int(self._time_seconds() * 1000)
        if known_ms is None:
            return 0
        if time.monotonic() - self._began > _ANEW_SECONDS:
            self._places, self._began = {}, time.monotonic()
        total = 0
        for outcome, before_ms in self._policy.due(known_ms, now_ms).items():
            while not stop.is_set():
                found = self._look(outcome, before_ms)
                total += self._forget_some(found, known_ms, now_ms, stop)
                if len(found) < _LOOKED_AT:
                    break
        return total

    def spare(self, parts: Parts, ids: Collection[str]) -> set[str]:
        """Those of these correlation ids whose trails stay, although their events or spans are too old."""
        now_ms = int(self._time_seconds() * 1000)
        found: set[str] = set()
        wanted = sorted(ids)
        for start in range(0, len(wanted), _SPARED_AT_ONCE):
            for family in families_of(self._flows, parts, wanted[start : start + _SPARED_AT_ONCE]):
                if self._policy.spares(family, now_ms):
                    found |= family.ids
        return found

    def _look(self, outcome: str, before_ms: int) -> list[SagaRecord]:
        place = self._places.get(outcome, _FIRST)
        with self._keeping.read() as parts:
            found = parts.ended(outcome, place, before_ms, _LOOKED_AT)
        if found:
            last = found[-1]
            self._places[outcome] = (last.updated_ms, last.flow, last.row_key)
        return found

    def _forget_some(
        self, sagas: Sequence[SagaRecord], known_ms: int, now_ms: int, stop: threading.Event
    ) -> int:
        candidates = [saga for saga in sagas if self._could_go(saga, now_ms)]
        # Events that were read together are packed in the order of their correlation ids.
        candidates.sort(key=lambda saga: saga.key)
        total = 0
        for start in range(0, len(candidates), _PER_TRANSACTION):
            began = time.monotonic()
            try:
                total += self._forget(candidates[start : start + _PER_TRANSACTION], known_ms, now_ms)
            except StoreConflictError:
                logger.debug(
                    "trails that were due for deletion have changed; they will be checked again later"
                )
            # As long as it took: half of the time is left to those who write and read.
            if stop.wait(time.monotonic() - began):
                break
        return total

    def _could_go(self, saga: SagaRecord, now_ms: int) -> bool:
        """Whether it is worth a look at what it belongs to."""
        alone = Family({saga.key}, [saga])
        by_other_id = not self._flows.by_correlation(saga.flow)
        by_share = kind_of(saga) == COMPLETED and (by_other_id or not self._policy.chosen(alone.ids))
        return by_share or self._policy.may_go(alone, now_ms, now_ms)

    def _forget(self, sagas: Sequence[SagaRecord], known_ms: int, now_ms: int) -> int:
        with self._keeping.write() as parts:
            ids = self._ids(parts, sagas)
            found = [
                family
                for family in families_of(self._flows, parts, ids)
                if self._policy.may_go(family, known_ms, now_ms)
            ]
            if not found:
                return 0
            in_use = parts.in_use({id_ for family in found for id_ in family.ids})
            going = [family for family in found if family.ids.isdisjoint(in_use)]
            gone = [saga for family in going for saga in family.sagas]
            parts.forget({id_ for family in going for id_ in family.ids}, gone)
        return len(gone)

    def _ids(self, parts: Parts, sagas: Sequence[SagaRecord]) -> set[str]:
        """Correlation ids of instances."""
        other = [saga for saga in sagas if not self._flows.by_correlation(saga.flow)]
        ids = {saga.key for saga in sagas if self._flows.by_correlation(saga.flow)}
        for found in parts.ids_of({saga.subject or saga.key for saga in other}).values() if other else ():
            ids |= found
        return ids
