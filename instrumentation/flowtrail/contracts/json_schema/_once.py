"""Keywords that apply schemas to the value that they stand at: looked at once for each value.

Where schemas refer to each other twice, the ways through them are 2 to the power of their number, and so is the time of
whoever goes them all. `jsonschema` does. What a keyword says of a value doesn't depend on the way there, so within one
validation it is asked once; only the place where the value is seen differs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from jsonschema.exceptions import ValidationError

from flowtrail.contracts.json_schema._texts import found_in
from flowtrail.contracts.json_schema.places import REFERENCES, Schema, local

MAX_ERRORS: Final = 5
"""How many are told of one validation, and kept of one keyword and value."""
_LOOKED_AT_ONCE: Final = (
    *REFERENCES,
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "dependentSchemas",
    "dependencies",
)
_Check = Callable[[Any, Any, Any, Any], Iterable[ValidationError] | None]


class Run(threading.local):
    """The validation that goes on in this thread: what was found out about a value of the data is remembered.

    Attributes:
        root: The contract, as its validator has it.
        known: What keywords say, and of which value: it is kept so that its id isn't given to another one.
    """

    def __init__(self) -> None:
        self.root: Schema = {}
        self.known: dict[tuple[Any, str, int], tuple[Any, tuple[ValidationError, ...]]] = {}

    def begin(self, root: Schema) -> None:
        """Whatever comes is about data of this contract."""
        self.root, self.known = root, {}

    def end(self) -> None:
        """Nothing of the data is kept."""
        self.root, self.known = {}, {}


RUN: Final = Run()


def once(keywords: Mapping[str, _Check]) -> dict[str, _Check]:
    """The keywords of a draft that may meet a value on many ways, as they are to be."""
    own: dict[str, _Check] = {
        **dict.fromkeys(REFERENCES, _referred),
        "unevaluatedItems": _unevaluated_items,
        "unevaluatedProperties": _unevaluated_properties,
    }
    names = [name for name in (*own, *_LOOKED_AT_ONCE) if name in keywords]
    return {name: _once(name, own.get(name) or keywords[name]) for name in names}


def _once(name: str, check: _Check) -> _Check:
    def checked(validator: Any, part: Any, value: Any, schema: Any) -> Iterable[ValidationError]:
        # A reference is itself wherever it stands; all else is told by the schema that it stands in.
        key = (part if isinstance(part, str) else id(schema), name, id(value))
        known = RUN.known.get(key)
        if known is None:
            found: dict[Any, ValidationError] = {}
            for error in check(validator, part, value, schema) or ():
                found.setdefault((error.validator, error.message, tuple(error.relative_path)), error)
                if len(found) == MAX_ERRORS:
                    break
            known = RUN.known[key] = (value, tuple(found.values()))
        # Each is given its place on its way out.
        return [ValidationError.create_from(error) for error in known[1]]

    return checked


def _referred(validator: Any, reference: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    # The library would ask its registry, which panics where data nests as deeply as can be.
    found: Iterator[ValidationError] = validator.descend(value, local(RUN.root, reference))
    return found


def _unevaluated_properties(validator: Any, rest: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "object"):
        known: set[Any] = set()
        for holding in _holding(validator, schema, value):
            known.update(_names(holding, value, holding is schema))
        yield from _left(validator, rest, ((name, part) for name, part in value.items() if name not in known))


def _unevaluated_items(validator: Any, rest: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "array"):
        known: set[int] = set()
        for holding in _holding(validator, schema, value):
            known.update(_places(validator, holding, value, holding is schema))
        yield from _left(validator, rest, ((at, part) for at, part in enumerate(value) if at not in known))


def _left(validator: Any, rest: Any, parts: Iterable[tuple[Any, Any]]) -> Iterator[ValidationError]:
    for place, part in parts:
        if rest is False:
            yield ValidationError("not evaluated", path=[place])
        else:
            yield from validator.descend(part, rest, path=place)


def _holding(validator: Any, schema: Any, value: Any) -> Iterator[Schema]:
    """The schemas that hold for the value that one of them is applied to, each once."""
    waiting, met = [schema], set()
    while waiting:
        at = waiting.pop()
        if not isinstance(at, Mapping) or id(at) in met:
            continue
        met.add(id(at))
        yield at
        waiting += [local(RUN.root, at[name]) for name in REFERENCES if isinstance(at.get(name), str)]
        for keyword in ("allOf", "anyOf", "oneOf"):
            waiting += [part for part in at.get(keyword, ()) if _fits(validator, part, value)]
        if "if" in at:
            met_it = _fits(validator, at["if"], value)
            waiting += [at["if"], at.get("then")] if met_it else [at.get("else")]
        if isinstance(value, dict):
            waiting += [part for name, part in at.get("dependentSchemas", {}).items() if name in value]


def _fits(validator: Any, schema: Any, value: Any) -> bool:
    return next(iter(validator.descend(value, schema)), None) is None


def _names(schema: Schema, value: Mapping[Any, Any], asking: bool) -> Iterable[Any]:
    """The fields that a schema says something about."""
    if "additionalProperties" in schema or ("unevaluatedProperties" in schema and not asking):
        return value
    declared, patterns = schema.get("properties", {}), schema.get("patternProperties", ())
    return [
        name for name in value
        if name in declared or any(found_in(pattern, str(name)) for pattern in patterns)
    ]  # fmt: skip


def _places(validator: Any, schema: Schema, value: list[Any], asking: bool) -> Iterable[int]:
    """The elements that a schema says something about."""
    items = schema.get("items")
    first = items if isinstance(items, list) else schema.get("prefixItems", ())
    beyond = "additionalItems" in schema if isinstance(items, list) else "items" in schema
    if beyond or ("unevaluatedItems" in schema and not asking):
        return range(len(value))
    found = set(range(len(first)))
    if "contains" in schema:
        found.update(at for at, part in enumerate(value) if _fits(validator, schema["contains"], part))
    return found
