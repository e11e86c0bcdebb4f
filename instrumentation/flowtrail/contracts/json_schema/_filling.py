"""Defaults of fields that are absent, filled in wherever it is certain which schemas hold.

Those are what stands under `properties`, `patternProperties`, `additionalProperties`, `items` and `prefixItems`, together
with all that `$ref` and `allOf` add to the same object. Which alternative of `anyOf`, `oneOf` or `if` is meant, data
says only once it is whole, so nothing is filled in there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from flowtrail.contracts.json_schema._texts import TooSlowError, found_in
from flowtrail.contracts.json_schema.places import Schema, local, schemas_in

_MAX_KNOWN = 10_000
_MAX_TRIED = 50
# Beside these, a value more may break what was kept before; nothing else looks at a field's neighbours.
_WATCHING = frozenset({
    "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas", "dependentRequired", "dependencies", "$dynamicRef",
    "$recursiveRef", "propertyNames", "maxProperties", "patternProperties", "uniqueItems", "contains",
})  # fmt: skip
_PLAIN_BESIDE_REFERENCE = frozenset({"$ref", "default", "title", "description", "deprecated"})


class _Field(NamedTuple):
    """All that is said of a field, its default if there is one, and the schema and name that this one is declared by."""

    parts: tuple[Any, ...]
    default: tuple[Any, ...]
    key: tuple[int, str]


class _Plan(NamedTuple):
    """What the schemas of one place say together; `elements` is None if not all elements of a list are alike."""

    schemas: tuple[Schema, ...]
    fields: Mapping[str, _Field]
    only_fields: bool
    elements: tuple[Any, ...] | None


class Filling:
    """Fills in the defaults of one contract.

    Args:
        root: The contract.
        old_draft: Whether what stands beside a `$ref` says nothing.

    Attributes:
        needed: Whether there is any default.
        is_watched: Whether a default may break the contract by what stands beside it.
    """

    def __init__(self, root: Schema, old_draft: bool) -> None:
        self._root = root
        self._old_draft = old_draft
        every = [schema for _, schema in schemas_in(root)]
        self.needed = any("default" in schema for schema in every)
        self.is_watched = any(map(_watches, every))
        self._plans: dict[tuple[int, ...], _Plan] = {}

    def fields(self) -> list[tuple[tuple[int, str], Any, Any]]:
        """The fields that have a default: by which key to leave one out, its schema, and the default."""
        found = {}
        for _, schema in schemas_in(self._root):
            for field in self._plan((schema,)).fields.values():
                for default in field.default:
                    found[field.key] = (field.key, field.parts[0], default)
        return list(found.values())

    def kept(self, data: Any, breaks: Callable[[Any], object]) -> Any:
        """Likewise, without the defaults that break what data keeps to; each is tried beside those before it.

        Args:
            data: Breaks nothing.
            breaks: Tells what data breaks.
        """
        full = self.filled(data)
        if full == data or not breaks(full):
            return full
        keys = [key for key, _, _ in self.fields()]
        without = set(keys)
        kept = data
        for key in keys[:_MAX_TRIED]:
            tried = self.filled(data, without - {key})
            if not breaks(tried):
                without.discard(key)
                kept = tried
        return kept

    def filled(self, data: Any, without: Collection[tuple[int, str]] = (), schema: Any = None) -> Any:
        """Data with its defaults; the data handed in stays as it is.

        Args:
            data: What is to be completed.
            without: Keys of fields that stay absent.
            schema: What holds for the data, by default the contract.
        """
        return self._filled((self._root if schema is None else schema,), data, without, frozenset())

    def _filled(
        self, parts: tuple[Any, ...], data: Any, without: Collection[Any], around: frozenset[Any]
    ) -> Any:
        if isinstance(data, list):
            plan = self._plan(parts)
            if plan.elements is not None:
                if not plan.elements:
                    return data
                return [self._filled(plan.elements, part, without, around) for part in data]
            return [
                self._filled(tuple(_of_element(plan.schemas, at)), part, without, around)
                for at, part in enumerate(data)
            ]
        if not isinstance(data, Mapping):
            return data
        plan = self._plan(parts)
        if plan.only_fields and not plan.fields:
            return data
        full = dict(data)
        for name, field in plan.fields.items():
            if name in full:
                if plan.only_fields and isinstance(full[name], (Mapping, list)):
                    full[name] = self._filled(field.parts, full[name], without, around)
            elif field.default and field.key not in around and field.key not in without:
                value = copy.deepcopy(field.default[0])
                full[name] = self._filled(field.parts, value, without, around | {field.key})
        if not plan.only_fields:
            for name, value in data.items():
                if isinstance(value, (Mapping, list)) and (held := tuple(_of_field(plan.schemas, name))):
                    full[name] = self._filled(held, value, without, around)
        return full

    def _plan(self, parts: tuple[Any, ...]) -> _Plan:
        key = tuple(map(id, parts))
        known = self._plans.get(key)
        if known is None:
            if len(self._plans) > _MAX_KNOWN:
                self._plans.clear()  # names in data choose the patterns, and so the combinations
            known = self._plans[key] = self._made(parts)
        return known

    def _made(self, parts: tuple[Any, ...]) -> _Plan:
        schemas = tuple(self._together(parts))
        fields: dict[str, _Field] = {}
        for schema in schemas:
            for name, part in schema.get("properties", {}).items():
                before = fields.get(name)
                inner = (part,) if before is None else (*before.parts, part)
                # The key is the default's own, whatever else holds here: by it, it is left out everywhere.
                default, key = self._default(part), (id(schema), name)
                if before is not None and (before.default or not default):
                    default, key = before.default, before.key
                fields[name] = _Field(inner, default, key)
        return _Plan(
            schemas,
            fields,
            not any(
                word in schema for schema in schemas for word in ("patternProperties", "additionalProperties")
            ),
            None if any(map(_tells_elements_apart, schemas)) else tuple(_of_element(schemas, 0)),
        )

    def _together(self, parts: Iterable[Any]) -> Iterator[Schema]:
        """All schemas that hold wherever these do, each once, the nearest first."""
        waiting, met = list(parts), set()
        while waiting:
            schema = waiting.pop(0)
            if not isinstance(schema, Mapping) or id(schema) in met:
                continue
            met.add(id(schema))
            refers = isinstance(schema.get("$ref"), str)
            if not (refers and self._old_draft):
                yield schema
                waiting += schema.get("allOf", ())
            if refers:
                waiting.append(local(self._root, schema["$ref"]))

    def _default(self, part: Any) -> tuple[Any, ...]:
        if isinstance(part, Mapping) and "default" in part:
            return (part["default"],)
        return next(((schema["default"],) for schema in self._together([part]) if "default" in schema), ())


def _of_field(schemas: Iterable[Schema], name: Any) -> Iterator[Any]:
    for schema in schemas:
        known = name in schema.get("properties", ())
        if known:
            yield schema["properties"][name]
        for pattern, part in schema.get("patternProperties", {}).items():
            if _is_found(pattern, str(name)):
                known = True
                yield part
        if not known and isinstance(schema.get("additionalProperties"), Mapping):
            yield schema["additionalProperties"]


def _of_element(schemas: Iterable[Schema], place: int) -> Iterator[Any]:
    for schema in schemas:
        items = schema.get("items")
        first = items if isinstance(items, list) else schema.get("prefixItems", ())
        if place < len(first):
            yield first[place]
        elif isinstance(items, Mapping):
            yield items
        elif isinstance(items, list) and isinstance(schema.get("additionalItems"), Mapping):
            yield schema["additionalItems"]


def _tells_elements_apart(schema: Schema) -> bool:
    return "prefixItems" in schema or isinstance(schema.get("items"), list)


def _is_found(pattern: str, text: str) -> bool:
    try:
        return found_in(pattern, text)
    except TooSlowError:
        return False


def _watches(schema: Schema) -> bool:
    values = [schema.get("const"), *schema.get("enum", ())]
    return (
        not _WATCHING.isdisjoint(schema)
        or any(isinstance(value, (dict, list)) for value in values)
        or ("$ref" in schema and not _PLAIN_BESIDE_REFERENCE.issuperset(schema))
    )
