"""The `@trail.producer` decorator: which argument or field is the subject, the key, the sequence."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

from flowtrail._runtime.publication import Publication
from flowtrail.errors import ConfigurationError, EncodeError

P = ParamSpec("P")
R = TypeVar("R")

Pick = str | Callable[[Any], Any]
"""The name of an argument or of a field of the returned data, or a function of that data."""

_Picker = Callable[[tuple[Any, ...], Mapping[str, Any], Any], Any]
_MISSING = object()
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def picker(function: Callable[..., Any], what: str, pick: Pick | None) -> _Picker:
    """How to find a value for one call of a producer function.

    Args:
        function: The decorated function.
        what: What is picked: `subject`, `key` or `sequence`.
        pick: An argument's name if the function has one of that name, else a field of what it returns.

    Returns:
        Called with the call's arguments and the returned data; hands back None where the value is None.
        Raises ConfigurationError where the data has no such field.

    Raises:
        ConfigurationError: The name is neither an argument's nor a field's of the type that the function says
            it returns.
    """
    if pick is None:
        return lambda _args, _kwargs, _data: None
    if callable(pick):
        return lambda _args, _kwargs, data: pick(data)
    if not isinstance(pick, str):
        raise ConfigurationError(
            f"{what} is the name of an argument or field, or a function, not {type(pick).__name__}"
        )
    parameters = list(inspect.signature(function).parameters.values())
    for position, parameter in enumerate(parameters):
        if parameter.name == pick and parameter.kind not in _VARIADIC:
            return _argument(pick, position, parameter)
    model, known = _model_returned(function)
    if known is not None and pick not in known and not hasattr(model, pick):
        raise _no_such(function, what, pick, known)
    return _field(function, what, pick)


def _argument(name: str, position: int, parameter: inspect.Parameter) -> _Picker:
    default = None if parameter.default is inspect.Parameter.empty else parameter.default

    def pick_argument(args: tuple[Any, ...], kwargs: Mapping[str, Any], _data: Any) -> Any:
        if name in kwargs:
            return kwargs[name]
        return args[position] if position < len(args) else default

    return pick_argument


def _field(function: Callable[..., Any], what: str, name: str) -> _Picker:
    def pick_field(_args: tuple[Any, ...], kwargs: Mapping[str, Any], data: Any) -> Any:
        found = data.get(name, _MISSING) if isinstance(data, Mapping) else getattr(data, name, _MISSING)
        if found is _MISSING:
            found = kwargs.get(name, _MISSING)  # of a function that takes any
        if found is _MISSING:
            raise _no_such(function, what, name, data if isinstance(data, Mapping) else None)
        return found

    return pick_field


def _model_returned(function: Callable[..., Any]) -> tuple[Any, Collection[str] | None]:
    """What a function says it returns, and its fields; no fields if they can't be known."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return None, None
    try:
        hint = typing.get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001 - the first call will show
        return None, None
    if typing.is_typeddict(hint):
        return None, hint.__annotations__
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint, [field.name for field in dataclasses.fields(hint)]
    if isinstance(hint, type) and hasattr(hint, "model_fields") and _closed(hint):
        return hint, hint.model_fields
    return None, None


def _closed(model: Any) -> bool:
    """Whether a pydantic model has no other fields than it declares."""
    return getattr(model, "model_config", {}).get("extra") != "allow"


def _no_such(
    function: Callable[..., Any], what: str, name: str, fields: Iterable[Any] | None
) -> ConfigurationError:
    called = getattr(function, "__qualname__", repr(function))
    arguments = ", ".join(inspect.signature(function).parameters)
    shown = sorted(str(field) for field in fields or () if not str(field).startswith("_"))
    listed = f" ({', '.join(shown[:20])})" if shown else ""
    return ConfigurationError(
        f"{what}={name!r} is neither an argument of {called}({arguments}) nor a field of what it returns{listed}"
    )


def as_text(value: Any) -> str | None:
    """A subject as text; None stays None.

    Raises:
        EncodeError: It is nothing that has one text, such as a dict or a float.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Enum):
        return as_text(value.value)
    own_text: Any = type(value).__str__
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if own_text is not object.__str__ and not isinstance(value, bytes | bytearray):
        return str(value)
    raise EncodeError(f"a subject or key is text, a whole number or an id, not {type(value).__name__}")


def as_key(value: Any) -> str | bytes | None:
    """A record key; None and bytes stay what they are.

    Raises:
        EncodeError: It is nothing that has one text.
    """
    return value if isinstance(value, bytes) else as_text(value)


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
        return cls(
            picker(function, "subject", subject),
            picker(function, "key", key),
            picker(function, "sequence", sequence),
        )


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
