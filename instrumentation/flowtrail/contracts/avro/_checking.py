"""What data a schema takes: compiled once, one pass per value, which hands back what fastavro writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from functools import partial
from typing import Any

from flowtrail.contracts._scalars import double, single, symbol, text, whole
from flowtrail.contracts._values import content_of, fields_of
from flowtrail.contracts._violations import IS_NULL, WrongError, wrong
from flowtrail.contracts.avro._logical import conversion_of
from flowtrail.contracts.avro._nodes import Field, Node, in_bytes
from flowtrail.contracts.avro._unions import Failures, Prepare, Strict, Unions

__all__ = ["Compiler", "Prepare"]

# Written once: `list | tuple` in a test makes a new type for each value.
_LISTS, _BYTES = (list, tuple, Set), (bytes, bytearray, memoryview)
_RANGES = {"int": 2**31, "long": 2**63}
_Part = tuple[str, Prepare, list[Any]]
"""A field: its name, its function, and its default as it is written, if there is one and it may stand in."""


class Compiler:
    """Makes the functions of a schema's nodes.

    Args:
        closed: Whether fields that the schema doesn't declare are refused.
    """

    def __init__(self, *, closed: bool) -> None:
        self._closed = closed
        self._made: dict[tuple[int, Strict], Prepare] = {}
        self._defaults: list[tuple[Prepare, Field, list[Any]]] = []
        self._unions = Unions(self._prepare)

    def compiled(self, root: Node) -> Prepare:
        """The function from data to data as fastavro writes it; raises `WrongError`."""
        made = self._prepare(root, Strict.ANY)
        for prepare, part, default in self._defaults:
            default.append(prepare(part.made[0]))
        return made if self._unions.failures is None else _forgetting(self._unions.failures, made)

    def _prepare(self, node: Node, strict: Strict) -> Prepare:
        if strict is Strict.WHOLE and node.kind not in ("record", "union") and node.inner is None:
            strict = Strict.ANY
        key = id(node), strict
        known = self._made.get(key)
        if known is not None:
            return known
        if node.kind == "record":
            parts: list[_Part] = []
            # It is known before its parts are: one of them may be a record like itself.
            made = self._made[key] = _record(frozenset(node.fields), parts, closed=self._closed)
            parts += [self._part(part, strict) for part in node.fields.values()]
            return made
        made = self._made[key] = self._plain(node, strict)
        return made

    def _part(self, part: Field, strict: Strict) -> _Part:
        prepare, default = self._prepare(part.type, strict), list[Any]()
        if part.made and strict is Strict.ANY:
            self._defaults.append((prepare, part, default))
        return part.name, prepare, default

    def _plain(self, node: Node, strict: Strict) -> Prepare:
        conversion = conversion_of(node)
        if conversion is not None:
            return conversion.exact if strict is Strict.EXACT else conversion.raw
        if node.kind == "union":
            return self._unions.union(node, strict)
        if node.kind in ("array", "map") and node.inner is not None:
            return (_array if node.kind == "array" else _map)(self._prepare(node.inner, strict))
        if node.kind == "enum":
            return partial(_enum, frozenset(node.symbols))
        if node.kind == "fixed":
            return partial(_bytes, node.size)
        if node.kind in _RANGES:
            return partial(whole, node.kind, -_RANGES[node.kind], _RANGES[node.kind])
        return (_EXACT if strict is Strict.EXACT else _PLAIN).get(node.kind, _PLAIN[node.kind])


def _forgetting(failures: Failures, prepare: Prepare) -> Prepare:
    def forgetting(value: Any) -> Any:
        try:
            return prepare(value)
        finally:
            failures.known.clear()

    return forgetting


def _record(names: frozenset[str], parts: list[_Part], *, closed: bool) -> Prepare:
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
                    found += error.within(name, IS_NULL if value[name] is None else "")
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


def _array(inner: Prepare) -> Prepare:
    def prepare(value: Any) -> list[Any]:
        if not isinstance(value, _LISTS) and not isinstance(value := content_of(value), _LISTS):
            raise wrong("type should be array")
        made: list[Any] = []
        found: list[tuple[tuple[str, ...], str]] = []
        for place, item in enumerate(value):
            try:
                made.append(inner(item))
            except WrongError as error:
                found += error.within(place, IS_NULL if item is None else "")
        if found:
            raise WrongError(found)
        return made

    return prepare


def _map(inner: Prepare) -> Prepare:
    def prepare(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping) and not isinstance(value := content_of(value), Mapping):
            raise wrong("type should be map")
        made: dict[str, Any] = {}
        found: list[tuple[tuple[str, ...], str]] = []
        for name, item in value.items():
            try:
                made[text(name)] = inner(item)
            except WrongError as error:
                found += error.within(name, IS_NULL if item is None else "")
        if found:
            raise WrongError(found)
        if len(made) != len(value):
            raise wrong("two of its keys are the same text")
        return made

    return prepare


def _null(value: Any) -> None:
    if value is not None:
        raise wrong("type should be null")


def _boolean(value: Any) -> bool:
    if value is not True and value is not False:
        raise wrong("type should be boolean")
    return value


def _bytes(size: int | None, value: Any) -> bytes:
    if not isinstance(value, _BYTES):
        raise wrong("type should be bytes")
    made = bytes(value)
    if size is not None and len(made) != size:
        raise wrong(f"should have {in_bytes(size)}")
    return made


def _enum(symbols: frozenset[str], value: Any) -> str:
    if type(value) is not str:
        value = content_of(symbol(symbols, value))
    if not isinstance(value, str) or value not in symbols:
        raise wrong("should be one of the enum's symbols")
    return value


def _exact(way: Callable[[Any], float]) -> Prepare:
    def prepare(value: Any) -> float:
        made = way(value)
        if not isinstance(value, float) or (made != value and value == value):
            raise wrong("isn't held exactly")
        return made

    return prepare


_PLAIN: Mapping[str, Prepare] = {
    "null": _null, "boolean": _boolean, "float": single, "double": double,
    "string": text, "bytes": partial(_bytes, None),
}  # fmt: skip
_EXACT: Mapping[str, Prepare] = {"float": _exact(single), "double": _exact(double)}
