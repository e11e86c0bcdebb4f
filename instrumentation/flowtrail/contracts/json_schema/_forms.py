"""Whether two schemas say the same, whatever their annotations, and through which references they say it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from flowtrail.contracts.json_schema._rules import Schema, target

# Their keys are names, not keywords.
_NAMED = ("properties", "patternProperties", "dependentSchemas", "dependentRequired")


class Forms:
    """Gives schemas numbers, equal ones for schemas that say the same.

    Each part and each reference is looked at once. Written out in full, a schema whose definitions refer to each
    other twice would be as long as 2 to the power of their number.

    Args:
        ignored: Keywords that say nothing.
    """

    def __init__(self, ignored: Collection[str]) -> None:
        self._ignored = ignored
        self._numbers: dict[Any, int] = {}
        self._references: dict[tuple[int, str], int] = {}

    def of(self, root: Schema, value: Any) -> int:
        """The number of a value within a schema."""
        if isinstance(value, list):
            return self._number(("list", *(self.of(root, part) for part in value)))
        if not isinstance(value, Mapping):
            # 1 == True in Python, but not in JSON.
            return self._number(("plain", isinstance(value, bool), value))
        reference = value.get("$ref")
        if isinstance(reference, str):
            pointed = self._pointed(root, reference, value)
            rest = {
                name: part for name, part in value.items() if name != "$ref" and name not in self._ignored
            }
            return self._number(("both", pointed, self.of(root, rest))) if rest else pointed
        parts = {
            name: self._named(root, part)
            if name in _NAMED and isinstance(part, Mapping)
            else self.of(root, part)
            for name, part in value.items()
            if name not in self._ignored
        }
        return self._number(("object", frozenset(parts.items())))

    def _pointed(self, root: Schema, reference: str, value: Schema) -> int:
        key = id(root), reference
        known = self._references.get(key)
        if known is None:
            # What leads back to itself is told by its name.
            self._references[key] = self._number(("reference", reference))
            known = self._references[key] = self.of(root, target(root, value))
        return known

    def _named(self, root: Schema, fields: Mapping[str, Any]) -> int:
        parts = frozenset((name, self.of(root, schema)) for name, schema in fields.items())
        return self._number(("names", parts))

    def _number(self, form: Any) -> int:
        return self._numbers.setdefault(form, len(self._numbers))
