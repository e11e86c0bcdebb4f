"""Values that programs have: mappings, dataclasses, pydantic's models."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any


def fields_of(value: Any) -> Mapping[str, Any] | None:
    """The fields of a value by name, None if it is no such thing."""
    if type(value) is dict or isinstance(value, Mapping):  # most are; asking an abstract class takes longer
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if callable(getattr(value, "model_dump", None)) and callable(
        getattr(type(value), "model_validate", None)
    ):
        return dict(value)  # its fields as they are; model_dump would copy what is inside
    return None


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
