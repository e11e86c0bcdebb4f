"""Compiled validators, and messages that name field and rule but never show a value."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

from flowtrail._extras import load
from flowtrail.contracts._errors import SchemaError
from flowtrail.contracts.json_schema._rules import Schema, check_references, closed, has_defaults, tolerant

_MAX_VIOLATIONS = 5
_MAX_TEXT = 120
# What a rule expects is the contract's own text, so it may be shown; these are too long to be of use.
_UNSHOWN = {"allOf", "anyOf", "oneOf", "not", "if", "properties", "$ref", "dependentSchemas"}

Check = Callable[[Any], list[str]]


class Compiled:
    """One contract, ready for use; schemas are compiled once and never fetch anything.

    Args:
        name: What messages call it, e.g. `OrderPlaced/2`.
        schema: The contract.

    Attributes:
        violations_writing: Lines naming field and rule that data breaks for a publisher; empty if it's fine.
        violations_reading: Likewise for a reader, who accepts unknown fields.

    Raises:
        MissingExtraError: jsonschema isn't installed.
        SchemaError: It isn't a JSON Schema, or refers to another document.
    """

    __slots__ = ("has_defaults", "schema", "violations_reading", "violations_writing")

    def __init__(self, name: str, schema: Schema) -> None:
        check_schema(name, schema)
        self.schema = schema
        self.has_defaults = has_defaults(schema)
        self.violations_writing = checker(closed(schema))
        self.violations_reading = checker(tolerant(schema))


def check_schema(name: str, schema: Any) -> None:
    """It is a JSON Schema of an object, and complete in itself.

    Raises:
        MissingExtraError: jsonschema isn't installed.
        SchemaError: It isn't.
    """
    library = load("jsonschema", "jsonschema", "contracts")
    if not isinstance(schema, dict):
        raise SchemaError(f"{name}: a contract is a JSON object")
    dialect = library.validators.validator_for(schema, default=library.Draft202012Validator)
    try:
        dialect.check_schema(schema)
        check_references(schema)
    except library.exceptions.SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "(root)"
        raise SchemaError(f"{name}: no JSON Schema at {where}: {error.message[:200]}") from None
    except (SchemaError, RecursionError) as error:
        raise SchemaError(f"{name}: {_nested_or(error)}") from None


def parsed(name: str, text: str) -> Schema:
    """The contract in a text.

    Raises:
        MissingExtraError: jsonschema isn't installed.
        SchemaError: It isn't a JSON Schema, or refers to another document.
    """
    try:
        schema = json.loads(text)
    except json.JSONDecodeError as error:
        raise SchemaError(f"{name}:{error.lineno}: no JSON: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        raise SchemaError(f"{name}: {_nested_or(error)}") from None
    check_schema(name, schema)
    return dict(schema)


def checker(schema: Schema) -> Check:
    """A function from data to the rules it breaks, as lines; at most 5."""
    library = load("jsonschema", "jsonschema", "contracts")
    from referencing import Registry

    dialect = library.validators.validator_for(schema, default=library.Draft202012Validator)
    # The empty registry retrieves nothing; jsonschema's own default would fetch over the network.
    validator = dialect(schema, registry=Registry(), format_checker=dialect.FORMAT_CHECKER)

    def check(data: Any) -> list[str]:
        try:
            return [_line(error) for error in islice(validator.iter_errors(data), _MAX_VIOLATIONS)]
        except RecursionError:
            return ["(root): nested too deeply"]

    return check


def _nested_or(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _line(error: Any) -> str:
    field = ".".join(str(part) for part in error.absolute_path)[:_MAX_TEXT] or "(root)"
    rule, expected = str(error.validator), error.validator_value
    if rule in ("required", "dependentRequired"):
        # One error per missing field, told apart by its message alone.
        missing = [name for name in expected if error.message.startswith(repr(name))]
        return f"{_joined(field, missing[0]) if missing else field}: required"
    if rule in ("additionalProperties", "unevaluatedProperties"):
        declared = error.schema.get("properties", {})
        extra = [str(name) for name in error.instance if name not in declared]
        unknown = extra[0][:_MAX_TEXT] if extra and rule == "additionalProperties" else None
        return f"{_joined(field, unknown) if unknown else field}: {rule}: not in the contract"
    if rule in _UNSHOWN or expected is None:
        return f"{field}: {rule}"
    text = " or ".join(expected) if rule == "type" and isinstance(expected, list) else str(expected)
    return f"{field}: {rule} should be {text[:_MAX_TEXT]}"


def _joined(field: str, name: str) -> str:
    return name if field == "(root)" else f"{field}.{name}"
