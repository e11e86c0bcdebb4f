"""Data that was written with one schema, as a reader with another gets it ("Schema Resolution").

On data rather than bytes, because upcasters stand between versions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from uuid import UUID

from flowtrail.contracts._values import later
from flowtrail.contracts.avro._nodes import Field, Node, native
from flowtrail.errors import DecodeError

Resolve = Callable[[Any], Any]
PROMOTIONS: Mapping[str, frozenset[str]] = {
    "int": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}


class Resolver:
    """Makes the functions for pairs of nodes."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], list[Resolve]] = {}

    def resolve(self, written: Node, read: Node) -> Resolve:
        """The function from data of one to data of the other."""
        if written.kind == "union":
            return self._from_union(written, read)
        if read.kind == "union":
            branch = branch_for(written, read)
            return _unreadable if branch is None else self.resolve(written, branch)
        if written.kind == read.kind == "record":
            known = self._made.get((id(written), id(read)))
            if known is None:
                known = self._made[id(written), id(read)] = []
                known.append(self._record(written, read))
            return known[0] if known else later(known)
        if written.kind == read.kind and written.inner is not None and read.inner is not None:
            inner = self.resolve(written.inner, read.inner)
            if read.kind == "array":
                return lambda value: [inner(item) for item in value]
            return lambda value: {name: inner(item) for name, item in value.items()}
        if written.kind == read.kind == "enum":
            return _enum(read)
        return _scalar(written, read)

    def _from_union(self, written: Node, read: Node) -> Resolve:
        """Which branch the data was written as is told by the data itself."""
        ways = [(branch, self.resolve(branch, read)) for branch in written.branches]

        def resolve(value: Any) -> Any:
            for branch, way in ways:
                if is_of(branch, value):
                    return way(value)
            raise DecodeError("a value of none of the union's types")

        return resolve

    def _record(self, written: Node, read: Node) -> Resolve:
        parts: list[tuple[str, str, Resolve]] = []
        defaults: dict[str, Any] = {}
        for part in read.fields.values():
            source = writers_field(written, part)
            if source is not None:
                parts.append((part.name, source.name, self.resolve(source.type, part.type)))
            elif part.default:
                defaults[part.name] = native(part.type, part.default[0])

        def resolve(value: Any) -> Any:
            made = {name: way(value[source]) for name, source, way in parts if source in value}
            return {**made, **copy.deepcopy(defaults)} if defaults else made

        return resolve


def writers_field(written: Node, part: Field) -> Field | None:
    """The field of the writer's record that a reader's field is read from: of its name, or of an alias."""
    own = written.fields.get(part.name)
    if own is not None:
        return own
    return next((written.fields[alias] for alias in part.aliases if alias in written.fields), None)


def same_name(written: Node, read: Node) -> bool:
    """Whether named types match: by unqualified name, or by one of the reader's aliases."""
    own = written.name.rpartition(".")[2]
    return own == read.name.rpartition(".")[2] or written.name in read.aliases


def branch_for(written: Node, read: Node) -> Node | None:
    """The branch of the reader's union that a writer's type is read as: the first that matches."""
    exact = (
        branch
        for branch in read.branches
        if branch.kind == written.kind and (not written.name or same_name(written, branch))
    )
    near = (branch for branch in read.branches if branch.kind in PROMOTIONS.get(written.kind, ()))
    return next(exact, None) or next(near, None)


def is_of(node: Node, value: Any) -> bool:
    """Whether decoded data may have been written as a node."""
    if node.logical == "decimal":
        return isinstance(value, Decimal)
    if node.kind == "record":
        return isinstance(value, Mapping) and value.keys() <= node.fields.keys()
    if node.kind == "enum":
        return isinstance(value, str) and value in node.symbols
    if node.logical:
        return not isinstance(value, str | bytes | bool | Mapping | list | type(None))
    return isinstance(value, _PYTHON[node.kind]) and (node.kind == "boolean" or not isinstance(value, bool))


_PYTHON: Mapping[str, type] = {
    "null": type(None), "boolean": bool, "int": int, "long": int, "float": float, "double": float,
    "bytes": bytes, "fixed": bytes, "string": str, "array": list, "map": dict,
}  # fmt: skip


def _enum(read: Node) -> Resolve:
    symbols, default = frozenset(read.symbols), read.default

    def resolve(value: Any) -> Any:
        if value in symbols:
            return value
        if default is None:
            raise DecodeError(f"a symbol that {read.name} doesn't have, and it has no default")
        return default

    return resolve


def _scalar(written: Node, read: Node) -> Resolve:
    if written.logical == read.logical == "decimal" and written.scale != read.scale:
        step = Decimal(1).scaleb(-read.scale)
        return lambda value: value.quantize(step, rounding=ROUND_HALF_EVEN)
    if read.logical.endswith("-millis") and written.logical.endswith("-micros"):
        return _to_millis
    if read.kind in ("float", "double") and written.kind in ("int", "long"):
        return float
    if read.logical == "uuid" and written.logical != "uuid":
        return _to_uuid
    if read.kind == "string" and (written.kind == "bytes" or written.logical == "uuid") and not read.logical:
        return _to_text
    if read.kind == "bytes" and written.kind == "string":
        return lambda value: str(value).encode()
    return lambda value: value


def _to_text(value: Any) -> str:
    try:
        return value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        raise DecodeError("bytes that aren't UTF-8, where the newer contract has text") from None


def _to_uuid(value: Any) -> UUID:
    try:
        return UUID(_to_text(value))
    except ValueError:
        raise DecodeError("a text that is no UUID, where the newer contract has one") from None


def _to_millis(value: Any) -> Any:
    return value - timedelta(microseconds=value.microsecond % 1000) if isinstance(value, datetime) else value


def _unreadable(value: Any) -> Any:
    raise DecodeError("a value of a type that the newer contract can't read")
