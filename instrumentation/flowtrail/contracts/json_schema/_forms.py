"""Whether two schemas say the same, whatever their annotations, and through which references they say it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from flowtrail.contracts.json_schema._rules import target
from flowtrail.contracts.json_schema.places import Schema, held_by

# Their keys are names, not keywords.
_NAMED = ("properties", "patternProperties", "dependentSchemas", "dependentRequired", "dependencies")
# The order of these says nothing, nor does a second one of the same.
_SETS = frozenset({"type", "enum", "required", "allOf", "anyOf"})
# The order of these says nothing.
_BAGS = frozenset({"oneOf"})


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
            name: self.of_keyword(root, name, part)
            for name, part in value.items()
            if name not in self._ignored
        }
        return self._number(("object", frozenset(parts.items())))

    def of_keyword(self, root: Schema, keyword: str, value: Any) -> int:
        """The number of what stands under a keyword."""
        if keyword in _NAMED and isinstance(value, Mapping):
            return self._named(root, value)
        if keyword == "type" and isinstance(value, str):
            value = [value]
        is_data = held_by(keyword, value) == "data"
        if not isinstance(value, list):
            return self._of_data(value) if is_data else self.of(root, value)
        numbers = [self._of_data(part) if is_data else self.of(root, part) for part in value]
        if keyword in _SETS:
            return self._number(("set", frozenset(numbers)))
        return self._number(("bag", *sorted(numbers)) if keyword in _BAGS else ("list", *numbers))

    def _of_data(self, value: Any) -> int:
        if isinstance(value, list):
            return self._number(("list", *(self._of_data(part) for part in value)))
        if isinstance(value, Mapping):
            parts = frozenset((name, self._of_data(part)) for name, part in value.items())
            return self._number(("data", parts))
        return self._number(("plain", isinstance(value, bool), value))

    def _pointed(self, root: Schema, reference: str, value: Schema) -> int:
        key = id(root), reference
        known = self._references.get(key)
        if known is None:
            # What leads back to itself is told by its name.
            self._references[key] = self._number(("reference", reference))
            known = self._references[key] = self.of(root, target(root, value))
        return known

    def _named(self, root: Schema, fields: Mapping[str, Any]) -> int:
        parts = {
            name: self.of_keyword(root, "required", part) if isinstance(part, list) else self.of(root, part)
            for name, part in fields.items()
        }
        return self._number(("names", frozenset(parts.items())))

    def _number(self, form: Any) -> int:
        return self._numbers.setdefault(form, len(self._numbers))
