"""The parts that shapes of data are made of: lists, mappings, unions, members of enumerations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

from flowtrail._enums import member_of
from flowtrail.errors import DecodeError

Shape = Callable[[Any], Any]
"""Makes the model of decoded data; raises TypeError, ValueError or DecodeError where it doesn't fit."""


def of_enum(kind: type[Enum]) -> Shape:
    """The member with a value, or with a name."""

    def shape(data: Any) -> Any:
        member = member_of(kind, data)
        if not isinstance(member, kind):
            raise DecodeError(f"{kind.__name__} has no such value and no such name")
        return member

    return shape


def of_union(
    name: str, taken: Mapping[type, Shape | None], others: list[Shape | None], optional: bool
) -> Shape:
    """One of several types.

    Args:
        name: For messages.
        taken: Those that are made of an object, or of a list.
        others: Those of single values; None takes any.
        optional: Whether None is one of them.
    """
    single = next((shape for shape in others if shape is not None), None)
    plain = None in others

    def shape(data: Any) -> Any:
        form: type | None = (
            dict if isinstance(data, Mapping) else list if isinstance(data, list | tuple) else None
        )
        if form is not None and form in taken:
            inner = taken[form]
            return data if inner is None else inner(data)
        if (data is None and optional) or (form is None and plain and single is None):
            return data
        if form is None and single is not None:
            try:
                return single(data)
            except (TypeError, ValueError, DecodeError):
                if plain:
                    return data
                raise
        raise DecodeError(f"{name} is not made of {type(data).__name__}")

    return shape


def of_optional(inner: Shape) -> Shape:
    """None, or what the shape makes."""
    return lambda data: None if data is None else inner(data)


def of_list(inner: Shape | None, kind: Callable[[Iterable[Any]], Any]) -> Shape:
    """A list, its items in their shape, as another collection."""

    def shape(data: Any) -> Any:
        if not isinstance(data, list):
            raise DecodeError(f"a list is needed, not {type(data).__name__}")
        return kind(data if inner is None else [inner(item) for item in data])

    return shape


def of_tuple(shapes: list[Shape | None]) -> Shape:
    """A list with a shape for each place, as a tuple."""

    def shape(data: Any) -> Any:
        if not isinstance(data, list) or len(data) != len(shapes):
            raise DecodeError(f"a list of {len(shapes)} is needed")
        return tuple(item if inner is None else inner(item) for inner, item in zip(shapes, data, strict=True))

    return shape


def of_dict(key: Shape | None, inner: Shape | None) -> Shape:
    """A mapping, its keys and its values in their shapes."""

    def shape(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise DecodeError(f"an object is needed, not {type(data).__name__}")
        return {
            name if key is None else key(name): value if inner is None else inner(value)
            for name, value in data.items()
        }

    return shape


def of_key(kind: type[Enum]) -> Shape:
    """A member that is a key, which is text, whatever its value is."""
    plain, by_text = of_enum(kind), {str(member.value): member for member in kind}
    return lambda data: by_text[data] if data in by_text else plain(data)
