"""Who would break: a new state of the contracts, held against the services that read their events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from flowtrail.contracts._change import FORWARD, Change
from flowtrail.contracts._comparing import compare, compare_in_place
from flowtrail.contracts._format import Definition
from flowtrail.contracts._source import Source

_REPLACED_AFTER = timedelta(hours=1)
"""So long after it last read one version, a consumer that goes on reading others doesn't read it any more."""

Consumer = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Reader:
    """That a service reads a version of an event.

    Attributes:
        service: Its name.
        group: Consumer group, empty if unknown.
        topic: Where it reads, empty if unknown.
        type: Event type.
        version: What its handler gets: upcast data has the version it was brought to. None: nobody knows.
        contracts: Where it has its contracts from: `folder`, `registry`, None if it has none.
        last_seen: When it did last, with time zone.
    """

    service: str
    group: str
    topic: str
    type: str
    version: int | None
    contracts: str | None
    last_seen: datetime

    @property
    def consumer(self) -> Consumer:
        """Who reads what, in whichever version."""
        return self.service, self.group, self.topic, self.type


@dataclass(frozen=True, slots=True)
class BrokenReader:
    """A reader that can't read what would be published.

    Attributes:
        reader: Which one.
        version: Of the events that it can't read; None if the type is gone.
        changes: From the version that it reads to that one.
    """

    reader: Reader
    version: int | None
    changes: Sequence[Change]


def replaced(readers: Iterable[Reader]) -> list[Reader]:
    """Those whose service was changed: it went on to read other versions, and this one not any more."""
    found = list(readers)
    latest: dict[Consumer, datetime] = {}
    for reader in found:
        latest[reader.consumer] = max(reader.last_seen, latest.get(reader.consumer, reader.last_seen))
    return [reader for reader in found if latest[reader.consumer] - reader.last_seen > _REPLACED_AFTER]


def broken_readers(
    readers: Iterable[Reader], new: Source, *, old: Source | None = None, today: date | None = None
) -> list[BrokenReader]:
    """Readers that couldn't read events of the new state of the contracts.

    A reader is held to each newer version that it doesn't read yet; with the old state, only to those that are
    new or changed. Versions that nobody knows are left out.

    Args:
        readers: Who reads what.
        new: The contracts as they are to be.
        old: The contracts as they are. Without them, a version that both have is taken as unchanged.
        today: See `compare`.
    """
    found = list(readers)
    known = _known(found)
    judge = _Judge(new, old, today)
    ordered = sorted(found, key=lambda reader: (reader.type, reader.consumer, reader.version or 0))
    return [broken for reader in ordered for broken in judge.broken(reader, known[reader.consumer])]


def meetings(
    readers: Iterable[Reader], new: Source, *, old: Source | None = None
) -> list[tuple[Reader, int]]:
    """Who would meet which versions that they haven't met yet: what `broken_readers` looks at.

    Args:
        readers: Who reads what; one whose version nobody knows meets every version that is new to it.
        new: The contracts as they are to be.
        old: The contracts as they are. Without them, a version that is read is taken as unchanged.
    """
    found = list(readers)
    known = _known(found)
    judge = _Judge(new, old, None)
    return [(reader, version) for reader in found for version in judge.met_by(reader, known[reader.consumer])]


def _known(readers: Iterable[Reader]) -> dict[Consumer, set[int]]:
    """The versions that each consumer reads; 0 stands for one that nobody knows."""
    known: dict[Consumer, set[int]] = {}
    for reader in readers:
        known.setdefault(reader.consumer, set()).add(reader.version or 0)
    return known


class _Judge:
    def __init__(self, new: Source, old: Source | None, today: date | None) -> None:
        self._new, self._old, self._today = new, old, today

    def broken(self, reader: Reader, known: set[int]) -> Iterator[BrokenReader]:
        if reader.version is None:
            return
        if not self._new.versions(reader.type):
            if self._old is not None and self._old.versions(reader.type):
                gone = Change("(root)", "type-removed", "there is no contract of this type any more")
                yield BrokenReader(reader, None, [gone])
            return
        own = self._read_by(reader)
        for version in self.met_by(reader, known):
            new = self._new.schema(reader.type, version)
            if new is not None and (changes := self._changes(reader, own, version, new)):
                yield BrokenReader(reader, version, changes)

    def met_by(self, reader: Reader, known: set[int]) -> Iterator[int]:
        """The versions that a reader will meet and hasn't met yet."""
        for version in self._new.versions(reader.type):
            new = self._new.schema(reader.type, version)
            if new is not None and self._comes_anew(reader, version, new, known):
                yield version

    def _read_by(self, reader: Reader) -> Definition | None:
        """The contract that a reader has."""
        for source in (self._old, self._new):
            found = None if source is None else source.schema(reader.type, reader.version or 0)
            if found is not None:
                return found
        return None

    def _comes_anew(self, reader: Reader, version: int, new: Definition, known: set[int]) -> bool:
        """Whether a reader will meet what it hasn't met yet."""
        if self._old is not None:
            before = self._old.schema(reader.type, version)
            if before is not None and before.text == new.text:
                return False
            if version == reader.version:
                return True
        return version > (reader.version or 0) and version not in known

    def _changes(self, reader: Reader, own: Definition | None, version: int, new: Definition) -> list[Change]:
        if own is None:
            detail = f"the contract {reader.type} {reader.version} isn't there to compare with"
            return [Change("(root)", "version-unknown", detail)]
        judge = compare_in_place if version == reader.version else compare
        changes = [change for change in judge(own, new, today=self._today) if _hurts(change)]
        if (
            not changes
            and version != reader.version
            and reader.contracts == "folder"
            and new.format == "avro"
        ):
            detail = "its folder lacks the contract, and Avro can only be read with the one that wrote it"
            changes = [Change("(root)", "version-unknown", detail)]
        return changes


def _hurts(change: Change) -> bool:
    """Whether whoever reads the old contract minds.

    Where a field isn't deprecated, they may count on it, even if their format lets any field be absent.
    """
    return FORWARD in change.breaks or change.rule == "removed-without-deprecation"
