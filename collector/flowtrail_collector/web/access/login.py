"""Logging in and out: what a browser is given at each step, and what has to come back."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowtrail_collector.logs import audit_logger
from flowtrail_collector.web.access.jwt import looks_like_jwt
from flowtrail_collector.web.access.model import (
    MAX_NAME,
    MAX_SUBJECT,
    Person,
    Role,
    RoleRules,
    person_of,
    printable,
    safe_return,
)
from flowtrail_collector.web.access.ports import InvalidLoginError, Provider, Request
from flowtrail_collector.web.access.sealing import Seal

__all__ = ["Begun", "LoggedIn", "Login"]


_MAX_CODE = 4096
_EXPIRED = "this login has expired, or was begun in another browser: log in again"


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that begins.

    Attributes:
        url: Where the browser goes.
        cookie: Name of the cookie that it keeps meanwhile.
        value: That cookie's.
    """

    url: str
    cookie: str
    value: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A login that is complete.

    Attributes:
        person: Who.
        session: The value of the session's cookie.
        return_to: The path that was asked for before.
    """

    person: Person
    session: str
    return_to: str


class Login:
    """Who people are, by the provider; see `ports.People` for what it answers the guard.

    Args:
        provider: Vouches for them.
        rules: Which role they have.
        secret: Signs sessions; the same for all collectors behind one address.
        settings: A fingerprint of what sessions depend on.
        session_seconds: How long one lasts.

    Attributes:
        login_seconds: How long logging in may take.
        cookie: Name of the session's cookie.
    """

    login_seconds = 600

    def __init__(
        self, provider: Provider, rules: RoleRules, *, secret: str, settings: str, session_seconds: float
    ) -> None:
        self._provider = provider
        self._rules = rules
        self._sessions = Seal(secret, f"session {settings}")
        self._logins = Seal(secret, f"login {settings}")
        self.session_seconds = session_seconds
        # Browsers don't keep the cookies of two ports apart: another collector there has another one.
        self.cookie = f"flowtrail_session_{settings[:8]}"

    @property
    def highest(self) -> Role:
        """See `People.highest`."""
        return self._rules.highest

    async def by_token(self, token: bytes) -> Person | None:
        """See `People.by_token`."""
        if not looks_like_jwt(token):
            return None
        claims = await self._provider.claims_of_token(token.decode("utf-8", "replace"))
        return person_of(claims, self._rules)

    def by_cookies(self, cookies: Mapping[str, str]) -> Person | None:
        """See `People.by_cookies`."""
        session = self._sessions.open(cookies.get(self.cookie))
        if session is None:
            return None
        try:
            subject, name = session["sub"][:MAX_SUBJECT], session["name"][:MAX_NAME]
            return Person(subject, name, Role.named(session["role"]), bool(session.get("unlisted")))
        except (KeyError, TypeError):
            return None

    async def begin(self, redirect_uri: str, return_to: str | None) -> Begun:
        """Begin a login.

        Args:
            redirect_uri: Where the provider sends the browser back to.
            return_to: The path to go to afterwards; `/` in place of whatever isn't one.

        Raises:
            ProviderUnreachableError: Nobody can log in at present.
        """
        request = Request(redirect_uri, *(secrets.token_urlsafe(32) for _ in range(3)))
        values = {
            "redirect_uri": redirect_uri, "state": request.state, "nonce": request.nonce,
            "verifier": request.verifier, "return_to": safe_return(return_to),
        }  # fmt: skip
        url = await self._provider.authorization_url(request)
        return Begun(url, login_cookie(request.state), self._logins.seal(values, self.login_seconds))

    async def finish(self, answer: Mapping[str, str], cookies: Mapping[str, str], remote: str) -> LoggedIn:
        """Complete a login with what the provider sent back through the browser.

        Args:
            answer: The query: `state`, and `code` or `error`.
            cookies: Of the browser; the one that `begin` gave has to be among them.
            remote: The browser's address, for the log.

        Raises:
            InvalidLoginError: It can't be; says what to do.
            ProviderUnreachableError: The provider doesn't answer.
        """
        state = answer.get("state", "")
        begun = self._logins.open(cookies.get(login_cookie(state)))
        if begun is None or not hmac.compare_digest(str(begun.get("state")).encode(), state.encode()):
            raise InvalidLoginError(_EXPIRED)
        if "error" in answer:
            said = printable(answer["error"])[:60]
            raise InvalidLoginError(f"the provider refused the login ({said}): log in again")
        code = answer.get("code", "")
        if not 0 < len(code) <= _MAX_CODE:
            raise InvalidLoginError("the provider sent no code: log in again")
        request = Request(begun["redirect_uri"], state, begun["nonce"], begun["verifier"])
        claims = await self._provider.claims_of_code(request, code)
        return LoggedIn(*self._admitted(claims, remote), return_to=safe_return(begun["return_to"]))

    async def logout_url(self) -> str | None:
        """See `Provider.logout_url`."""
        return await self._provider.logout_url()

    def _admitted(self, claims: Mapping[str, Any], remote: str) -> tuple[Person, str]:
        person = person_of(claims, self._rules)
        if person is None:
            raise InvalidLoginError("the provider's ID token names nobody")
        audit_logger.info(
            "login of %s (%s) with the role %s from %s%s",
            person.actor, printable(person.subject), person.role.word, remote, person.hint,
        )  # fmt: skip
        if person.role is Role.NONE:
            raise InvalidLoginError(
                f"{person.name} has no role here: ask whoever runs this collector for one (--oidc-role){person.hint}"
            )
        values = {"sub": person.subject, "name": person.name, "role": person.role.word}
        if person.unlisted:
            values["unlisted"] = "yes"
        return person, self._sessions.seal(values, self.session_seconds)


def login_cookie(state: str) -> str:
    """Each login has a cookie of its own: pages in several tabs may all begin one."""
    kept = "".join(char for char in state[:12] if char.isascii() and char.isalnum())
    return f"flowtrail_login_{kept}"
