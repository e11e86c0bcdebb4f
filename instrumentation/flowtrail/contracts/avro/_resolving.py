"""Data that was written with one schema, as a reader with another gets it ("Schema Resolution").

On data rather than bytes, because upcasters stand between versions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from uuid import UUID

from flowtrail.contracts.avro._logical import python_of
from flowtrail.contracts.avro._nodes import Field, Node
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
        self._made: dict[tuple[int, int], Resolve] = {}

    def resolve(self, written: Node, read: Node) -> Resolve:
        """The function from data of one to data of the other."""
        if written.kind == "union":
            return self._from_union(written, read)
        if read.kind == "union":
            branch = branch_for(written, read.branches)
            return _unreadable if branch is None else self.resolve(written, branch)
        if written.kind == read.kind == "record":
            known = self._made.get((id(written), id(read)))
            return self._record(written, read) if known is None else known
        if written.kind == read.kind and written.inner is not None and read.inner is not None:
            return (_array if read.kind == "array" else _map)(self.resolve(written.inner, read.inner))
        if written.kind == read.kind == "enum":
            return _enum(read)
        return _scalar(written, read)

    def _from_union(self, written: Node, read: Node) -> Resolve:
        """Which branch the data was written as is told by the data itself."""
        ways = [(branch, self.resolve(branch, read)) for branch in written.branches]

        records = [(branch, way) for branch, way in ways if branch.kind == "record"]

        def resolve(value: Any) -> Any:
            if len(records) > 1 and isinstance(value, Mapping):
                for branch, way in records:
                    if _is_whole(branch, value):
                        return way(value)
            for branch, way in ways:
                if is_of(branch, value):
                    return way(value)
            raise DecodeError("a value of none of the union's types")

        return resolve

    def _record(self, written: Node, read: Node) -> Resolve:
        parts: list[tuple[str, str, Resolve]] = []
        defaults: dict[str, Any] = {}

        def resolve(value: Any) -> Any:
            made: dict[str, Any] = {}
            for name, source, way in parts:  # a comprehension is another frame
                if source in value:
                    made[name] = way(value[source])
            if defaults:
                made.update(copy.deepcopy(defaults))
            return made

        # It is known before its parts are: one of them may be a record like itself.
        self._made[id(written), id(read)] = resolve
        for part in read.fields.values():
            source = writers_field(written, part)
            if source is not None:
                parts.append((part.name, source.name, self.resolve(source.type, part.type)))
            elif part.made:
                defaults[part.name] = part.made[0]
        return resolve


def _array(inner: Resolve) -> Resolve:
    def resolve(value: Any) -> Any:
        made = []
        for item in value:
            made.append(inner(item))
        return made

    return resolve


def _map(inner: Resolve) -> Resolve:
    def resolve(value: Any) -> Any:
        made = {}
        for name, item in value.items():
            made[name] = inner(item)
        return made

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


def branch_for(written: Node, branches: Sequence[Node]) -> Node | None:
    """The branch of the reader's union that a writer's type is read as: the first that matches."""
    exact = (
        branch
        for branch in branches
        if branch.kind == written.kind and (not written.name or same_name(written, branch))
    )
    near = (branch for branch in branches if branch.kind in PROMOTIONS.get(written.kind, ()))
    return next(exact, None) or next(near, None)


def _is_whole(record: Node, value: Mapping[str, Any]) -> bool:
    """Whether data has all that was decoded of a record; what an upcaster made may lack some of it."""
    parts = record.fields
    return value.keys() == parts.keys() and all(is_of(parts[name].type, item) for name, item in value.items())


def is_of(node: Node, value: Any) -> bool:
    """Whether decoded data may have been written as a node."""
    if node.kind == "union":
        return any(is_of(branch, value) for branch in node.branches)
    if node.kind == "record":
        return isinstance(value, Mapping) and value.keys() <= node.fields.keys()
    if node.kind == "enum":
        return isinstance(value, str) and value in node.symbols
    kind = python_of(node)
    if kind in (int, date):  # a bool is an int, a datetime is a date
        return isinstance(value, kind) and not isinstance(value, bool | datetime)
    return isinstance(value, kind)


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
