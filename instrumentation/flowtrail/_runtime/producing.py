"""The `@trail.producer` decorator: which argument or field is the subject, the key, the sequence."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

from flowtrail._runtime.publication import Publication

P = ParamSpec("P")
R = TypeVar("R")

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


Publish = Callable[[Any, str | None, str | bytes | None, int | None], Publication]
"""Publishes data with its subject, key and sequence for one call of a producer function."""


class Picks(NamedTuple):
    """How to find subject, key and sequence for one call."""

    subject: _Picker
    key: _Picker
    sequence: _Picker

    @classmethod
    def of(
        cls, function: Callable[..., Any], *, subject: Pick | None, key: Pick | None, sequence: Pick | None
    ) -> Picks:
        """The pickers of a function."""
        return cls(picker(function, subject), picker(function, key), picker(function, sequence))


def publishing(
    function: Callable[P, R],
    picks: Picks,
    publish: Publish,
    wait_for: Callable[[Publication], None],
    wait: bool,
) -> Callable[P, R]:
    """The function, publishing what it returns.

    Args:
        function: A function, or anything else that can be called; what it returns may have to be awaited.
        picks: How to find subject, key and sequence.
        publish: Publishes.
        wait_for: Waits for an acknowledgement where that is called for.
        wait: Whether to wait at all.
    """

    def publish_call(args: tuple[Any, ...], kwargs: dict[str, Any], data: Any) -> Publication | None:
        if data is None:
            return None
        subject = as_text(picks.subject(args, kwargs, data))
        key = as_key(picks.key(args, kwargs, data))
        publication = publish(data, subject, key, picks.sequence(args, kwargs, data))
        if not wait:
            return None
        wait_for(publication)
        return None if publication.in_handler else publication

    async def publish_later(coming: Awaitable[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        data = await coming
        publication = publish_call(args, kwargs, data)
        if publication is not None:
            await publication
        return data

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def publish_awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
            return await publish_later(function(*args, **kwargs), args, kwargs)

        return cast(Callable[P, R], publish_awaited)

    @functools.wraps(function)
    def publish_result(*args: P.args, **kwargs: P.kwargs) -> R:
        data = function(*args, **kwargs)
        # An object with `async __call__`, a lambda or an undecorated wrapper around a coroutine function.
        if hasattr(type(data), "__await__"):
            return cast(R, publish_later(cast(Awaitable[Any], data), args, kwargs))
        publish_call(args, kwargs, data)
        return data

    return publish_result
