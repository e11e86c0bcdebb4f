"""Behind a reverse proxy: under which path people reach the collector, and whether over TLS.

What a request's headers claim is believed only if it comes from a proxy that somebody named; anybody else could
make links of ours lead anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from contextvars import ContextVar
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from flowtrail_collector.errors import ConfigurationError

__all__ = ["Proxies", "UnderPrefix", "checked_prefix", "prefix", "proxies_of"]

Proxies = Sequence[IPv4Network | IPv6Network]
# No empty parts: `//name` would lead to another machine. No dots alone: they lead elsewhere.
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]{1,100}){1,10}", re.ASCII)
_current: ContextVar[str] = ContextVar("prefix", default="")


def prefix() -> str:
    """What stands before every path of the request at hand: `/flowtrail`, or nothing."""
    return _current.get()


def checked_prefix(text: str) -> str:
    """A prefix without a slash at its end; `/` is none.

    Raises:
        ConfigurationError: It can't be one.
    """
    stripped = text.rstrip("/")
    if stripped and not _PREFIX.fullmatch(stripped):
        raise ConfigurationError(f"--root-path takes a path such as /flowtrail, not {text!r}")
    return stripped


def proxies_of(names: Sequence[str]) -> Proxies:
    """Addresses and networks, read.

    Raises:
        ConfigurationError: One of them is neither.
    """
    try:
        return [ip_network(name.strip(), strict=False) for name in names]
    except ValueError as error:
        raise ConfigurationError(
            f"--trusted-proxies takes addresses such as 10.0.0.5 or 10.0.0.0/8: {error}"
        ) from None


class UnderPrefix:
    """ASGI middleware outside of everything: within, paths are as if there were no proxy.

    Proxies may take the prefix off or leave it on; both are understood, unless the prefix begins with the name of a page:
    nothing tells `/lag` as a prefix that was left on from `/lag` as a page, so there it has to be taken off.

    Args:
        app: What it wraps.
        root_path: The prefix where no header says another one.
        trusted: Proxies whose `X-Forwarded-Prefix` and `X-Forwarded-Proto` are believed.
        own: First parts of the paths that there are within, e.g. `lag`.
    """

    def __init__(
        self, app: ASGIApp, *, root_path: str = "", trusted: Proxies = (), own: Collection[str] = ()
    ) -> None:
        self._app = app
        self._root_path = root_path
        self._trusted = trusted
        self._own = frozenset(own)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            scope = dict(scope)
            found = self._root_path
            if self._trusted and self._is_trusted(scope):
                headers = Headers(scope=scope)
                found = _claimed_prefix(headers, found)
                if headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower() == "https":
                    scope["scheme"] = "https"
            _current.set(found)
            if found and self._is_left_on(scope["path"], found):
                scope["path"] = scope["path"][len(found) :] or "/"
                scope["raw_path"] = None
        await self._app(scope, receive, send)

    def _is_left_on(self, path: str, found: str) -> bool:
        return found.split("/", 2)[1] not in self._own and f"{path}/".startswith(f"{found}/")

    def _is_trusted(self, scope: Scope) -> bool:
        try:
            address = ip_address((scope.get("client") or ("",))[0])
        except ValueError:
            return False
        # What listens on IPv6 for both hears from 10.0.0.5 as ::ffff:10.0.0.5.
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._trusted)


def _claimed_prefix(headers: Headers, default: str) -> str:
    claimed = headers.get("x-forwarded-prefix")
    if claimed is None:
        return default
    stripped = claimed.strip().rstrip("/")
    return stripped if _PREFIX.fullmatch(stripped) else default
