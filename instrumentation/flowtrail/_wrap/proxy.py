"""An object that is the client to everybody, but for the methods that a subclass adds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from inspect import iscoroutinefunction, isroutine
from typing import Any, NamedTuple
from weakref import WeakSet


class Proxy:
    """Passes everything on to the wrapped object, and passes for an instance of its class; see `fitted`."""

    def __init__(self, wrapped: Any) -> None:
        leave_alone(wrapped)
        object.__setattr__(self, "__wrapped__", wrapped)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "__wrapped__"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__wrapped__, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__wrapped__, name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.__wrapped__)

    def __dir__(self) -> list[str]:
        return dir(self.__wrapped__)

    def __repr__(self) -> str:
        return f"<traced {self.__wrapped__!r}>"

    def __bool__(self) -> bool:
        return bool(self.__wrapped__)

    def __eq__(self, other: object) -> bool:
        return self is other or self.__wrapped__ == other

    def __hash__(self) -> int:
        return hash(self.__wrapped__)


class Way(NamedTuple):
    """How the clients of one kind are traced.

    Attributes:
        calls: Methods that a client must have for it.
        awaited: Whether they are coroutine functions.
        proxy: The class to put around it; takes telemetry and client, for consumers also the group.
    """

    calls: tuple[str, ...]
    awaited: bool
    proxy: type[Proxy]

    def fits(self, kind: type[Any]) -> bool:
        """Whether clients of a class can be traced like this."""
        methods = [getattr(kind, name, None) for name in self.calls]
        return all(callable(method) and iscoroutinefunction(method) is self.awaited for method in methods)


_NOT_ASKED_OF_OBJECTS = frozenset({
    "__class_getitem__", "__del__", "__getattr__", "__init_subclass__", "__new__", "__subclasshook__",
})  # fmt: skip


def fitted(proxy: type[Proxy], wrapped: object) -> Any:
    """A proxy's class with the special methods of the object that is to be wrapped.

    Python looks these up in the class (`len()`, `with`, `in`, a call), so that passing attributes on isn't
    enough; and what the client can't do, the proxy doesn't pretend to.
    """
    classes: tuple[Any, Any] = proxy, type(wrapped)
    return _fitted(*classes)


@lru_cache(maxsize=256)
def _fitted(proxy: type[Proxy], kind: type[Any]) -> type[Any]:
    ours = {name for base in proxy.__mro__ for name in vars(base)}
    body: dict[str, Any] = {"__module__": proxy.__module__, "__doc__": proxy.__doc__}
    for name in {name for base in kind.__mro__ for name in vars(base)} - ours - _NOT_ASKED_OF_OBJECTS:
        if name.startswith("__") and name.endswith("__") and isroutine(getattr(kind, name, None)):
            body[name] = _passed_on(name)
    return type(proxy.__name__, (proxy,), body)


def _passed_on(name: str) -> Callable[..., Any]:
    def method(self: Proxy, *arguments: Any, **named: Any) -> Any:
        wrapped = self.__wrapped__
        result = getattr(wrapped, name)(*arguments, **named)
        return self if result is wrapped else result

    async def entered(self: Proxy) -> Any:
        wrapped = self.__wrapped__
        result = await wrapped.__aenter__()
        return self if result is wrapped else result

    return entered if name == "__aenter__" else method


def keep(proxy: Proxy, name: str, value: Any) -> None:
    """Set an attribute of the proxy itself."""
    object.__setattr__(proxy, name, value)


_MARK = "_flowtrail_untraced"
_unmarked: WeakSet[Any] = WeakSet()


def leave_alone(client: Any) -> None:
    """Keep zero-code instrumentation off a client whose messages are traced by other means."""
    try:
        setattr(client, _MARK, True)
    except (AttributeError, TypeError):  # a class with slots
        # A class of C has no room for this either, but the instrumentation can't have changed it.
        with suppress(TypeError):
            _unmarked.add(client)


def left_alone(client: Any) -> bool:
    """Whether `leave_alone` was called on a client."""
    return getattr(client, _MARK, False) is True or (bool(_unmarked) and client in _unmarked)
