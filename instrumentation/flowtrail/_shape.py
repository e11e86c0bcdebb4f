"""From decoded data to the type that a handler asked for with `Event[Model]`."""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Set
from enum import Enum
from functools import lru_cache
from typing import Any, is_typeddict

from flowtrail._making import (
    Shape,
    of_dict,
    of_enum,
    of_key,
    of_list,
    of_optional,
    of_tuple,
    of_union,
)  # fmt: skip
from flowtrail._pydantic import is_model, of_anything, of_model, said, unresolved
from flowtrail.errors import DecodeError

_UNIONS = (typing.Union, types.UnionType)
_SCALARS = (str, bytes, int, float)
_WITHOUT = (typing.Required, typing.NotRequired, typing.Final)


def shaped(data: Any, model: Any, shape: Shape) -> Any:
    """Data in its shape.

    Raises:
        DecodeError: It doesn't fit; names what is wrong.
    """
    try:
        return shape(data)
    except (TypeError, ValueError) as error:
        raise DecodeError(f"doesn't fit {name_of_model(model)}: {said(error)}") from error


@lru_cache(maxsize=1024)
def shape_of(model: Any, *, json: bool = True) -> Shape | None:
    """How to make a model of decoded data; None if the data is taken as it is.

    Args:
        model: A pydantic model, a dataclass, a TypedDict (checked for missing keys), an enumeration, a list, dict,
            tuple, set or union of them; anything else that pydantic can make, where it is installed. What JSON has
            itself, and what the standard library has for single values, is taken as it is.
        json: Whether the data came as JSON; otherwise it may hold dates, decimals and the like.

    Raises:
        ConfigurationError: One of its fields has a type that isn't there when the program runs, or that nothing
            here can make.
    """
    return _Shapes(json).of(model)


def name_of_model(model: Any) -> str:
    """For messages."""
    return getattr(model, "__name__", None) or str(model)


class _Shapes:
    """Makes shapes.

    Args:
        json: See `shape_of`.
    """

    def __init__(self, json: bool) -> None:
        self._json = json
        self._known: dict[Any, Shape] = {}

    def of(self, model: Any) -> Shape | None:
        """The shape of a type."""
        origin = typing.get_origin(model)
        if origin is typing.Annotated:
            inner = typing.get_args(model)[0]
            return self._union(inner, model) if typing.get_origin(inner) in _UNIONS else self.of(inner)
        if origin in _WITHOUT:
            return self.of(typing.get_args(model)[0])
        if isinstance(model, typing.NewType):
            return self.of(model.__supertype__)
        if isinstance(model, typing.TypeVar):
            return None if model.__bound__ is None else self.of(model.__bound__)
        if origin in _UNIONS:
            return self._union(model, model)
        if is_model(model):
            return of_model(model, json=self._json)
        if hasattr(model, "__value__") and not isinstance(model, type):  # `type Alias = ...`
            return self.of(model.__value__)
        return self._of_class(model, model if origin is None else origin)

    def _of_class(self, model: Any, kind: Any) -> Shape | None:
        if model in self._known:  # a model that holds its own kind
            return self._known[model]
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            own = "__pydantic_validator__" in vars(kind)
            return of_anything(model, json=self._json) if own else self._dataclass(model, kind)
        if is_typeddict(kind):
            return self._typeddict(model, kind)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return of_enum(kind)
        if isinstance(kind, type) and typing.get_args(model):
            return self._container(model, kind)
        return None if _stays(model, kind) else of_anything(model, json=self._json)

    def _dataclass(self, model: Any, kind: type[Any]) -> Shape:
        hints, variables = _hints(kind), _variables(model)
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
            return kind(**found)

        self._known[model] = shape
        for field in dataclasses.fields(kind):
            if field.init:
                shapes[field.name] = self.of(_filled(hints.get(field.name), variables))
        return shape

    def _typeddict(self, model: Any, kind: Any) -> Shape:
        hints, name, variables = _hints(kind, include_extras=True), name_of_model(model), _variables(model)
        # Where annotations are strings, `__required_keys__` doesn't know of Required and NotRequired.
        required = {key for key, hint in hints.items() if _is_required(kind, key, hint)}
        made: dict[str, Shape] = {}

        def shape(data: Any) -> Any:
            if not isinstance(data, Mapping):
                raise DecodeError(f"{name} is made of an object, not of {type(data).__name__}")
            missing = sorted(required - set(data))
            if missing:
                raise DecodeError(f"{name} lacks {', '.join(missing)}")
            if not made:
                return data
            return {key: made[key](value) if key in made else value for key, value in data.items()}

        self._known[model] = shape
        shapes = {key: self.of(_filled(hint, variables)) for key, hint in hints.items()}
        made.update({key: inner for key, inner in shapes.items() if inner is not None})
        return shape

    def _container(self, model: Any, kind: type[Any]) -> Shape | None:
        arguments = typing.get_args(model)
        if kind is tuple:
            *first, last = arguments
            if last is Ellipsis:
                return of_list(self.of(first[0]), tuple)
            return of_tuple([self.of(argument) for argument in arguments])
        shapes = [self.of(argument) for argument in arguments if not isinstance(argument, list)]
        if issubclass(kind, Set) and kind.__module__ in ("builtins", "collections.abc"):
            return of_list(shapes[0], frozenset if kind is frozenset else set)
        if all(shape is None for shape in shapes):
            return None
        abstract = kind.__module__ == "collections.abc"
        if kind is list or (abstract and issubclass(kind, Iterable) and len(shapes) == 1):
            return of_list(shapes[0], list)
        if kind is dict or (abstract and issubclass(kind, Mapping)):
            key = arguments[0]
            if isinstance(key, type) and issubclass(key, Enum):
                return of_dict(of_key(key), shapes[1])
            if shapes[0] is None:
                return of_dict(None, shapes[1])
        return of_anything(model, json=self._json)

    def _union(self, model: Any, whole: Any) -> Shape | None:
        """The one of its types that is made of an object, or of a list; of several, pydantic tells which."""
        members = [each for each in typing.get_args(model) if each is not type(None)]
        optional = len(members) < len(typing.get_args(model))
        if len(members) == 1:
            inner = self.of(members[0])
            return None if inner is None else of_optional(inner)
        taken: dict[type, Shape | None] = {}
        others: list[Shape | None] = []
        for member in members:
            shape, form = self.of(member), _form(member)
            if form is None:
                others.append(shape)
            elif form in taken:
                return of_anything(whole, json=self._json)
            else:
                taken[form] = shape
        if all(shape is None for shape in (*taken.values(), *others)):
            return None
        if sum(shape is not None for shape in others) > 1:
            return of_anything(whole, json=self._json)
        return of_union(name_of_model(model), taken, others, optional)


