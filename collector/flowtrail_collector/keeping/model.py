"""Which trails may go, by how their instances ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flowtrail_collector.events.identity import id_hash
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.settings.keep import COMPLETED, TROUBLED, Kept

__all__ = ["Family", "Policy", "kind_of"]

_EVERYTHING = Kept()
_ENDED = (Outcome.COMPLETED, Outcome.COMPENSATED, Outcome.FAILED, Outcome.TIMED_OUT)


@dataclass(slots=True)
class Family:
    """What is kept or goes together: trails that share an instance, a correlation id, or parent and child.

    Attributes:
        ids: The correlation ids of its events.
        sagas: The instances of all of them.
        whole: Whether these are all there are; False for one too large to look through.
        letters: Whether there is a dead letter of any of them.
    """

    ids: set[str] = field(default_factory=set)
    sagas: list[SagaRecord] = field(default_factory=list)
    whole: bool = True
    letters: bool = False


def kind_of(saga: SagaRecord, *, letters: bool = False) -> str | None:
    """How an instance ended, in the words of `--keep`; None while it is open, or if its flow left the flow file."""
    if saga.outcome not in _ENDED:
        return None
    if saga.outcome is not Outcome.COMPLETED:
        return saga.outcome.value
    troubled = letters or saga.breached or saga.conflict or saga.not_undone or saga.late_events
    return TROUBLED if troubled else COMPLETED


@dataclass(frozen=True, slots=True)
class Policy:
    """What is kept.

    Attributes:
        kept: What `--keep` says, by kind.
        rest_ms: How long completed instances stay whole before the share that isn't kept goes.
        usual_ms: How long instances are kept of which `--keep` says nothing.
    """

    kept: Mapping[str, Kept]
    rest_ms: int
    usual_ms: int

    @property
    def share(self) -> float:
        """Which share of the simply completed ones is kept."""
        return self.kept.get(COMPLETED, _EVERYTHING).share

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Outcomes whose instances go with their trails and in no other way: all, if any age is said."""
        return (
            tuple(outcome.value for outcome in _ENDED)
            if any(kept.seconds for kept in self.kept.values())
            else ()
        )

    def due(self, known_ms: int, now_ms: int) -> dict[str, int]:
        """Before when the newest event of an instance has to be for it to go, by outcome.

        Args:
            known_ms: Everything written until then has been read.
            now_ms: The wall clock.
        """
        found = {COMPLETED: min(known_ms, now_ms) - self.rest_ms} if self.share < 1 else {}
        for outcome in self.outcomes:
            kinds = (COMPLETED, TROUBLED) if outcome == COMPLETED else (outcome,)
            latest = now_ms - min(self._age_ms(kind) for kind in kinds)
            found[outcome] = max(latest, found.get(outcome, latest))
        return found

    def may_go(self, family: Family, known_ms: int, now_ms: int) -> bool:
        """Whether all that belongs together has had its time."""
        kinds = [kind_of(saga, letters=family.letters) for saga in family.sagas]
        if not (family.whole and family.ids and kinds) or None in kinds:
            return False
        newest_ms = max(saga.updated_ms for saga in family.sagas)
        if kinds.count(COMPLETED) == len(kinds) and not self.chosen(family.ids):
            # One that is looked at again has news that may make it another kind.
            quiet = all(saga.next_deadline_ms is None for saga in family.sagas)
            if quiet and newest_ms < min(known_ms, now_ms) - self.rest_ms:
                return True
        return bool(self.outcomes) and all(
            saga.updated_ms < now_ms - self._age_ms(kind or "")
            for saga, kind in zip(family.sagas, kinds, strict=True)
        )

    def spares(self, family: Family, now_ms: int) -> bool:
        """Whether `--keep` holds on to what belongs together, whatever else becomes too old."""
        for saga in family.sagas:
            kind = kind_of(saga, letters=family.letters)
            if self._said(kind) and saga.updated_ms >= now_ms - self._age_ms(kind or ""):
                return True
        return False

    def chosen(self, ids: Iterable[str]) -> bool:
        """Whether one of these correlation ids is in the share that is kept; the same for ever, and everywhere."""
        share = self.share
        return any((id_hash(text) % 2**64) / 2**64 < share for text in ids)

    def _said(self, kind: str | None) -> bool:
        return kind is not None and self.kept.get(kind, _EVERYTHING).seconds is not None

    def _age_ms(self, kind: str) -> int:
        seconds = self.kept.get(kind, _EVERYTHING).seconds
        return self.usual_ms if seconds is None else int(seconds * 1000)
