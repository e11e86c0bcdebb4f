"""Two contracts side by side, whatever their formats are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from flowtrail.contracts._change import Change
from flowtrail.contracts._format import Definition
from flowtrail.contracts._formats import FORMATS
from flowtrail.contracts.json_schema import JSON_SCHEMA


def compare(
    old: Definition | Mapping[str, Any], new: Definition | Mapping[str, Any], *, today: date | None = None
) -> list[Change]:
    """The changes from old to new that need a new version; empty if new may take old's place.

    For data that may be published under old, an empty answer means: with new's defaults filled in, a reader
    of new accepts it. What may change is the same for all formats, see the page about contracts; whom a change
    breaks is in its `breaks`.

    Args:
        old: The contract as it was; a mapping is a JSON Schema.
        new: The contract as it is to be.
        today: Decides whether `x-remove-after` has passed; without it, that mark is taken as passed.
    """
    before, after = defined("old", old), defined("new", new)
    if before.format != after.format:
        return [Change("(root)", "changed: format", f"from {before.format} to {after.format}")]
    try:
        return FORMATS[before.format].compare(before, after, today=today)
    except RecursionError:
        return [Change("(root)", "nested-too-deeply", "nobody can say what changed")]


def compare_in_place(old: Definition, new: Definition, *, today: date | None = None) -> list[Change]:
    """Likewise for one version in two states: its data has to stay readable without knowing which it was."""
    changes = compare(old, new, today=today)
    if changes or FORMATS[old.format].same_bytes(old, new):
        return changes
    detail = "its data can only be read with the contract that wrote it: give the change a version of its own"
    return [Change("(root)", "written-differently", detail)]


def defined(name: str, contract: Definition | Mapping[str, Any]) -> Definition:
    """A contract that may be a JSON Schema as it stands.

    Raises:
        SchemaError: It is no JSON Schema.
    """
    return JSON_SCHEMA.made_of(name, contract) if isinstance(contract, Mapping) else contract