def _form(model: Any) -> type | None:
    """What a type is made of: an object or a list; None: a single value."""
    kind = typing.get_origin(model) or model
    if kind is typing.Annotated:
        return _form(typing.get_args(model)[0])
    if isinstance(model, typing.NewType):
        return _form(model.__supertype__)
    if not isinstance(kind, type) or issubclass(kind, (*_SCALARS, Enum)):
        return None
    if issubclass(kind, Iterable) and not issubclass(kind, Mapping):
        return None if is_model(kind) else list
    alone = kind.__module__.partition(".")[0] in sys.stdlib_module_names and not issubclass(kind, Mapping)
    return None if alone else dict


def _stays(model: Any, kind: Any) -> bool:
    """Whether data is taken as it is: what JSON has, or the standard library for single values."""
    if not isinstance(kind, type):
        return model is None or getattr(kind, "__module__", "") in ("typing", "typing_extensions")
    return issubclass(kind, _SCALARS) or kind.__module__.partition(".")[0] in sys.stdlib_module_names


def _variables(model: Any) -> dict[Any, Any]:
    """What a generic type's variables stand for."""
    origin = typing.get_origin(model)
    found: dict[Any, Any] = {}
    for base in getattr(origin or model, "__orig_bases__", ()):
        if typing.get_origin(base) is not typing.Generic:
            found.update(_variables(base))
    if origin is not None:
        own = dict(zip(origin.__parameters__, typing.get_args(model), strict=False))
        found = {variable: _filled(said, own) for variable, said in found.items()} | own
    return found


def _filled(hint: Any, variables: Mapping[Any, Any]) -> Any:
    """A type with what its variables stand for."""
    if not variables:
        return hint
    if isinstance(hint, typing.TypeVar):
        return variables.get(hint, hint)
    open_ones = getattr(hint, "__parameters__", ())
    if (isinstance(hint, type) and typing.get_origin(hint) is None) or not open_ones:
        return hint
    return hint[tuple(variables.get(variable, variable) for variable in open_ones)]


def _hints(model: Any, *, include_extras: bool = True) -> dict[str, Any]:
    try:
        return typing.get_type_hints(model, include_extras=include_extras)
    except Exception as error:
        raise unresolved(model, error) from error


def _is_required(model: Any, key: str, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin in (typing.Required, typing.NotRequired):
        return origin is typing.Required
    return key in model.__required_keys__
