"""Values that programs have: mappings, dataclasses, pydantic's models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from flowtrail._written import dump_of


def fields_of(value: Any) -> Mapping[str, Any] | None:
    """The fields of a value by name, None if it is no such thing."""
    kind = type(value)
    if kind is dict or isinstance(value, Mapping):  # most are; asking an abstract class takes longer
        fields: Mapping[str, Any] = value
        return fields
    dump = dump_of(kind)
    if dump is None:
        return None
    dumped = dump(value, "python")
    return dumped if isinstance(dumped, Mapping) else None


def content_of(value: Any) -> Any:
    """What a value of a program's own type is written as: an enumeration's value, a model's dump; else itself."""
    if isinstance(value, Enum):
        return value.value
    dump = dump_of(type(value))
    return value if dump is None else dump(value, "python")


class Written(dict[str, Any]):
    """Decoded data whose format knows more of it than it shows. A copy of it is plain data.

    Attributes:
        by: The contract that it is data of.
        source: What else is known of it; a format's own.
    """

    __slots__ = ("by", "source")
    by: Any
    source: Any

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return dict, (dict(self),)


def plain(data: Any) -> Any:
    """Data for those who know nothing of that."""
    return dict(data) if type(data) is Written else data


def later(known: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """The function that will be in a list: of a type that holds itself, while it is being made."""

    def call(value: Any) -> Any:
        return known[0](value)

    return call
