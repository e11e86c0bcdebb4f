"""Two states of all contracts side by side, as a pull request sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from flowtrail.contracts._change import Change, too_early
from flowtrail.contracts._comparing import compare, compare_in_place
from flowtrail.contracts._format import Definition
from flowtrail.contracts._source import Source


@dataclass(frozen=True, slots=True)
class Finding:
    """One change, and between which versions.

    Attributes:
        type: Event type.
        old_version: Version before.
        new_version: Version after; the same if a version was changed in place, None if it is gone.
        change: Field, rule and detail.
        breaking: False for what a new version may change, told for the sake of upcasters.
    """

    type: str
    old_version: int
    new_version: int | None
    change: Change
    breaking: bool = True

    def __str__(self) -> str:
        """`OrderPlaced 1 -> 2: field: rule (detail)`."""
        versions = f"{self.old_version} -> {self.new_version or 'removed'}"
        change = self.change
        return f"{self.type} {versions}: {change.field}: {change.rule} ({change.detail})"


def compare_sources(old: Source, new: Source, *, today: date | None = None) -> list[Finding]:
    """What breaks between two states of the contracts.

    A version that is in both may only change compatibly, and may only go if it was deprecated. A version
    that is new may change anything; what it changes is reported as not breaking.
    """
    return list(_findings(old, new, today))


def _findings(old: Source, new: Source, today: date | None) -> Iterator[Finding]:
    for type in sorted({*old.types(), *new.types()}):
        before, after = old.versions(type), new.versions(type)
        for version in before:
            schema, changed = old.schema(type, version), new.schema(type, version)
            if schema is None:
                continue
            if changed is None:
                yield from (
                    Finding(type, version, None, change) for change in _version_removed(schema, today)
                )
                continue
            for change in compare_in_place(schema, changed, today=today):
                yield Finding(type, version, version, change)
        for previous, version in pairwise(after):
            if version in before:
                continue
            schema, changed = new.schema(type, previous), new.schema(type, version)
            if schema is not None and changed is not None:
                for change in compare(schema, changed, today=today):
                    yield Finding(type, previous, version, change, breaking=False)


def _version_removed(schema: Definition, today: date | None) -> Iterator[Change]:
    if not schema.deprecated:
        rule = "version-removed-without-deprecation"
        yield Change("(root)", rule, "mark it deprecated: true first", frozenset())
        return
    yield from too_early(schema.remove_after, "(root)", today)
