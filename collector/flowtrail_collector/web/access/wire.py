"""Puts logging in together, if there is a provider; what that takes is only loaded then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowtrail.errors import to_install
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.web.access.model import RoleRules

if TYPE_CHECKING:
    from flowtrail_collector.web.access.login import Login
    from flowtrail_collector.web.access.provider import Client

__all__ = ["LoginSettings", "check_provider", "wire"]

_MISSING = f"--oidc-issuer needs the package joserfc: {to_install('oidc')}"


@dataclass(frozen=True, slots=True)
class LoginSettings:
    """What logging in takes.

    Attributes:
        issuer: The provider, an address.
        client_id: This collector's there.
        client_secret: What proves it, None for a public client.
        rules: Which role people have.
        session_seconds: How long a session lasts.
        audiences: For whom bearer tokens may be; empty: for the client.
        scopes: What is asked for beyond who somebody is.
        other_secret: Signs sessions where there is no client secret.
    """

    issuer: str
    client_id: str
    client_secret: str | None
    rules: RoleRules
    session_seconds: float
    audiences: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    other_secret: str = ""


def wire(settings: LoginSettings | None, on_error: Callable[[str, Exception], None]) -> Login | None:
    """How people log in; None if they don't.

    Args:
        settings: None without a provider.
        on_error: Called with `oidc` and why the provider couldn't be asked.

    Raises:
        ConfigurationError: What it takes isn't installed.
    """
    if settings is None:
        return None
    try:
        from flowtrail_collector.web.access.login import Login
        from flowtrail_collector.web.access.provider import OidcProvider
        from flowtrail_collector.web.access.sealing import fingerprint
    except ModuleNotFoundError as error:
        raise ConfigurationError(_MISSING) from error
    rules = settings.rules
    known = fingerprint(
        settings.issuer, settings.client_id, rules.claim, [*map(list, rules.roles)], rules.default
    )
    return Login(
        OidcProvider(_client(settings), on_error=on_error),
        rules,
        secret=settings.client_secret or settings.other_secret,
        settings=known,
        session_seconds=settings.session_seconds,
    )


def check_provider(settings: LoginSettings) -> None:
    """Ask the provider once what it is.

    Raises:
        ConfigurationError: It is another one, or what asking takes isn't installed.
        ProviderUnreachableError: It can't be asked.
    """
    try:
        from flowtrail_collector.web.access.provider import discover
    except ModuleNotFoundError as error:
        raise ConfigurationError(_MISSING) from error
    discover(settings.issuer)


def _client(settings: LoginSettings) -> Client:
    from flowtrail_collector.web.access.provider import Client

    return Client(
        settings.issuer,
        settings.client_id,
        settings.client_secret,
        settings.audiences,
        settings.scopes,
        settings.rules.claim,
    )
