"""Keywords as contracts need them, where `jsonschema` is inexact, slow, or stopped by odd values.

- Numbers are what is written: 4.02 is a multiple of 0.01, although the doubles nearest to them aren't.
- `uniqueItems` looks at each element once.
- Patterns have an end, see `_texts`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from jsonschema.exceptions import ValidationError

from flowtrail.contracts.json_schema._texts import found_in

_Errors = Iterator[ValidationError]
_LARGEST_EXPONENT: Final = 10_000
_MODULUS: Final = 2**61 - 1
"""Whole numbers that differ by a multiple of this have one hash."""


def _is_number(_checker: object, value: Any) -> bool:
    """Whether JSON can hold it as a number: neither NaN nor an infinity."""
    if isinstance(value, bool):
        return False
    if isinstance(value, Decimal):
        return value.is_finite()
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


@lru_cache(maxsize=256)
def _step(step: float) -> Fraction:
    return _exact(step)


def _exact(value: Any) -> Fraction:
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)


def _multiple_of(validator: Any, step: Any, value: Any, _schema: Any) -> _Errors:
    if not validator.is_type(value, "number"):
        return
    if isinstance(value, int) and isinstance(step, int):
        right = value % step == 0
    elif isinstance(value, Decimal) and abs(value.adjusted()) > _LARGEST_EXPONENT:
        right = False  # written out it would be longer than anything that is read
    else:
        right = (_exact(value) / _step(step)).denominator == 1
    if not right:
        yield ValidationError("not a multiple")


def _unique_items(validator: Any, unique: Any, value: Any, _schema: Any) -> _Errors:
    if unique and validator.is_type(value, "array") and len({_key(part) for part in value}) != len(value):
        yield ValidationError("not unique")


def _key(value: Any) -> Any:
    """What is equal for values that JSON Schema calls equal: 1 and 1.0, but not 1 and true."""
    if isinstance(value, bool):
        return bool, value
    if value is None or isinstance(value, str):
        return str, value
    if isinstance(value, list):
        return list, tuple(_key(part) for part in value)
    if isinstance(value, Mapping):
        return dict, frozenset((name, _key(part)) for name, part in value.items())
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # Numbers can be chosen so that their hashes are one; those of texts can't.
    return int, f"{value:x}" if isinstance(value, int) and abs(value) >= _MODULUS else value


def _pattern(validator: Any, pattern: str, value: Any, _schema: Any) -> _Errors:
    if validator.is_type(value, "string") and not found_in(pattern, value):
        yield ValidationError("not matched")


def _pattern_properties(validator: Any, patterns: Any, value: Any, _schema: Any) -> _Errors:
    if validator.is_type(value, "object"):
        for pattern, part in patterns.items():
            for name, inner in value.items():
                if found_in(pattern, str(name)):
                    yield from validator.descend(inner, part, path=name, schema_path=pattern)


def _additional_properties(validator: Any, rest: Any, value: Any, schema: Any) -> _Errors:
    if not validator.is_type(value, "object"):
        return
    declared, patterns = schema.get("properties", {}), schema.get("patternProperties", ())
    for name, inner in value.items():
        if name in declared or any(found_in(pattern, str(name)) for pattern in patterns):
            continue
        if rest is False:
            yield ValidationError(str(name))
            return
        yield from validator.descend(inner, rest, path=name)


TYPES: Final = {"number": _is_number}
KEYWORDS: Final[Mapping[str, Callable[..., _Errors]]] = {
    "additionalProperties": _additional_properties,
    "multipleOf": _multiple_of,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "uniqueItems": _unique_items,
}
