"""Fields that a contract doesn't declare, which a publisher's data must not have.

JSON Schema has no keyword for this: `additionalProperties` doesn't see what `allOf` beside it declares, and
`unevaluatedProperties` belongs to one schema of the several that may hold for an object. So it is asked object by
object: all schemas that hold for it declare its fields together, through references, the alternatives that fit,
and conditions that are met. An object none of whose schemas declares fields is free, and so is one of which a schema
says what it takes beyond them: `additionalProperties`, `unevaluatedProperties`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from flowtrail.contracts.json_schema._texts import found_in
from flowtrail.contracts.json_schema.places import Schema, local

# What says nothing about which fields an object has.
_SILENT = frozenset({"type", "title", "description", "$comment", "examples", "deprecated", "default"})
_PLAIN = (str, int, float, bool, type(None))
Fits = Callable[[Any], bool]
Part = tuple[Any, bool]
"""A schema that holds for a value, and whether it says what fields there are, or looks for something."""


class _Rules(NamedTuple):
    """A schema, looked at once.

    Attributes:
        fields: Schemas of fields, by name.
        patterns: Likewise, by pattern.
        rest: Of all other fields.
        declares: Whether it names fields.
        is_open: Whether it says of itself what it takes beyond them.
        first: Schemas of the first elements of a list.
        others: Of those after them.
        sought: Of elements that are looked for.
        always: Schemas that hold for the same value.
        alternatives: Groups of schemas of which those hold that fit.
        conditions: What is asked, and what holds if it fits, or else.
        dependent: What holds if a field is there.
        leads_on: Whether any of the last four is there.
    """

    fields: Mapping[str, Any]
    patterns: tuple[tuple[str, Any], ...]
    rest: Any
    declares: bool
    is_open: bool
    first: tuple[Any, ...]
    others: Any
    sought: tuple[Any, Fits] | None
    always: tuple[Any, ...]
    alternatives: tuple[tuple[tuple[Any, Fits], ...], ...]
    conditions: tuple[Any, Fits, Any, Any] | None
    dependent: tuple[tuple[str, Any], ...]
    leads_on: bool


class _Found:
    """What the schemas of one object or list say together."""

    __slots__ = ("closes", "is_open", "met", "parts")

    def __init__(self) -> None:
        self.closes = self.is_open = False
        self.met: set[tuple[int, bool]] = set()
        self.parts: dict[Any, list[Part]] = {}


class Undeclared:
    """Finds fields that aren't declared.

    Args:
        root: The contract.
        old_draft: Whether what stands beside a `$ref` says nothing.
        fits: Makes a function that says whether a value keeps to a schema of the contract.
    """

    def __init__(self, root: Schema, old_draft: bool, fits: Callable[[Any], Fits]) -> None:
        self._root = root
        self._old_draft = old_draft
        self._fits = fits
        self._rules: dict[int, _Rules] = {}

    def __call__(self, data: Any) -> Iterator[tuple[Any, ...]]:
        """The paths of fields that aren't declared; raises RecursionError if data nests too deeply."""
        return self._within([(self._root, True)], data, ())

    def _within(self, schemas: list[Part], value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        if len(schemas) == 1 and isinstance(value, dict):
            [(schema, declaring)] = schemas
            if isinstance(schema, Mapping):
                rules = self._rules.get(id(schema)) or self._looked_at(schema)
                if not rules.leads_on and not rules.patterns:
                    yield from self._plainly(rules, value, path, declaring)
                    return
        found = _Found()
        for schema, declaring in schemas:
            self._gather(schema, value, found, declaring)
        is_object = isinstance(value, dict)
        if is_object and found.closes and not found.is_open:
            yield from ((*path, name) for name in value if name not in found.parts)
        for name, parts in found.parts.items():
            inner = value[name]
            if not isinstance(inner, _PLAIN):
                yield from self._within(parts, inner, (*path, name))

    def _plainly(
        self, rules: _Rules, value: dict[Any, Any], path: tuple[Any, ...], declaring: bool
    ) -> Iterator[tuple[Any, ...]]:
        """An object of which one schema alone says everything, as most are: found without gathering."""
        fields, rest = rules.fields, rules.rest
        if rules.declares and declaring and not rules.is_open:
            yield from ((*path, name) for name in value if name not in fields)
        for name, inner in value.items():
            if not isinstance(inner, _PLAIN) and (part := fields.get(name, rest)) is not None:
                yield from self._within([(part, declaring)], inner, (*path, name))

    def _gather(self, schema: Any, value: Any, found: _Found, declaring: bool) -> None:
        if not isinstance(schema, Mapping):
            return
        rules = self._rules.get(id(schema)) or self._looked_at(schema)
        if rules.leads_on:
            # Where two ways lead to each of many schemas, there are 2 to the power of their number.
            if (id(schema), declaring) in found.met:
                return
            found.met.add((id(schema), declaring))
        if isinstance(value, dict):
            _fields(rules, value, found, declaring)
            for name, part in rules.dependent:
                if name in value:
                    self._gather(part, value, found, declaring)
        elif isinstance(value, list):
            _elements(rules, value, found, declaring)
        for part in rules.always:
            self._gather(part, value, found, declaring)
        for group in rules.alternatives:
            fitting = [part for part, fits in group if fits(value)]
            # None fits: the contract is broken anyway, and nobody knows which was meant.
            found.is_open |= not fitting or (not rules.declares and any(map(_takes_anything, fitting)))
            for part in fitting:
                self._gather(part, value, found, declaring)
        if rules.conditions is not None:
            asked, fits, then, otherwise = rules.conditions
            met = fits(value)
            if met:
                self._gather(asked, value, found, False)
            self._gather(then if met else otherwise, value, found, declaring)

    def _looked_at(self, schema: Schema) -> _Rules:
        references = tuple(
            local(self._root, schema[name])
            for name in ("$ref", "$dynamicRef", "$recursiveRef")
            if isinstance(schema.get(name), str)
        )
        own = {} if references and self._old_draft else schema
        beyond = [own[name] for name in ("additionalProperties", "unevaluatedProperties") if name in own]
        items = own.get("items")
        is_tuple = isinstance(items, list)
        dependent = {**own.get("dependencies", {}), **own.get("dependentSchemas", {})}
        made = self._rules[id(schema)] = _Rules(
            own.get("properties", {}),
            tuple(own.get("patternProperties", {}).items()),
            next((part for part in beyond if isinstance(part, Mapping)), None),
            "properties" in own or "patternProperties" in own,
            bool(beyond),
            tuple(items if isinstance(items, list) else own.get("prefixItems", ())),
            own.get("additionalItems") if is_tuple else own.get("items", own.get("unevaluatedItems")),
            (own["contains"], self._fits(own["contains"])) if "contains" in own else None,
            (*references, *own.get("allOf", ())),
            tuple(
                tuple((part, self._fits(part)) for part in own[name])
                for name in ("anyOf", "oneOf")
                if name in own
            ),
            (own["if"], self._fits(own["if"]), own.get("then"), own.get("else")) if "if" in own else None,
            tuple((name, part) for name, part in dependent.items() if isinstance(part, Mapping)),
            bool(references or dependent) or any(word in own for word in ("allOf", "anyOf", "oneOf", "if")),
        )
        return made


def _fields(rules: _Rules, value: Mapping[Any, Any], found: _Found, declaring: bool) -> None:
    found.closes |= rules.declares and declaring
    found.is_open |= rules.is_open
    for name in value:
        known = name in rules.fields
        if known:
            found.parts.setdefault(name, []).append((rules.fields[name], declaring))
        for pattern, part in rules.patterns:
            if found_in(pattern, str(name)):
                known = True
                found.parts.setdefault(name, []).append((part, declaring))
        if not known and rules.rest is not None:
            found.parts.setdefault(name, []).append((rules.rest, declaring))


def _elements(rules: _Rules, value: list[Any], found: _Found, declaring: bool) -> None:
    for place, element in enumerate(value):
        if place < len(rules.first):
            found.parts.setdefault(place, []).append((rules.first[place], declaring))
        elif rules.others is not None:
            found.parts.setdefault(place, []).append((rules.others, declaring))
        if rules.sought is not None and rules.sought[1](element):
            found.parts.setdefault(place, []).append((rules.sought[0], False))


def _takes_anything(schema: Any) -> bool:
    return schema is True or (isinstance(schema, Mapping) and _SILENT.issuperset(schema))
