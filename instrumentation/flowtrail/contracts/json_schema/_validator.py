"""Compiled validators, and messages that name field and rule but never show a value."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from flowtrail._extras import load
from flowtrail.contracts._errors import SchemaError
from flowtrail.contracts._violations import IS_NULL
from flowtrail.contracts.json_schema._rules import is_old_draft, plain, tolerant
from flowtrail.contracts.json_schema.places import Schema

_MAX_VIOLATIONS = 5
_MAX_TEXT = 120
_UNDECLARED = "additionalProperties: not in the contract"
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

    __slots__ = ("_filling", "_strict", "_watched", "schema", "violations_reading", "violations_writing")

    def __init__(self, name: str, schema: Schema) -> None:
        check_schema(name, schema)
        self.schema = schema
        from flowtrail.contracts.json_schema._filling import Filling

        root, old_draft = plain(schema), is_old_draft(schema)
        validator = _validator(schema, root)
        self._filling = Filling(root, old_draft)
        self._watched = self._filling.is_watched or any(
            _guarded(root, _lines_of(validator.evolve(schema=part)))(self._filling.filled(default, (), part))
            for _, part, default in self._filling.fields()
        )
        self._strict = _guarded(root, _lines_of(validator))
        self.violations_writing = _closing(root, validator, old_draft)
        self.violations_reading = _unless(self._strict, checker(tolerant(schema)))

    def completed(self, data: Any) -> Any:
        """Data that a reader takes, with the defaults that leave it so; the data handed in stays as it is.

        What is valid stays valid, and what only has fields too many stays what readers take.
        """
        if not self._filling.needed:
            return data
        if self._watched:
            return self._filling.kept(data, self.violations_reading if self._strict(data) else self._strict)
        return self._filling.filled(data)


def check_schema(name: str, schema: Any) -> None:
    """It is a JSON Schema of an object, of a draft that is read, and complete in itself.

    Raises:
        MissingExtraError: jsonschema isn't installed.
        SchemaError: It isn't.
    """
    _load()
    from flowtrail.contracts.json_schema._dialects import check

    if not isinstance(schema, dict):
        raise SchemaError(f"{name}: a contract is a JSON object")
    try:
        check(schema)
    except (SchemaError, RecursionError) as error:
        raise SchemaError(f"{name}: {_nested_or(error)}") from None


def _load() -> None:
    load("jsonschema", "jsonschema", "contracts")
    load("regex", "regex", "contracts")


def parsed(name: str, text: str) -> Schema:
    """The contract in a text.

    Raises:
        MissingExtraError: jsonschema isn't installed.
        SchemaError: It isn't a JSON Schema, or refers to another document.
    """
    try:
        schema = json.loads(text, parse_constant=_no_number, parse_float=_number)
    except json.JSONDecodeError as error:
        raise SchemaError(f"{name}:{error.lineno}: no JSON: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        raise SchemaError(f"{name}: {_nested_or(error)}") from None
    check_schema(name, schema)
    return dict(schema)


def _no_number(text: str) -> float:
    raise ValueError(f"no JSON: {text} isn't a number")


def _number(text: str) -> float:
    made = float(text)
    return made if math.isfinite(made) else _no_number(text[:40])


def checker(schema: Schema) -> Check:
    """A function from data to the rules it breaks, as lines; at most 5."""
    root = plain(schema)
    return _guarded(root, _lines_of(_validator(schema, root)))


def _lines_of(validator: Any) -> Check:
    def check(data: Any) -> list[str]:
        found: dict[str, None] = {}
        for error in validator.iter_errors(data):
            found[_line(error)] = None
            if len(found) == _MAX_VIOLATIONS:
                break
        return list(found)

    return check


def _unless(strict: Check, overlooking: Check) -> Check:
    """What readers mind: an alternative may be told from another by what it doesn't take."""

    def check(data: Any) -> list[str]:
        found = overlooking(data)
        return found if found and strict(data) else []

    return check


def _closing(root: Schema, validator: Any, old_draft: bool) -> Check:
    """What publishers mind: the rules, and the fields that aren't declared."""
    from flowtrail.contracts.json_schema._undeclared import Undeclared

    def fits(part: Any) -> Callable[[Any], bool]:
        narrowed = validator.evolve(schema=part)
        return lambda data: next(narrowed.iter_errors(data), None) is None

    undeclared, broken = Undeclared(root, old_draft, fits), _lines_of(validator)

    def check(data: Any) -> list[str]:
        found = broken(data)
        extra = (f"{_path(path)}: {_UNDECLARED}" for path in undeclared(data))
        return list(dict.fromkeys([*found, *islice(extra, _MAX_VIOLATIONS - len(found))]))

    return _guarded(root, check)


def _validator(schema: Schema, root: Schema) -> Any:
    """What validates by a schema in its own draft; `root` is its plain form."""
    _load()
    from referencing import Registry

    from flowtrail.contracts.json_schema._dialects import dialect_of
    from flowtrail.contracts.json_schema._texts import FORMATS

    # The empty registry retrieves nothing; jsonschema's own default would fetch over the network.
    return dialect_of(schema)(root, registry=Registry(), format_checker=FORMATS)


def _guarded(root: Schema, check: Check) -> Check:
    """One validation; what can't be told of data counts as broken."""
    from flowtrail.contracts.json_schema._once import RUN
    from flowtrail.contracts.json_schema._texts import SECONDS, TooSlowError

    def guarded(data: Any) -> list[str]:
        try:
            RUN.begin(root)
            return check(data)
        except RecursionError:
            return ["(root): nested too deeply"]
        except TooSlowError as error:
            pattern = error.pattern[:_MAX_TEXT]
            return [f"(root): pattern {pattern} takes over {SECONDS:g} s for one text: write a simpler one"]
        finally:
            RUN.end()

    return guarded


def _nested_or(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _line(error: Any) -> str:
    said = _rule_broken(error)
    # What comes of a model's `note: str | None = None`.
    return said + IS_NULL if error.instance is None and error.absolute_path else said


def _rule_broken(error: Any) -> str:
    field = _path(error.absolute_path)
    rule, expected = str(error.validator), error.validator_value
    if rule in ("required", "dependentRequired"):
        # One error per missing field, told apart by its message alone.
        missing = [name for name in expected if error.message.startswith(repr(name))]
        return f"{_joined(field, missing[0]) if missing else field}: required"
    if rule == "additionalProperties":
        return f"{_path((*error.absolute_path, error.message))}: {_UNDECLARED}"
    if rule in ("unevaluatedProperties", "unevaluatedItems"):
        return f"{field}: {rule}: not in the contract"
    if error.validator is None:
        return f"{field}: something in it is never allowed"
    if rule in _UNSHOWN or expected is None:
        return f"{field}: {rule}"
    text = " or ".join(expected) if rule == "type" and isinstance(expected, list) else str(expected)
    return f"{field}: {rule} should be {text[:_MAX_TEXT]}"


def _path(path: Iterable[Any]) -> str:
    return ".".join(str(part)[:_MAX_TEXT] for part in path)[: 2 * _MAX_TEXT] or "(root)"


def _joined(field: str, name: str) -> str:
    return name if field == "(root)" else f"{field}.{name}"
