"""What data a schema takes: compiled once, one pass per value, which hands back what fastavro writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any
from uuid import UUID

from flowtrail.contracts._scalars import double, single, text
from flowtrail.contracts._values import fields_of, later
from flowtrail.contracts._violations import WrongError, wrong
from flowtrail.contracts.avro._nodes import Node, native

Prepare = Callable[[Any], Any]
# Written once: `list | tuple` in a test makes a new type for each value.
_LISTS, _BYTES = (list, tuple, Set), (bytes, bytearray, memoryview)
_RANGES = {"int": 2**31, "long": 2**63}
_MOMENTS = {"timestamp": "a datetime with a time zone", "local-timestamp": "a datetime without a time zone"}


class Compiler:
    """Makes the functions of a schema's nodes.

    Args:
        closed: Whether fields that the schema doesn't declare are refused.
    """

    def __init__(self, *, closed: bool) -> None:
        self._closed = closed
        self._made: dict[int, list[Prepare]] = {}

    def prepare(self, node: Node) -> Prepare:
        """The function from data to data as fastavro writes it; raises `WrongError`."""
        if node.kind != "record":
            return self._plain(node)
        known = self._made.get(id(node))
        if known is None:
            known = self._made[id(node)] = []
            known.append(self._record(node))
        # A record that holds itself: its function is there when it is called.
        return known[0] if known else later(known)

    def _plain(self, node: Node) -> Prepare:
        if node.logical and node.logical not in ("big-decimal", "duration"):
            return partial(_LOGICAL[node.logical.removesuffix("-millis").removesuffix("-micros").removesuffix(
                "-nanos")], node)  # fmt: skip
        if node.kind == "union":
            return _union([(branch, self.prepare(branch)) for branch in node.branches])
        if node.kind in ("array", "map") and node.inner is not None:
            return partial(_array if node.kind == "array" else _map, self.prepare(node.inner))
        if node.kind == "enum":
            return partial(_enum, frozenset(node.symbols))
        if node.kind == "fixed":
            return partial(_bytes, node.size)
        if node.kind in _RANGES:
            return partial(_integer, node.kind, _RANGES[node.kind])
        return _PLAIN[node.kind]

    def _record(self, node: Node) -> Prepare:
        parts = [
            (
                part.name,
                self.prepare(part.type),
                (native(part.type, part.default[0]),) if part.default else (),
            )
            for part in node.fields.values()
        ]
        names, closed = frozenset(node.fields), self._closed

        def prepare(value: Any) -> Any:
            value = fields_of(value)
            if value is None:
                raise wrong("type should be record")
            made: dict[str, Any] = {}
            found: list[tuple[tuple[str, ...], str]] = []
            for name, inner, default in parts:
                if name in value:
                    try:
                        made[name] = inner(value[name])
                    except WrongError as error:
                        found += error.within(name)
                elif default:
                    made[name] = default[0]
                else:
                    found.append(((name,), "required"))
            if closed and not names.issuperset(value):
                found += [((str(name)[:120],), "not in the contract") for name in value if name not in names]
            if found:
                raise WrongError(found)
            return made

        return prepare


def _union(branches: list[tuple[Node, Prepare]]) -> Prepare:
    records = sum(branch.kind == "record" for branch, _ in branches)
    by_name = {branch.label: (branch, prepare) for branch, prepare in branches}
    named = " or ".join(branch.shown for branch, _ in branches)

    def prepare(value: Any) -> Any:
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and value[0] in by_name:
            branch, inner = by_name[value[0]]
            return (branch.name, inner(value[1])) if branch.kind == "record" else inner(value[1])
        deeper: WrongError | None = None
        for branch, inner in branches:
            try:
                made = inner(value)
            except WrongError as error:
                if branch.kind == "record" and any(path for path, _ in error.found):
                    deeper = error
            else:
                return (branch.name, made) if branch.kind == "record" and records > 1 else made
        if deeper is not None and records == 1:
            raise deeper
        raise wrong(f"type should be {named}")

    return prepare


def _array(inner: Prepare, value: Any) -> list[Any]:
    if not isinstance(value, _LISTS):
        raise wrong("type should be array")
    return _each(inner, enumerate(value), [])


def _map(inner: Prepare, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise wrong("type should be map")
    for name in value:
        text(name)
    return dict(zip(value, _each(inner, value.items(), []), strict=True))


def _each(inner: Prepare, items: Any, made: list[Any]) -> list[Any]:
    found: list[tuple[tuple[str, ...], str]] = []
    for place, item in items:
        try:
            made.append(inner(item))
        except WrongError as error:
            found += error.within(place)
    if found:
        raise WrongError(found)
    return made


def _null(value: Any) -> None:
    if value is not None:
        raise wrong("type should be null")


def _boolean(value: Any) -> bool:
    if value is not True and value is not False:
        raise wrong("type should be boolean")
    return value


def _integer(kind: str, end: int, value: Any) -> int:
    if type(value) is not int and (not isinstance(value, int) or isinstance(value, bool)):
        raise wrong(f"type should be {kind}")
    if not -end <= value < end:
        raise wrong(f"out of the range of {kind}")
    return int(value)


def _bytes(size: int | None, value: Any) -> bytes:
    if not isinstance(value, _BYTES):
        raise wrong("type should be bytes")
    if size is not None and len(value) != size:
        raise wrong(f"should have {size} bytes")
    return bytes(value)


def _enum(symbols: frozenset[str], value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value if isinstance(value.value, str) else value.name
    if not isinstance(value, str) or value not in symbols:
        raise wrong("should be one of the enum's symbols")
    return value


def _decimal(node: Node, value: Any) -> Decimal:
    if isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise wrong(f"type should be {node.shown}")
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or -exponent > node.scale:
        raise wrong(f"more than {node.scale} digits after the point")
    if len(digits) + exponent + node.scale > node.precision and any(digits):
        raise wrong(f"more than {node.precision} digits")
    return value


def _uuid(node: Node, value: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise wrong("type should be uuid") from None


def _date(node: Node, value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return _number(node, value, "a date")


def _time(node: Node, value: Any) -> Any:
    return value if isinstance(value, time) else _number(node, value, "a time of day")


def _moment(node: Node, value: Any) -> Any:
    local = node.logical.startswith("local-")
    if isinstance(value, datetime) and (value.tzinfo is None) == local:
        return value
    return _number(node, value, _MOMENTS["local-timestamp" if local else "timestamp"])


def _number(node: Node, value: Any, what: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return _integer(node.kind, _RANGES[node.kind], value)
    raise wrong(f"type should be {node.logical}: {what}, or its number")


_PLAIN: Mapping[str, Prepare] = {
    "null": _null, "boolean": _boolean, "float": single, "double": double,
    "string": text, "bytes": partial(_bytes, None),
}  # fmt: skip
_LOGICAL: Mapping[str, Callable[[Node, Any], Any]] = {
    "decimal": _decimal, "uuid": _uuid, "date": _date, "time": _time, "timestamp": _moment,
    "local-timestamp": _moment,
}  # fmt: skip
