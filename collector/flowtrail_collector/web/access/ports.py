"""What the web application needs from a provider of people: who somebody is, by a token or by a login."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flowtrail_collector.web.access.model import Person, Role

__all__ = [
    "InvalidLoginError",
    "InvalidTokenError",
    "People",
    "Provider",
    "ProviderUnreachableError",
    "Request",
]


class InvalidTokenError(Exception):
    """A token that gives nothing; the message says why, and holds nothing of it."""


class InvalidLoginError(Exception):
    """A login that can't be completed; the message says what to do."""


class ProviderUnreachableError(Exception):
    """The provider can't be asked at present; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a login sends to the provider, and checks afterwards.

    Attributes:
        redirect_uri: Where the provider sends people back to.
        state: Comes back unchanged: the answer belongs to this question.
        nonce: Comes back in the ID token.
        verifier: Proves to the provider that who asked is who takes the answer (PKCE).
    """

    redirect_uri: str
    state: str
    nonce: str
    verifier: str


class Provider(Protocol):
    """An OpenID provider."""

    async def authorization_url(self, request: Request) -> str:
        """Where people log in.

        Raises:
            ProviderUnreachableError: It can't be asked for its addresses.
        """

    async def claims_of_code(self, request: Request, code: str) -> Mapping[str, Any]:
        """The verified claims of who logged in.

        Raises:
            InvalidLoginError: The code or the ID token isn't valid.
            ProviderUnreachableError: It can't be asked.
        """

    async def claims_of_token(self, token: str) -> Mapping[str, Any]:
        """The verified claims of a bearer token (JWT).

        Raises:
            InvalidTokenError: It isn't valid.
            ProviderUnreachableError: Its keys aren't known and can't be fetched.
        """

    async def logout_url(self) -> str | None:
        """Where people log out of the provider itself; None if it doesn't say, or isn't reached."""


class People(Protocol):
    """Who somebody is."""

    @property
    def highest(self) -> Role:
        """The highest role that anybody can have."""

    async def by_token(self, token: bytes) -> Person | None:
        """Whose bearer token this is; None if it is nobody's.

        Raises:
            ProviderUnreachableError: It can't be checked at present.
        """

    def by_cookies(self, cookies: Mapping[str, str]) -> Person | None:
        """Whose session these cookies hold; None for nobody's."""
