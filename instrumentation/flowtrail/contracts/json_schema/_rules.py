"""What a contract says beyond JSON Schema: closed for writers, open for readers, defaults.

JSON Schema lets unknown fields pass unless told otherwise. For a contract that is wrong in one direction:
what a publisher misspells must not go out, while a reader has to accept fields it doesn't know yet. So one
schema is read in two ways here, and the contract's author doesn't have to say so in each of its objects.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from flowtrail.contracts._errors import SchemaError
from flowtrail.contracts._walks import MAX_DEPTH, Walk

# A boolean schema is allowed inside a contract, not as one.
Schema: TypeAlias = Mapping[str, Any]
# Keywords that apply further schemas to the same object.
IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "$dynamicRef")
_OPENNESS = ("additionalProperties", "patternProperties", "unevaluatedProperties")
_DEFINITIONS = ("$defs", "definitions")
_NAMED = ("properties", "patternProperties", "dependentSchemas", *_DEFINITIONS)
_OLD_DRAFT = re.compile(r"draft-0[3-7]")


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
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            raise SchemaError(f"$ref {reference!r} points to nothing")
        found = found[name]
    return found


def check_references(root: Schema) -> None:
    """Every `$ref` stays within the schema.

    Raises:
        SchemaError: One doesn't.
    """
    for node in _nodes(root):
        for keyword in ("$ref", "$dynamicRef"):
            if isinstance(node.get(keyword), str):
                local(root, node[keyword])


def _nodes(value: Any, *, named: bool = False) -> Iterator[Mapping[str, Any]]:
    """All schemas within a schema; `named` when the keys are names of fields, not keywords."""
    if isinstance(value, Mapping):
        if not named:
            yield value
        for name, part in value.items():
            if named or name not in ("const", "enum", "default", "examples"):
                yield from _nodes(part, named=not named and name in _NAMED)
    elif isinstance(value, list):
        for part in value:
            yield from _nodes(part)


def target(root: Schema, schema: Any) -> Any:
    """The schema itself, or what its `$ref` leads to."""
    seen = 0
    while isinstance(schema, Mapping) and "$ref" in schema and seen < 100:
        schema = local(root, schema["$ref"])
        seen += 1
    return schema


def closed(schema: Schema) -> dict[str, Any]:
    """The schema for publishers: objects with declared fields take no others, unless they say so."""
    return _rewritten(schema, close=True)


def tolerant(schema: Schema) -> dict[str, Any]:
    """The schema for readers: unknown fields are welcome."""
    return _rewritten(schema, close=False)


def _rewritten(root: Schema, *, close: bool) -> dict[str, Any]:
    changed: dict[str, Any] = copy.deepcopy(dict(root))
    old_draft = bool(_OLD_DRAFT.search(str(root.get("$schema", ""))))

    def visit(node: Any, *, site: bool) -> None:
        if not isinstance(node, dict):
            return
        if not close:
            for keyword in ("additionalProperties", "unevaluatedProperties"):
                if node.get(keyword) is False:
                    del node[keyword]
        elif site:
            _close(root, node, old_draft)
        for part in node.get("properties", {}).values():
            visit(part, site=True)
        items = node.get("items")
        for part in items if isinstance(items, list) else [items]:
            visit(part, site=True)
        for keyword in _DEFINITIONS:
            for part in node.get(keyword, {}).values():
                # A definition is closed where it is used: another schema may extend it.
                visit(part, site=False)

    visit(changed, site=True)
    return changed


def _close(root: Schema, node: dict[str, Any], old_draft: bool) -> None:
    declares = "properties" in node or _declares(root, node)
    if not declares or any(keyword in node for keyword in _OPENNESS):
        return
    if "$ref" in node or any(keyword in node for keyword in IN_PLACE):
        if not old_draft:  # the keyword is younger than draft 7
            node["unevaluatedProperties"] = False
    else:
        node["additionalProperties"] = False


def _declares(root: Schema, node: Mapping[str, Any]) -> bool:
    if "$ref" in node:
        pointed = target(root, node)
        return isinstance(pointed, Mapping) and "properties" in pointed
    parts = [part for keyword in ("allOf", "anyOf", "oneOf") for part in node.get(keyword, ())]
    # An alternative that takes anything keeps the whole open.
    return bool(parts) and all(
        isinstance(part, Mapping) and "properties" in (target(root, part) or {}) for part in parts
    )


def with_defaults(root: Schema, data: Any) -> Any:
    """Data with the defaults of the fields that are absent; the data handed in stays as it is."""
    return _filled(root, root, data)


def has_defaults(root: Schema) -> bool:
    """Whether filling in can change anything."""
    return any("default" in node for node in _nodes(root))


def _filled(root: Schema, schema: Any, data: Any) -> Any:
    schema = target(root, schema)
    if not isinstance(schema, Mapping):
        return data
    if isinstance(data, list):
        items = schema.get("items")
        return [_filled(root, items, part) for part in data] if isinstance(items, Mapping) else data
    properties = schema.get("properties")
    if not isinstance(data, Mapping) or not properties:
        return data
    full = dict(data)
    for name, part in properties.items():
        if name in full:
            full[name] = _filled(root, part, full[name])
        elif isinstance(part, Mapping):
            source = part if "default" in part else target(root, part)
            if isinstance(source, Mapping) and "default" in source:
                full[name] = _filled(root, part, copy.deepcopy(source["default"]))
    return full


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
