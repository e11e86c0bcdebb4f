"""Data that was written with one schema, as a reader with another gets it ("Schema Resolution").

On trees rather than bytes, because upcasters stand between versions: data in which the values of unions say of which
type they are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import partial
from typing import Any
from uuid import UUID

from flowtrail.contracts._scalars import double, single
from flowtrail.contracts._violations import WrongError
from flowtrail.contracts.avro._branches import Branch, is_open
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
    """Makes the functions for pairs of nodes.

    Args:
        default_of: The default of a field, as a tree.
    """

    def __init__(self, default_of: Callable[[Field], Any]) -> None:
        self._default_of = default_of
        self._made: dict[tuple[int, int], Resolve] = {}

    def resolve(self, written: Node, read: Node) -> Resolve:
        """The function from a tree of one to a tree of the other."""
        if written.kind == "union":
            return self._from_union(written, read)
        if read.kind == "union":
            number, way = self._way(written, read)
            return way if number is None else lambda value: Branch(number, way(value))
        if branch_for(written, (read,)) is None:
            return _unreadable
        if written.kind == read.kind == "record":
            known = self._made.get((id(written), id(read)))
            return self._record(written, read) if known is None else known
        if written.kind == read.kind and written.inner is not None and read.inner is not None:
            return (_array if read.kind == "array" else _map)(self.resolve(written.inner, read.inner))
        if written.kind == read.kind == "enum":
            return _enum(read)
        return _scalar(written, read)

    def _way(self, written: Node, read: Node) -> tuple[int | None, Resolve]:
        """How a type that is no union is read, and as which branch, if that is to be said."""
        if read.kind != "union":
            return None, self.resolve(written, read)
        branch = branch_for(written, read.branches)
        if branch is None:
            return None, _unreadable
        number = next(at for at, each in enumerate(read.branches) if each is branch)
        return number if is_open(read) else None, self.resolve(written, branch)

    def _from_union(self, written: Node, read: Node) -> Resolve:
        ways = [(branch, *self._way(branch, read)) for branch in written.branches]

        def resolve(value: Any) -> Any:
            if type(value) is Branch:
                _, number, way = ways[value.number]
                value = value.value
            else:
                number, way = _told(value)
            return way(value) if number is None else Branch(number, way(value))

        def _told(value: Any) -> tuple[int | None, Resolve]:
            for branch, number, way in ways:
                if _is_of(branch, value):
                    return number, way
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
                defaults[part.name] = self._default_of(part)
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
    """The branch of the reader's union that a writer's type is read as: the first that matches.

    Types match, values don't: a symbol that the reader's enum lacks isn't read as the string beside it.
    """
    exact = (
        branch
        for branch in branches
        if branch.kind == written.kind and (not written.name or same_name(written, branch))
    )
    near = (branch for branch in branches if branch.kind in PROMOTIONS.get(written.kind, ()))
    return next(exact, None) or next(near, None)


def _is_of(node: Node, value: Any) -> bool:
    """Whether decoded data may have been written as a node."""
    if node.kind == "union":
        return any(_is_of(branch, value) for branch in node.branches)
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
        return partial(_to_number, read.kind)
    if read.logical == "uuid" and written.logical != "uuid":
        return _to_uuid
    if read.kind == "string" and (written.kind == "bytes" or written.logical == "uuid") and not read.logical:
        return _to_text
    if read.kind == "bytes" and written.kind == "string":
        return lambda value: str(value).encode()
    return lambda value: value


def _to_number(kind: str, value: int) -> float:
    try:
        return (single if kind == "float" else double)(value)
    except WrongError:
        raise DecodeError(
            f"a whole number that {kind} can't hold exactly, which the newer contract has"
        ) from None


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
