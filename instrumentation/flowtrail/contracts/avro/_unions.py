"""Which type of a union a value is written as: the one that holds it as it is.

Decided by the value's Python type, once for each schema: only where several types of a union are read as the same
one is more than one tried.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import date, datetime, time
from decimal import Decimal
from enum import IntEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from flowtrail._written import dump_of
from flowtrail.contracts._values import content_of
from flowtrail.contracts._violations import WrongError, wrong
from flowtrail.contracts.avro._logical import python_of
from flowtrail.contracts.avro._nodes import Node
from flowtrail.contracts.avro._writing import label

Prepare = Callable[[Any], Any]


class Strict(IntEnum):
    """What a type takes: whatever it can be made of; nothing that lacks a field; only what is read just so."""

    ANY = 0
    WHOLE = 1
    EXACT = 2


class Failures(threading.local):
    """What fitted none of a union's types, while one piece of data is looked at.

    Types that look alike and hold themselves would look at what is within them again and again: at data that is
    wrong at a depth of 30, two of them a billion times.

    Attributes:
        known: The value, which keeps its id, and what is wrong, by the ids of union and value.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[tuple[int, Strict], int], tuple[Any, WrongError]] = {}


class _Ways(NamedTuple):
    """How values of a Python type are written: what is tried in turn, as what fastavro calls it.

    Attributes:
        alike: Whether all of them are one and the same type: then what is wrong with the value is what that says.
    """

    first: str
    prepare: Prepare
    others: Sequence[tuple[str, Prepare]] = ()
    alike: bool = True


_PYTHON: Final = (type(None), bool, int, float, str, bytes, datetime, date, time, Decimal, UUID, list, dict)
_LIKE: Final[Sequence[tuple[Any, type]]] = (
    (int, int), (float, float), (str, str), ((bytes, bytearray, memoryview), bytes), (datetime, datetime),
    (date, date), (time, time), (Decimal, Decimal), (UUID, UUID), ((list, tuple, Set), list), (Mapping, dict),
)  # fmt: skip


class Unions:
    """Makes the functions of unions.

    Args:
        prepare: Makes the functions of their branches.

    Attributes:
        failures: To be emptied after each piece of data; None while no union needs it.
    """

    def __init__(self, prepare: Callable[[Node, Strict], Prepare]) -> None:
        self._prepare = prepare
        self.failures: Failures | None = None

    def union(self, node: Node, strict: Strict) -> Prepare:
        """The function from data to what fastavro writes: a branch's name, and what is written as it."""
        ways: dict[type | None, _Ways] = {kind: self._ways(node, kind, strict) for kind in _PYTHON}
        every = self._chosen(node, [(branch, strict) for branch in node.branches])
        by_name = {branch.label: (label(branch), self._prepare(branch, strict)) for branch in node.branches}

        def prepare(value: Any) -> Any:
            kind = type(value)
            way = ways.get(kind)
            if way is None:
                if kind is tuple and len(value) == 2 and isinstance(value[0], str) and value[0] in by_name:
                    name, inner = by_name[value[0]]
                    return name, inner(value[1])
                value = content_of(value) if dump_of(kind) is not None else value
                way = ways.get(_like(value), every)
            try:
                return way.first, way.prepare(value)
            except WrongError as error:
                return _otherwise(node, way, value, error)

        if not any(way.others and kind in (dict, list) for kind, way in ways.items()):
            return prepare
        self.failures = failures = self.failures or Failures()
        return _remembering(failures, (id(node), strict), prepare)

    def _ways(self, node: Node, kind: type, strict: Strict) -> _Ways:
        """Types that are read as this Python type first, the strictest look first; then what holds equal values.

        Only where there is neither, what can be made of it: the number of a moment, the text of a UUID.
        """
        same = [branch for branch in node.branches if python_of(branch) is kind]
        looks = [strict] if len(same) == 1 else [look for look in reversed(Strict) if look >= strict]
        chosen = [(branch, look) for look in looks for branch in same]
        if strict is not Strict.EXACT:
            if kind is int:
                chosen += [
                    (branch, strict) for branch in node.branches if python_of(branch) in (float, Decimal)
                ]
            chosen = chosen or [(branch, strict) for branch in _convertible(node, kind)]
        return self._chosen(node, chosen)

    def _chosen(self, node: Node, chosen: Sequence[tuple[Node, Strict]]) -> _Ways:
        # What isn't made of others takes the same at every look but the strictest.
        tried = list(dict.fromkeys((label(branch), self._prepare(branch, look)) for branch, look in chosen))
        if not tried:
            return _Ways("", _refusing(node))
        (first, prepare), *others = tried
        return _Ways(first, prepare, others, len({name for name, _ in tried}) == 1)


def _convertible(node: Node, kind: type) -> Sequence[Node]:
    """What values of a Python type that none is read as may be made to; a number that could be two is neither."""
    numbered = [branch for branch in node.branches if branch.kind in ("int", "long")]
    return () if kind is int and len(numbered) > 1 else node.branches


def _remembering(failures: Failures, union: tuple[int, Strict], prepare: Prepare) -> Prepare:
    def remembering(value: Any) -> Any:
        known = failures.known.get((union, id(value)))
        if known is not None:
            raise known[1]
        try:
            return prepare(value)
        except WrongError as error:
            failures.known[union, id(value)] = value, error
            raise

    return remembering


def _refusing(node: Node) -> Prepare:
    said = f"type should be {' or '.join(branch.shown for branch in node.branches)}"

    def refuse(value: Any) -> Any:
        raise wrong(said)

    return refuse


def _otherwise(node: Node, way: _Ways, value: Any, error: WrongError) -> Any:
    """As the first didn't take it."""
    errors = [(way.first, error)]
    for name, inner in way.others:
        try:
            return name, inner(value)
        except WrongError as other:
            errors.append((name, other))
    if way.alike:
        raise errors[-1][1]
    records = [label(branch) for branch in node.branches if branch.kind == "record"]
    if len(records) == 1:
        deeper = [each for name, each in errors if name in records and any(path for path, _ in each.found)]
        if deeper:
            raise deeper[-1]
    return _refusing(node)(value)


def _like(value: Any) -> type | None:
    """The Python type that a value of another one counts as: of a subclass, a tuple, another mapping."""
    return next((kind for types, kind in _LIKE if isinstance(value, types)), None)
