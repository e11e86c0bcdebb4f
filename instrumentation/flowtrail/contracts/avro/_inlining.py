"""An Avro schema that needs no other: each type that it takes from elsewhere is defined where it is used first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from flowtrail.contracts.avro._nodes import PRIMITIVES

_DEFINED: Final = ("record", "error", "enum", "fixed")


def inlined(schema: Any, documents: Sequence[Any]) -> Any:
    """The schema as one document.

    Args:
        schema: As JSON, checked.
        documents: What it takes named types from, as JSON, checked.
    """
    elsewhere = {
        full: (part, space) for document in documents for full, part, space in _definitions(document, "")
    }
    return _Inliner(elsewhere).placed(schema, "")


class _Inliner:
    def __init__(self, elsewhere: dict[str, tuple[dict[str, Any], str]]) -> None:
        self._elsewhere = elsewhere
        self._placed: set[str] = set()

    def placed(self, schema: Any, space: str) -> Any:
        if isinstance(schema, str):
            return self._named(schema, space)
        if isinstance(schema, list):
            return [self.placed(part, space) for part in schema]
        kind = schema.get("type")
        if kind in _DEFINED:
            full, inner = _full_name(schema, space)
            return full if full in self._placed else self._definition(schema, full, inner)
        changed = {name: self.placed(schema[name], space) for name in ("items", "values") if name in schema}
        return {**schema, **changed, "type": kind if kind in ("array", "map") else self.placed(kind, space)}

    def _named(self, name: str, space: str) -> Any:
        full = name if "." in name or not space else f"{space}.{name}"
        known = next((each for each in (full, name) if each in self._elsewhere), None)
        if name in PRIMITIVES or full in self._placed or known is None or known in self._placed:
            return name
        part, inner = self._elsewhere[known]
        named = {"type": part["type"], "name": known.rpartition(".")[2], "namespace": inner}
        rest = {word: value for word, value in part.items() if word not in named}
        return self._definition({**named, **rest}, known, inner)

    def _definition(self, schema: dict[str, Any], full: str, inner: str) -> Any:
        self._placed.add(full)
        if "fields" not in schema:
            return schema
        fields = [{**part, "type": self.placed(part["type"], inner)} for part in schema["fields"]]
        return {**schema, "fields": fields}


def _definitions(schema: Any, space: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """All types that a document defines: full name, definition, and the namespace that holds within it."""
    if isinstance(schema, list):
        for part in schema:
            yield from _definitions(part, space)
    if not isinstance(schema, dict):
        return
    if schema.get("type") in _DEFINED:
        full, space = _full_name(schema, space)
        yield full, schema, space
        for part in schema.get("fields") or ():
            yield from _definitions(part["type"], space)
    else:
        for name in ("type", "items", "values"):
            yield from _definitions(schema.get(name), space)


def _full_name(schema: dict[str, Any], space: str) -> tuple[str, str]:
    """The name of a type that is defined, and the namespace that holds within it."""
    name, given = schema["name"], schema.get("namespace")
    space = name.rpartition(".")[0] if "." in name else given if isinstance(given, str) else space
    return (f"{space}.{name.rpartition('.')[2]}" if space else name), space
