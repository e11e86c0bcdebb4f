"""Where schemas are in a JSON Schema: the one list of keywords that hold them.

Nowhere else is a word a keyword. A `$ref` in an example, a default, a `const` or an annotation is data, and so is one
in a keyword that nobody knows, unless a reference leads there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote

from flowtrail.contracts._errors import SchemaError

__all__ = ["REFERENCES", "Place", "Schema", "held_by", "local", "parts_of", "rewritten", "schemas_in"]

# A boolean schema is allowed inside a contract, not as one.
Schema: TypeAlias = Mapping[str, Any]
Place: TypeAlias = tuple[str, ...]
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
# Where schemas are: in a keyword itself, in its list, under its names.
_ONE = ("not", "if", "then", "else", "items", "additionalItems", "unevaluatedItems", "contains",
        "additionalProperties", "unevaluatedProperties", "propertyNames", "contentSchema")  # fmt: skip
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_NAMED = ("properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions")


def local(root: Schema, reference: object) -> Any:
    """What a `#/...` reference points to.

    Raises:
        SchemaError: It points elsewhere, or to nothing. Nothing is ever fetched.
    """
    if reference == "#":
        return root
    if not isinstance(reference, str) or not reference.startswith("#/"):
        if isinstance(reference, str) and reference.startswith("#"):
            hint = "write the place, as in #/$defs/money"
            raise SchemaError(f"$ref {reference!r}: names of places (anchors) aren't followed: {hint}")
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


def held_by(keyword: str, value: Any) -> Literal["schema", "list", "names", "data"]:
    """What the value of a keyword is: a schema, a list of them, schemas by name; or data, in which no word is a keyword."""
    if keyword in _NAMED and isinstance(value, Mapping):
        return "names"
    if keyword in _LISTED and isinstance(value, list):
        return "list"
    return "schema" if keyword in _ONE else "data"


def parts_of(schema: Schema) -> Iterator[tuple[Place, Any]]:
    """The schemas right within a schema, and under which keyword they are."""
    for keyword, value in schema.items():
        held = held_by(keyword, value)
        if held == "names":
            yield from (((keyword, str(name)), part) for name, part in value.items())
        elif held == "list":
            yield from (((keyword, str(place)), part) for place, part in enumerate(value))
        elif held == "schema":
            yield (keyword,), value


def rewritten(schema: Any, change: Callable[[Schema], Schema]) -> Any:
    """A schema as its author wants it, with all schemas within it; what they hold as data stays as it is."""
    if not isinstance(schema, Mapping):
        return schema
    made: dict[str, Any] = {}
    for keyword, value in change(schema).items():
        held = held_by(keyword, value)
        if held == "names":
            made[keyword] = {name: rewritten(part, change) for name, part in value.items()}
        elif held == "list":
            made[keyword] = [rewritten(part, change) for part in value]
        else:
            made[keyword] = rewritten(value, change) if held == "schema" else value
    return made


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
