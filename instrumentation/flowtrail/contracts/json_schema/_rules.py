"""What a contract says beyond JSON Schema: where it refers to, what readers overlook.

JSON Schema lets unknown fields pass unless told otherwise. For a contract that is wrong in one direction:
what a publisher misspells must not go out (see `_undeclared`), while a reader has to accept fields that it
doesn't know yet, whatever the contract's author wrote into each of its objects.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from flowtrail.contracts._walks import MAX_DEPTH, Walk
from flowtrail.contracts.json_schema.places import REFERENCES, Schema, local, parts_of, schemas_in

# Keywords that apply further schemas to the same object.
IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "$dynamicRef")
# What is in there says when another rule holds: making it weaker would make that one stronger.
_CONDITIONS = frozenset({"not", "if", "contains", "propertyNames"})
_OLD_DRAFT = re.compile(r"draft-0[3-7]")


def is_old_draft(root: Schema) -> bool:
    """Whether what stands beside a `$ref` says nothing: up to draft 7."""
    return bool(_OLD_DRAFT.search(str(root.get("$schema", ""))))


def in_place(root: Schema, schema: Schema) -> Iterator[tuple[Any, str]]:
    """The schemas that a schema applies to the very data that it is applied to, and by which reference."""
    for keyword in REFERENCES:
        if isinstance(schema.get(keyword), str):
            yield local(root, schema[keyword]), schema[keyword]
    if "$ref" in schema and is_old_draft(root):
        return
    for (keyword, *_), part in parts_of(schema):
        if keyword in IN_PLACE or keyword == "dependencies":
            yield part, ""


def target(root: Schema, schema: Any) -> Any:
    """The schema itself, or what its `$ref` leads to."""
    seen = 0
    while isinstance(schema, Mapping) and "$ref" in schema and seen < 100:
        schema = local(root, schema["$ref"])
        seen += 1
    return schema


def plain(root: Schema) -> dict[str, Any]:
    """A copy without names and drafts: it refers to nothing but itself, and its draft is known."""
    made: dict[str, Any] = copy.deepcopy(dict(root))
    for _, schema in list(schemas_in(made)):
        for keyword in ("$schema", "$id", "id"):
            if isinstance(schema, dict) and isinstance(schema.get(keyword), str):
                del schema[keyword]
    return made


def tolerant(root: Schema) -> dict[str, Any]:
    """The schema for readers: unknown fields are welcome."""
    made: dict[str, Any] = copy.deepcopy(dict(root))
    for place, schema in list(schemas_in(made)):
        if isinstance(schema, dict) and _CONDITIONS.isdisjoint(place):
            for keyword in ("additionalProperties", "unevaluatedProperties"):
                if schema.get(keyword) is False:
                    del schema[keyword]
    return made


def deprecated_fields(root: Schema) -> dict[tuple[str, ...], Mapping[str, Any]]:
    """Paths of fields marked `deprecated: true`, through objects (not lists), with their schemas."""
    found: dict[tuple[str, ...], Mapping[str, Any]] = {}
    walk = Walk(MAX_DEPTH)

    def visit(schema: Any, path: tuple[str, ...], seen: frozenset[int]) -> None:
        pointed = target(root, schema)
        if not isinstance(pointed, Mapping) or not walk.enters(id(pointed), seen):
            return
        for name, part in pointed.get("properties", {}).items():
            if isinstance(part, Mapping) and part.get("deprecated") is True:
                found[*path, name] = part
            visit(part, (*path, name), seen | {id(pointed)})

    visit(root, (), frozenset())
    return found
