"""What pydantic writes and doesn't read: a field's serialization alias, and an enumeration's name.

Avro and Protobuf write a member whose value isn't a symbol by its name.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import Enum
from functools import partial
from typing import Any, NamedTuple, is_typeddict

from flowtrail._enums import member_of

Prepare = Callable[[Any], Any]


class _Field(NamedTuple):
    """A field: its name, what is in it, the keys it is read by, and the one that it is written by alone."""

    name: str
    hint: Any
    keys: Collection[str]
    written: str | None = None


def accepted(model: Any) -> Prepare | None:
    """From data as a model was published to data that pydantic reads; None if it reads that anyway."""
    return _prepare(model, {}) if _concerns(model, set()) else None


def _concerns(hint: Any, seen: set[int]) -> bool:
    if isinstance(hint, type) or hasattr(hint, "__value__"):  # what may hold its own kind
        if id(hint) in seen:
            return False
        seen.add(id(hint))
    hint = _plain(hint)
    if _is_enum(hint):
        return True
    fields = _fields(hint)
    if fields is not None:
        return any(field.written or _concerns(field.hint, seen) for field in fields)
    return any(_concerns(argument, seen) for argument in typing.get_args(hint))


def _prepare(hint: Any, known: dict[int, Prepare]) -> Prepare:
    if id(hint) in known:
        return known[id(hint)]
    if hasattr(hint, "__value__") and not isinstance(hint, type):
        known[id(hint)] = partial(_later, known, id(hint.__value__))
        known[id(hint.__value__)] = made = _prepare(hint.__value__, known)
        return made
    hint = _plain(hint)
    if id(hint) in known:
        return known[id(hint)]
    if _is_enum(hint):
        return lambda data: member_of(hint, data)
    fields = _fields(hint)
    if fields is not None:
        return _record(hint, fields, known)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments, known)
    if not isinstance(origin, type) or not arguments:
        return _same
    if issubclass(origin, Mapping):
        value = _prepare(arguments[-1], known)
        return lambda data: (
            {name: value(item) for name, item in data.items()} if isinstance(data, Mapping) else data
        )
    if issubclass(origin, tuple) and arguments[-1] is not Ellipsis:
        items = [_prepare(argument, known) for argument in arguments]
        return lambda data: (
            [item(each) for item, each in zip(items, data, strict=True)]
            if isinstance(data, list) and len(data) == len(items)
            else data
        )
    inner = _prepare(arguments[0], known)
    return lambda data: [inner(item) for item in data] if isinstance(data, list) else data


def _record(hint: Any, fields: list[_Field], known: dict[int, Prepare]) -> Prepare:
    parts: list[tuple[Collection[str], Prepare]] = []
    renamed = [(field.written, field.name) for field in fields if field.written]

    def record(data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        made = dict(data)
        for alias, name in renamed:
            if alias in made and name not in made:
                made[name] = made.pop(alias)
        for keys, inner in parts:
            for key in keys:
                if key in made:
                    made[key] = inner(made[key])
        return made

    known[id(hint)] = record  # a model that holds its own kind
    parts += [(field.keys, _prepare(field.hint, known)) for field in fields if _concerns(field.hint, set())]
    return record


def _union(arguments: tuple[Any, ...], known: dict[int, Prepare]) -> Prepare:
    """Its types in turn. Of several records, or beside text, only pydantic knows which one it is."""
    members = [_plain(argument) for argument in arguments]
    several = sum(_fields(member) is not None for member in members) > 1
    left = [
        _prepare(member, known)
        for member in members
        if not (_is_enum(member) and str in members) and not (several and _fields(member) is not None)
    ]

    def union(data: Any) -> Any:
        for prepare in left:
            data = prepare(data)
        return data

    return union


def _later(known: dict[int, Prepare], key: int, data: Any) -> Any:
    return known[key](data)


def _same(data: Any) -> Any:
    return data


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Enum)


def _plain(hint: Any) -> Any:
    """A type without what is said about it."""
    while True:
        if typing.get_origin(hint) is typing.Annotated:
            hint = typing.get_args(hint)[0]
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif hasattr(hint, "__value__") and not isinstance(hint, type):
            hint = hint.__value__
        else:
            return hint


def _fields(hint: Any) -> list[_Field] | None:
    """The fields of a record, None of anything else."""
    if not isinstance(hint, type):
        return None
    declared = vars(hint).get("__pydantic_fields__") or getattr(hint, "model_fields", None)
    if isinstance(declared, Mapping):
        return list(_of_pydantic(declared))
    if not (dataclasses.is_dataclass(hint) or is_typeddict(hint)):
        return None
    try:
        return [_Field(name, inner, (name,)) for name, inner in typing.get_type_hints(hint).items()]
    except Exception:  # noqa: BLE001 - pydantic says what is wrong with it
        return None


def _of_pydantic(declared: Mapping[str, Any]) -> Iterator[_Field]:
    read: dict[str, set[str]] = {}
    for name, info in declared.items():
        said = info.validation_alias
        choices = getattr(said, "choices", (said,))
        read[name] = {name, *(choice for choice in choices if isinstance(choice, str))}
    anybody = set().union(*read.values())
    for name, info in declared.items():
        written = info.serialization_alias
        yield _Field(name, info.annotation, read[name], None if written in anybody else written)
