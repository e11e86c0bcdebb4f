"""An object that is the client to everybody, but for the methods that a subclass adds."""

from __future__ import annotations

from contextlib import suppress
from typing import Any


class Proxy:
    """Passes everything on to the wrapped object, and passes for an instance of its class."""

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

    def __len__(self) -> int:
        return len(self.__wrapped__)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return self is other or self.__wrapped__ == other

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __enter__(self) -> Any:
        self.__wrapped__.__enter__()
        return self

    def __exit__(self, *exception: Any) -> Any:
        return self.__wrapped__.__exit__(*exception)

    async def __aenter__(self) -> Any:
        await self.__wrapped__.__aenter__()
        return self

    async def __aexit__(self, *exception: Any) -> Any:
        return await self.__wrapped__.__aexit__(*exception)


def keep(proxy: Proxy, name: str, value: Any) -> None:
    """Set an attribute of the proxy itself."""
    object.__setattr__(proxy, name, value)


_MARK = "_flowtrail_untraced"


def leave_alone(client: Any) -> None:
    """Keep zero-code instrumentation off a client whose messages are traced by other means."""
    # A class of C has no room for the mark, and the instrumentation can't have changed it either.
    with suppress(AttributeError, TypeError):
        setattr(client, _MARK, True)


def left_alone(client: Any) -> bool:
    """Whether `leave_alone` was called on a client."""
    return getattr(client, _MARK, False) is True
