"""Who asks, what they may do, and what is said to those who may not."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from flowtrail_collector.logs import audit_logger
from flowtrail_collector.web.access.model import OIDC_ACTOR, Access, Person, Role, printable
from flowtrail_collector.web.access.refusing import nobody_may, told_to_authenticate
from flowtrail_collector.web.json import ApiError

__all__ = [
    "Caller",
    "Refusal",
    "actor_of",
    "bearer_of",
    "credentials",
    "is_for_people",
    "may",
    "only_for",
    "person_asking",
    "remote_of",
]


_MAX_ACTOR = 64
_REALMS = {Role.READ: "flowtrail", Role.WRITE: "flowtrail write", Role.PAYLOAD: "flowtrail payload"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody may not.

    Attributes:
        status: HTTP status.
        message: One line.
        realm: What a token is asked for, None where no token would help.
        scheme: How it is asked for: browsers ask people for `Basic` ones.
    """

    status: int
    message: str
    realm: str | None = None
    scheme: str = "Basic"

    def response(self) -> Response:
        """The answer."""
        headers = {}
        if self.realm is not None:
            headers["www-authenticate"] = f'{self.scheme} realm="{self.realm}", charset="UTF-8"'
        body = json.dumps({"error": self.message})
        return Response(body, self.status, headers, media_type="application/json")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        access: Who may do what.
        role: What they may do.
        what: The request, for the log: method, path, and where it came from.
        user: Name that came along with a token; it is only claimed.
        given: Credentials came along, valid or not.
        person: Whom the provider vouches for, None for a token or nobody.
        trouble: Why a token of the provider's isn't valid.
    """

    access: Access
    role: Role
    what: tuple[str, str, str]
    user: str | None = None
    given: bool = False
    person: Person | None = None
    trouble: str = ""

    def refusal(self, needed: Role) -> Refusal | None:
        """None if they may do what takes this role."""
        if self.role >= needed:
            return None
        nobody = nobody_may(self.access, needed)
        if nobody is not None:
            return Refusal(403, nobody)
        if self.person is not None:
            has = f"has the role {self.role.word}" if self.role else "has no role here"
            return Refusal(403, f"{self.person.name} {has}: this takes the role {needed.word}")
        # Scripts of our pages ask too: the browser would ask people for a password in the middle of it.
        scheme = "Bearer" if self.access.people else "Basic"
        message = self.trouble or told_to_authenticate(self.access, needed, given=self.given)
        return Refusal(401, message, _REALMS[needed], scheme)

    def log_refused(self, status: int) -> None:
        """Write down that they tried."""
        method, path, remote = self.what
        who = self.person.actor if self.person is not None else _unproven(self.user or "nobody")
        audit_logger.warning(
            "refused %s %s by %s from %s: HTTP %d", method, printable(path), who, remote, status
        )


def only_for(
    role: Role, endpoint: Callable[[Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """The same endpoint for those who have a role beyond what its method takes.

    Args:
        role: What it takes.
        endpoint: What it does.
    """

    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        caller: Caller = request.state.caller
        refusal = caller.refusal(role)
        if refusal is None:
            return await endpoint(request)
        caller.log_refused(refusal.status)
        if refusal.realm is None:
            raise ApiError(refusal.status, refusal.message)
        return refusal.response()

    return guarded


def person_asking(request: Request) -> Person | None:
    """Whom the provider vouches for; None for tokens, and where nobody logs in."""
    caller: Caller | None = getattr(request.state, "caller", None)
    return None if caller is None else caller.person


def is_for_people(request: Request) -> bool:
    """Whether whoever asks looks with a browser, and not for what programs ask for."""
    machines = request.url.path.startswith(("/api/", "/v1/"))
    return not machines and "text/html" in (request.headers.get("accept") or "")


def may(request: Request, role: Role) -> bool:
    """Whether a page should offer what takes a role: whoever isn't logged in can be asked for another token."""
    person = person_asking(request)
    return person is None or person.role >= role


def actor_of(request: Request, claimed: str | None = None) -> str:
    """Who asks, for the audit: whom the provider vouches for, else the user name of basic authentication, else what is claimed."""
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is not None and caller.person is not None:
        return printable(caller.person.actor)[:_MAX_ACTOR]
    user = caller.user if caller is not None else None
    return printable(_unproven(user or claimed or "unnamed"))[:_MAX_ACTOR]


def _unproven(name: str) -> str:
    """A name that anybody could claim never looks like one that the provider vouches for."""
    # Not by its first characters alone: what can't be seen could stand before them.
    return f"claimed {name}" if OIDC_ACTOR.rstrip(":") in name.lower() else name


def remote_of(request: Request) -> str:
    """The address a request came from."""
    return request.client.host if request.client is not None else ""


def bearer_of(headers: Headers) -> bytes | None:
    """The token that came along with a request."""
    return credentials(headers.get("authorization", ""))[1]


def credentials(authorization: str) -> tuple[str | None, bytes | None]:
    """User name and token of an `Authorization` header."""
    scheme, _, value = authorization.partition(" ")
    given = value.strip().encode("utf-8", "replace")
    if scheme.lower() == "bearer":
        return None, given
    if scheme.lower() != "basic":
        return None, None
    try:
        user, _, token = base64.b64decode(given, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None, None
    return user.decode("utf-8", "replace") or None, token
