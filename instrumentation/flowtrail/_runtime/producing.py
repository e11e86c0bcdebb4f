"""The `@trail.producer` decorator: which argument or field is the subject, the key, the sequence."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

Pick = str | Callable[[Any], Any]
"""The name of an argument or of a field of the returned data, or a function of that data."""

_Picker = Callable[[tuple[Any, ...], Mapping[str, Any], Any], Any]


def picker(function: Callable[..., Any], pick: Pick | None) -> _Picker:
    """How to find a value for one call of a producer function.

    Args:
        function: The decorated function.
        pick: An argument's name if the function has one of that name, else a field of what it returns.

    Returns:
        Called with the call's arguments and the returned data; hands back None where there is nothing.
    """
    if pick is None:
        return lambda _args, _kwargs, _data: None
    if callable(pick):
        return lambda _args, _kwargs, data: pick(data)
    parameters = list(inspect.signature(function).parameters.values())
    for position, parameter in enumerate(parameters):
        if parameter.name == pick:
            return _argument(pick, position, parameter)
    return lambda _args, _kwargs, data: field(data, pick)


def _argument(name: str, position: int, parameter: inspect.Parameter) -> _Picker:
    default = None if parameter.default is inspect.Parameter.empty else parameter.default

    def pick_argument(args: tuple[Any, ...], kwargs: Mapping[str, Any], _data: Any) -> Any:
        if name in kwargs:
            return kwargs[name]
        return args[position] if position < len(args) else default

    return pick_argument


def field(data: Any, name: str) -> Any:
    """A field of a mapping, or an attribute; None if there is none."""
    if isinstance(data, Mapping):
        return data.get(name)
    return getattr(data, name, None)


def as_text(value: Any) -> str | None:
    """A subject as text; None stays None."""
    return value if value is None or isinstance(value, str) else str(value)


def as_key(value: Any) -> str | bytes | None:
    """A record key; None and bytes stay what they are."""
    return value if value is None or isinstance(value, str | bytes) else str(value)
