"""How values of a program's own types are written: a dataclass by its fields, a model of pydantic as it says itself."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal

Mode = Literal["json", "python"]
"""Of pydantic's: `python` leaves dates, decimals, UUIDs and enumerations what they are."""
Dump = Callable[[Any, Mode], Any]


def _dump_of(kind: type) -> Dump | None:
    if callable(dump := getattr(kind, "model_dump", None)):
        return _of_model(kind, dump)
    # The class that was made a dataclass last: it may be a plain one made of one of pydantic's.
    made = next((base for base in kind.__mro__ if "__dataclass_fields__" in vars(base)), None)
    if made is None:
        return None
    serializer = vars(made).get("__pydantic_serializer__")
    if serializer is None:
        return _of_dataclass(kind)
    by_alias = _by_alias(getattr(kind, "__pydantic_config__", {}))
    return lambda value, mode: serializer.to_python(value, mode=mode, by_alias=by_alias)


dump_of: Callable[[type], Dump | None] = lru_cache(maxsize=1024)(_dump_of)
"""How values of a type are written, None if the type doesn't say.

A dataclass is written level by level. A model of pydantic is written whole, with everything that it says about that:
fields left out, aliases, serializers, computed fields.
"""


def _of_dataclass(kind: Any) -> Dump:
    names = tuple(field.name for field in dataclasses.fields(kind))

    def fields(value: Any, mode: Mode) -> dict[str, Any]:
        return {name: getattr(value, name) for name in names}

    return fields


def _of_model(kind: Any, dump: Callable[..., Any]) -> Dump:
    if not _takes(dump, "by_alias"):
        return lambda value, mode: value.model_dump(mode=mode)
    by_alias = _by_alias(getattr(kind, "model_config", {}))
    return lambda value, mode: value.model_dump(mode=mode, by_alias=by_alias)


def _by_alias(config: Mapping[str, Any]) -> bool | None:
    """By alias, unless the model decides for itself."""
    return None if "serialize_by_alias" in config else True


def _takes(function: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())
