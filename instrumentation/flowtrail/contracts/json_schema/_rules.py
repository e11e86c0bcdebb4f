"""What a contract says beyond JSON Schema: where it refers to, what readers overlook.

JSON Schema lets unknown fields pass unless told otherwise. For a contract that is wrong in one direction:
what a publisher misspells must not go out (see `_undeclared`), while a reader has to accept fields that it
doesn't know yet, whatever the contract's author wrote into each of its objects.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote

from flowtrail.contracts._errors import SchemaError
from flowtrail.contracts._walks import MAX_DEPTH, Walk

# A boolean schema is allowed inside a contract, not as one.
Schema: TypeAlias = Mapping[str, Any]
# Keywords that apply further schemas to the same object.
IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "$dynamicRef")
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
# Where schemas are: in a keyword itself, in its list, under its names.
_ONE = ("not", "if", "then", "else", "items", "additionalItems", "unevaluatedItems", "contains",
        "additionalProperties", "unevaluatedProperties", "propertyNames", "contentSchema")  # fmt: skip
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_NAMED = ("properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions")
# What is in there says when another rule holds: making it weaker would make that one stronger.
_CONDITIONS = frozenset({"not", "if", "contains", "propertyNames"})
_OLD_DRAFT = re.compile(r"draft-0[3-7]")

Place: TypeAlias = tuple[str, ...]


def is_old_draft(root: Schema) -> bool:
    """Whether what stands beside a `$ref` says nothing: up to draft 7."""
    return bool(_OLD_DRAFT.search(str(root.get("$schema", ""))))


def local(root: Schema, reference: object) -> Any:
    """What a `#/...` reference points to.

    Raises:
        SchemaError: It points elsewhere, or to nothing. Nothing is ever fetched.
    """
    if reference == "#":
        return root
    if not isinstance(reference, str) or not reference.startswith("#/"):
        raise SchemaError(f"$ref {reference!r}: only references within the schema (#/...) are followed")
    found: Any = root
    for part in reference[2:].split("/"):
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isascii() and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            raise SchemaError(f"$ref {reference!r} points to nothing")
    return found


def parts_of(schema: Schema) -> Iterator[tuple[Place, Any]]:
    """The schemas right within a schema, and under which keyword they are."""
    for keyword, value in schema.items():
        if keyword in _NAMED and isinstance(value, Mapping):
            yield from (((keyword, str(name)), part) for name, part in value.items())
        elif keyword in _LISTED and isinstance(value, list):
            yield from (((keyword, str(place)), part) for place, part in enumerate(value))
        elif keyword in _ONE:
            yield (keyword,), value


def schemas_in(
    root: Schema, on_unlisted: Callable[[Any, str], None] | None = None
) -> Iterator[tuple[Place, Schema]]:
    """All schemas of a contract, each once, and where they stand: those that keywords hold, then those that
    only a reference leads to.

    Args:
        root: The contract.
        on_unlisted: Is told of each of the latter and its reference, before it is looked into.

    Raises:
        SchemaError: A reference leads nowhere.
    """
    known: set[int] = set()
    references: list[str] = []
    waiting: list[tuple[Place, Any]] = [((), root)]
    while waiting or references:
        if not waiting:
            reference = references.pop(0)
            pointed = local(root, reference)
            if id(pointed) in known or isinstance(pointed, bool):
                continue
            if on_unlisted is not None:
                on_unlisted(pointed, reference)
            waiting.append((tuple(reference.split("/")[1:]), pointed))
        place, schema = waiting.pop()
        if not isinstance(schema, Mapping) or id(schema) in known:
            continue
        known.add(id(schema))
        yield place, schema
        references += [schema[name] for name in REFERENCES if isinstance(schema.get(name), str)]
        waiting += reversed([((*place, *within), part) for within, part in parts_of(schema)])


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
