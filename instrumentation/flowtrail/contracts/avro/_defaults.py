"""Defaults: from how a schema has them, which is JSON, to what readers get.

A default of a union may be of any of its types, as since Avro 1.12 ("must match with one element of the union");
before, it had to be of the first. Of several that it could be of, the first decides, as in 1.12.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from flowtrail.contracts._scalars import double, single, text
from flowtrail.contracts._violations import WrongError
from flowtrail.contracts.avro._logical import conversion_of
from flowtrail.contracts.avro._nodes import Node, in_bytes

_RANGES: Final = {"int": 2**31, "long": 2**63}


def native(node: Node, value: Any) -> Any:
    """A default as data: just what readers would get if it had been written.

    Raises:
        ValueError: It isn't of that type; the reason, in words that follow a colon.
    """
    if node.kind == "union":
        return _of_union(node, value)
    raw = _of_kind(node, value)
    conversion = conversion_of(node)
    if conversion is None:
        return raw
    try:
        return conversion.made(raw)
    except (ValueError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())) from None


def _of_union(node: Node, value: Any) -> Any:
    reasons = []
    for branch in node.branches:
        try:
            return native(branch, value)
        except ValueError as error:
            reasons.append(f"{branch.shown} ({error})")
    raise ValueError(f"neither {' nor '.join(reasons)}"[:300])


def _of_kind(node: Node, value: Any) -> Any:
    if node.kind in ("bytes", "fixed"):
        return _bytes(node, value)
    if node.inner is not None:
        inner = node.inner
        if node.kind == "array":
            return [native(inner, item) for item in _json(list, value)]
        return {_scalar("string", name): native(inner, item) for name, item in _json(dict, value).items()}
    if node.kind == "record":
        return _record(node, _json(dict, value))
    made = _scalar(node.kind, value)
    if node.kind == "enum" and made not in node.symbols:
        _refuse("none of the symbols")
    return made


def _record(node: Node, value: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for part in node.fields.values():
        if part.name not in value and not part.default:
            _refuse(f"it has no {part.name}")
        try:
            made[part.name] = native(part.type, value[part.name] if part.name in value else part.default[0])
        except ValueError as error:
            _refuse(f"{part.name}: {error}")
    return made


def _bytes(node: Node, value: Any) -> bytes:
    try:
        made: bytes = _json(str, value).encode("latin-1")
    except UnicodeEncodeError:
        _refuse("bytes are written as the characters \\u0000 to \\u00ff")
    if node.kind == "fixed" and len(made) != node.size:
        _refuse(f"it has {in_bytes(len(made))}, not {node.size}")
    return made


def _scalar(kind: str, value: Any) -> Any:
    if kind in _RANGES and not -_RANGES[kind] <= _json(int, value) < _RANGES[kind]:
        _refuse(f"out of the range of {kind}")
    if kind == "null" and value is not None:
        _refuse("it isn't null")
    if kind == "boolean":
        return _json(bool, value)
    way = _CHECKED.get(kind)
    if way is None:
        return value
    try:
        made = way(value)
    except WrongError as error:
        _refuse(error.found[0][1])
    # A number as large as 1e400 is infinite once it is read.
    return (
        made if kind in ("string", "enum") or math.isfinite(made) else _refuse(f"out of the range of {kind}")
    )


_CHECKED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "float": single, "double": double, "string": text, "enum": text,
}  # fmt: skip
_NAMES: Final = {list: "a list", dict: "an object", str: "text", int: "a whole number", bool: "true or false"}


def _json(kind: type, value: Any) -> Any:
    """The value, if JSON has it as that; a bool is no number."""
    return value if type(value) is kind else _refuse(f"it isn't {_NAMES[kind]}")


def _refuse(why: str) -> NoReturn:
    raise ValueError(why)
