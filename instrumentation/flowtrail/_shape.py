"""From decoded data to the type that a handler asked for with `Event[Model]`."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, is_typeddict

from flowtrail.errors import ConfigurationError, DecodeError

Shape = Callable[[Any], Any]
"""Makes the model of decoded data; raises TypeError, ValueError or DecodeError where it doesn't fit."""


def as_model(data: Any, model: Any) -> Any:
    """Shape decoded data into the type a handler asked for with `Event[Model]`.

    Args:
        data: What the codec decoded.
        model: A pydantic model, a dataclass, a TypedDict (checked for missing keys), a list, dict or optional
            of one of them, or anything else, which leaves the data as it is.

    Raises:
        ConfigurationError: The model can't be resolved, see `shape_of`.
        DecodeError: The data doesn't fit; names what is wrong.
    """
    shape = shape_of(model)
    return data if shape is None else shaped(data, model, shape)


def shaped(data: Any, model: Any, shape: Shape) -> Any:
    """Data in its shape.

    Raises:
        DecodeError: It doesn't fit; names what is wrong.
    """
    try:
        return shape(data)
    except (TypeError, ValueError) as error:
        raise DecodeError(f"not a {name_of_model(model)}: {error}") from error


@lru_cache(maxsize=1024)
def shape_of(model: Any) -> Shape | None:
    """How to make a model of decoded data; None if the data is taken as it is.

    Raises:
        ConfigurationError: One of its fields has a type that isn't there when the program runs.
    """
    return _shape_of(model, {})


def name_of_model(model: Any) -> str:
    """For messages."""
    return getattr(model, "__name__", None) or str(model)


def _shape_of(model: Any, known: dict[Any, Shape]) -> Shape | None:
    if model in known:  # a model that holds its own kind
        return known[model]
    if callable(getattr(model, "model_validate", None)):
        return _of_pydantic(model)
    if isinstance(model, type) and dataclasses.is_dataclass(model):
        return _of_dataclass(model, known)
    if is_typeddict(model):
        return _of_typeddict(model)
    return _of_container(model, known)


def _of_pydantic(model: Any) -> Shape:
    if getattr(model, "__pydantic_complete__", True) is False:
        try:
            model.model_rebuild()
        except Exception as error:
            raise _unresolved(model, error) from error
    validate: Shape = model.model_validate
    return validate


def _of_dataclass(model: type[Any], known: dict[Any, Shape]) -> Shape:
    hints = _hints(model)
    shapes: dict[str, Shape | None] = {}
    name = name_of_model(model)

    def shape(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise DecodeError(f"{name} is made of an object, not of {type(data).__name__}")
        found = {}
        for field, inner in shapes.items():
            if field in data:
                value = data[field]
                found[field] = value if inner is None else inner(value)
        return model(**found)

    known[model] = shape
    shapes.update({
        field.name: _shape_of(hints.get(field.name), known)
        for field in dataclasses.fields(model)
        if field.init
    })  # fmt: skip
    return shape


def _of_typeddict(model: Any) -> Shape:
    hints, name = _hints(model, include_extras=True), name_of_model(model)
    # Where annotations are strings, `__required_keys__` doesn't know of Required and NotRequired.
    required = {key for key, hint in hints.items() if _is_required(model, key, hint)}

    def shape(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise DecodeError(f"{name} is made of an object, not of {type(data).__name__}")
        missing = sorted(required - set(data))
        if missing:
            raise DecodeError(f"{name} lacks {', '.join(missing)}")
        return data

    return shape


def _hints(model: Any, *, include_extras: bool = False) -> dict[str, Any]:
    try:
        return typing.get_type_hints(model, include_extras=include_extras)
    except Exception as error:
        raise _unresolved(model, error) from error


def _is_required(model: Any, key: str, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin in (typing.Required, typing.NotRequired):
        return origin is typing.Required
    return key in model.__required_keys__


def _of_container(model: Any, known: dict[Any, Shape]) -> Shape | None:
    """A list or dict of models, or one that may be missing; a union of several models is left alone."""
    origin, arguments = typing.get_origin(model), typing.get_args(model)
    if origin in (typing.Union, types.UnionType):
        others = [argument for argument in arguments if argument is not type(None)]
        inner = _shape_of(others[0], known) if len(others) == 1 < len(arguments) else None
        return None if inner is None else _of_optional(inner)
    if origin is list and len(arguments) == 1:
        inner = _shape_of(arguments[0], known)
        return None if inner is None else _of_list(inner)
    if origin is dict and len(arguments) == 2:
        inner = _shape_of(arguments[1], known)
        return None if inner is None else _of_dict(inner)
    return None


def _of_optional(inner: Shape) -> Shape:
    return lambda data: None if data is None else inner(data)


def _of_list(inner: Shape) -> Shape:
    def shape(data: Any) -> Any:
        if not isinstance(data, list):
            raise DecodeError(f"a list is needed, not {type(data).__name__}")
        return [inner(item) for item in data]

    return shape


def _of_dict(inner: Shape) -> Shape:
    def shape(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise DecodeError(f"an object is needed, not {type(data).__name__}")
        return {name: inner(value) for name, value in data.items()}

    return shape


def _unresolved(model: Any, error: Exception) -> ConfigurationError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return ConfigurationError(
        f"{name_of_model(model)} can't be used as Event[{name_of_model(model)}]: {reason}; what its fields name "
        "has to be imported outside of `if TYPE_CHECKING:`"
    )
