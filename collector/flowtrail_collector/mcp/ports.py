"""What the tools need: a collector that answers, and who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Caller", "Collector", "RefusedError"]


class RefusedError(Exception):
    """A call that ends with one line.

    Args:
        message: The line.
        not_found: Nothing is known of what was asked for.
    """

    def __init__(self, message: str, *, not_found: bool = False) -> None:
        super().__init__(message)
        self.not_found = not_found


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        client: The program's name, as it says itself.
        where: The user that runs this server, or the address a request came from.
        write_token: The collector's write token, if the caller has it.
    """

    client: str
    where: str
    write_token: str | None = None


class Collector(Protocol):
    """The HTTP API of a running collector."""

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The decoded JSON of a GET request.

        Raises:
            RefusedError: Not found, refused, or unreachable; says which.
        """
        ...

    def post(self, path: str, body: Mapping[str, Any], write_token: str) -> Any:
        """The decoded JSON of a POST request that carries the write token.

        Raises:
            RefusedError: Refused, or unreachable; says which.
        """
        ...
