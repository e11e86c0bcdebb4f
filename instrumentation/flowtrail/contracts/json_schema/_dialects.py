"""Which drafts of JSON Schema are read, and what a contract has to be before anything is made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from difflib import get_close_matches
from typing import Any, Final

from jsonschema import validators
from jsonschema.exceptions import SchemaError as LibrarySchemaError

from flowtrail.contracts._errors import SchemaError
from flowtrail.contracts.json_schema._keywords import KEYWORDS, TYPES
from flowtrail.contracts.json_schema._once import once
from flowtrail.contracts.json_schema._rules import in_place
from flowtrail.contracts.json_schema._texts import FORMATS
from flowtrail.contracts.json_schema.places import REFERENCES, Place, Schema, parts_of, schemas_in

_NEWEST: Final = "json-schema.org/draft/2020-12/schema"
_KNOWN: Final[Mapping[str, Any]] = {
    _NEWEST: validators.Draft202012Validator,
    "json-schema.org/draft/2019-09/schema": validators.Draft201909Validator,
    "json-schema.org/draft-07/schema": validators.Draft7Validator,
    "json-schema.org/draft-06/schema": validators.Draft6Validator,
    "json-schema.org/draft-04/schema": validators.Draft4Validator,
}
_extend: Any = validators.extend
_EXTENDED: Final = {
    name: _extend(
        known,
        once(known.VALIDATORS)
        | {keyword: check for keyword, check in KEYWORDS.items() if keyword in known.VALIDATORS},
        type_checker=known.TYPE_CHECKER.redefine_many(TYPES),
        format_checker=FORMATS,
    )
    for name, known in _KNOWN.items()
}
# What the validators of a draft don't list, because another keyword looks at it; the drafts that know dependentRequired
# are those that count what `contains` finds.
_BESIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "if": ("then", "else"),
    "minimum": ("exclusiveMinimum",),
    "maximum": ("exclusiveMaximum",),
    "dependentRequired": ("minContains", "maxContains"),
}
_OF_ANY: Final = frozenset({keyword for known in _KNOWN.values() for keyword in known.VALIDATORS}) | {
    "then", "else", "minContains", "maxContains", "divisibleBy", "disallow", "extends",
}  # fmt: skip
_INSTEAD: Final = {
    "additionalItems": "write prefixItems and items",
    "dependencies": "write dependentRequired or dependentSchemas",
    "disallow": "write not",
    "divisibleBy": "write multipleOf",
    "extends": "write allOf",
    "$recursiveRef": "write $ref",
}


# What says nothing of values, and could be taken for what does; OpenAPI's among them.
_ANNOTATIONS: Final = frozenset({
    "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "nullable",
    "definitions", "discriminator", "externalDocs", "contentEncoding", "contentMediaType", "contentSchema",
})  # fmt: skip
_ALIKE: Final = 0.85
"""How alike a keyword and a misspelt one are; `minimun` and `minimum` are 0.857, `itemType` and `items` 0.62."""
_LONGEST_KEYWORD: Final = 32


def dialect_of(schema: Schema) -> Any:
    """The validator class for a schema.

    Raises:
        SchemaError: It is of a draft that isn't read.
    """
    said = schema.get("$schema")
    if said is None:
        return _EXTENDED[_NEWEST]
    name = re.sub(r"^https?://", "", said).rstrip("#") if isinstance(said, str) else ""
    if name not in _EXTENDED:
        raise SchemaError(f"$schema {str(said)[:100]!r} isn't read: write one of {', '.join(_addresses())}")
    return _EXTENDED[name]


def _addresses() -> Iterator[str]:
    for name in _KNOWN:
        yield f"http{'s' if '/draft/' in name else ''}://{name}"


def check(schema: Schema) -> None:
    """It is a JSON Schema that says only what will be checked, and is complete in itself.

    Raises:
        SchemaError: It isn't; says where.
        RecursionError: It nests too deeply.
    """
    dialect = dialect_of(schema)
    _hold_to(dialect, schema, "")
    # What no keyword says is a schema wasn't looked at with the rest.
    every = list(schemas_in(schema, lambda part, reference: _hold_to(dialect, part, reference[2:])))
    _check_keywords(dialect, schema, every)
    _check_ends(schema, every)


def _hold_to(dialect: Any, schema: Any, place: str) -> None:
    try:
        dialect.check_schema(schema, format_checker=FORMATS)
    except LibrarySchemaError as error:
        where = "/".join(str(part) for part in (*filter(None, [place]), *error.absolute_path)) or "(root)"
        why = f"{error.message[:200]}: {error.cause}" if error.cause else error.message[:200]
        raise SchemaError(f"no JSON Schema at {where}: {' '.join(why.split())[:300]}") from None


def _check_keywords(dialect: Any, root: Schema, every: Sequence[tuple[Place, Schema]]) -> None:
    """No keyword is one that this draft passes over in silence: another draft's, or a misspelt one."""
    own = set(dialect.VALIDATORS)
    for keyword, others in _BESIDE.items():
        own.update(others if keyword in own else ())
    foreign = _OF_ANY - own
    meant = _misspelt({name for _, schema in every for name in schema} - own - foreign - _ANNOTATIONS, own)
    for place, schema in every:
        where = "/".join(place) or "(root)"
        for keyword in sorted(foreign.intersection(schema)):
            instead = _INSTEAD.get(keyword, "name the draft that has it in $schema")
            raise SchemaError(f"{keyword} at {where} says nothing in this draft: {instead}")
        for keyword in sorted(meant.keys() & schema.keys()):
            raise SchemaError(
                f"{keyword} at {where} says nothing: did you mean {meant[keyword]}?"
                f" If it is an annotation of your own, call it x-{keyword}"
            )
        if not place:
            continue
        if schema.get("$schema", root.get("$schema")) != root.get("$schema"):
            raise SchemaError(f"$schema at {where}: a contract is of one draft, named at its top")
        if isinstance(schema.get("$id", schema.get("id")), str) and (inner := _reference_in(schema)):
            raise SchemaError(f"$ref {inner!r} within {where} starts at the $id there: leave out that $id")


def _reference_in(schema: Any) -> str | None:
    """A reference that is written somewhere in a schema."""
    waiting = [schema]
    while waiting:
        at = waiting.pop()
        if isinstance(at, Mapping):
            for keyword in REFERENCES:
                if isinstance(at.get(keyword), str):
                    return str(at[keyword])
            waiting += [part for _, part in parts_of(at)]
    return None


def _misspelt(unknown: Set[str], own: Set[str]) -> dict[str, str]:
    """Those that are nearly a keyword, and which."""
    candidates = sorted(own)
    found = {}
    for name in unknown:
        if name.startswith(("x-", "$")) or len(name) > _LONGEST_KEYWORD:
            continue
        close = get_close_matches(name, candidates, 1, _ALIKE)
        found.update({name: close[0]} if close else {})
    return found


def _check_ends(root: Schema, every: Sequence[tuple[Place, Schema]]) -> None:
    """No schema applies itself to the very data that it is applied to."""
    done: set[int] = set()

    def visit(schema: Any, around: frozenset[int], reference: str) -> None:
        if not isinstance(schema, Mapping) or id(schema) in done:
            return
        if id(schema) in around:
            raise SchemaError(f"$ref {reference!r} leads back to itself, so that no data could be checked")
        for part, through in in_place(root, schema):
            visit(part, around | {id(schema)}, through or reference)
        done.add(id(schema))

    for _, schema in every:
        visit(schema, frozenset(), "#")
