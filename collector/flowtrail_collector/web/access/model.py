"""Roles, and who has which: tokens, and people by what their provider says of them. Plain rules, no I/O."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

__all__ = [
    "OIDC_ACTOR",
    "TOO_MANY_GROUPS",
    "Access",
    "Person",
    "Role",
    "RoleRules",
    "person_of",
    "printable",
    "safe_return",
]

OIDC_ACTOR = "oidc:"
"""What the audit puts before the name of somebody whom the provider vouches for."""
MAX_NAME = 128
MAX_SUBJECT = 255
TOO_MANY_GROUPS = (
    "the token has too many groups to list them: use app roles, or only groups assigned to the application"
)
"""What Entra calls the groups overage: then it says where to ask for them in place of the groups."""
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Role(IntEnum):
    """What somebody may do; each includes the one before."""

    NONE = 0
    READ = 1
    WRITE = 2
    PAYLOAD = 3

    @property
    def word(self) -> str:
        """What options and pages call it."""
        return self.name.lower()

    @classmethod
    def named(cls, word: str) -> Role:
        """The role of that name.

        Raises:
            KeyError: There is none.
        """
        return {role.word: role for role in cls}[word]


@dataclass(frozen=True, slots=True)
class Access:
    """Which role the access tokens give, and what can be done without one.

    Attributes:
        token: Gives `read`; None lets everybody read.
        write_token: Gives `write`, and `payload` where there is no payload token; None lets nobody write, except
            on this machine.
        local: Only this machine can reach the address: then, without any token, everybody may do everything.
        payload_token: Gives `payload`.
        people: The highest role that people who log in can have; `NONE`: nobody logs in. Where people log in,
            nobody may do anything without a token or a login.
    """

    token: str | None = None
    write_token: str | None = None
    local: bool = False
    payload_token: str | None = None
    people: Role = Role.NONE

    @property
    def is_writable(self) -> bool:
        """Whether anybody can write."""
        return self.is_open or self.has_way_to(Role.WRITE)

    def has_way_to(self, role: Role) -> bool:
        """Whether there is a token or a login that gives a role."""
        return self.token_for(role) is not None or self.people >= role

    def token_for(self, role: Role) -> Role | None:
        """The role whose token is the least that gives a role; None if no token does."""
        if role is Role.PAYLOAD and self.payload_token is None and self.write_token is not None:
            return Role.WRITE
        tokens = {Role.READ: self.token, Role.WRITE: self.write_token, Role.PAYLOAD: self.payload_token}
        return next((each for each, token in tokens.items() if each >= role and token is not None), None)

    @property
    def is_open(self) -> bool:
        """Whether everybody on this machine may do everything."""
        return self.local and not self.people and not any((self.token, self.write_token, self.payload_token))

    def role_of(self, given: bytes | None, host: str) -> Role:
        """What a token gives.

        Args:
            given: The token that came along, None for none.
            host: Name in the request's `Host`: another one than loopback's means that a foreign name was made
                to point here (DNS rebinding).
        """
        if _is_one_of(given, self.payload_token):
            return Role.PAYLOAD
        if _is_one_of(given, self.write_token):
            return Role.PAYLOAD if self.payload_token is None else Role.WRITE
        if self.is_open and host in _LOOPBACK_NAMES:
            return Role.PAYLOAD
        if _is_one_of(given, self.token) or (self.token is None and not self.people):
            return Role.READ
        return Role.NONE

    def lets_machines_read(self, given: bytes | None) -> bool:
        """Whether scrapers, probes and exporters get in: they go by the tokens, as people don't log in for them."""
        return self.token is None or self.role_of(given, "") >= Role.READ


def _is_one_of(given: bytes | None, token: str | None) -> bool:
    """Compared in a time that depends neither on where they differ nor on how long they are."""
    digest = hashlib.sha256(given or b"").digest()
    return token is not None and hmac.compare_digest(digest, hashlib.sha256(token.encode()).digest())


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the provider vouches for; a program with a token of its own is one, too.

    Attributes:
        subject: The provider's own id, which never names anybody else.
        name: What people call them; one printable line.
        role: What they may do.
        unlisted: Their token had too many groups to list them, so they may have a role that isn't known here.
    """

    subject: str
    name: str
    role: Role
    unlisted: bool = False

    @property
    def actor(self) -> str:
        """Who they are in the audit."""
        return OIDC_ACTOR + self.name

    @property
    def hint(self) -> str:
        """What to add where their role isn't enough; empty where there is nothing to add."""
        return f"; {TOO_MANY_GROUPS}" if self.unlisted else ""


@dataclass(frozen=True, slots=True)
class RoleRules:
    """Which role the provider's claims give.

    Attributes:
        claim: Name of the claim; with dots also a way into claims within claims (`realm_access.roles`).
        roles: Values of that claim, and the role that each gives; the highest counts.
        default: What people have who have none of these values.
    """

    claim: str
    roles: Sequence[tuple[Role, str]]
    default: Role = Role.NONE

    def role_of(self, claims: Mapping[str, Any]) -> Role:
        """The role of somebody with these claims."""
        values = self._values(claims)
        return max((role for role, value in self.roles if value in values), default=self.default)

    @property
    def highest(self) -> Role:
        """The highest role that somebody can have."""
        return max((self.default, *(role for role, _ in self.roles)))

    def lacks_values(self, claims: Mapping[str, Any]) -> bool:
        """Whether a token says that somebody has values of the claim, and leaves them out for their number."""
        if self._values(claims):
            return False
        elsewhere = claims.get("_claim_names")  # OpenID Connect Core, 5.6.2
        if isinstance(elsewhere, Mapping) and self.claim in elsewhere:
            return True
        return self.claim == "groups" and claims.get("hasgroups") in (True, "true")

    def _values(self, claims: Mapping[str, Any]) -> frozenset[str]:
        found: Any = claims.get(self.claim)
        if found is None:  # a claim's own name may have dots, as in https://example.com/roles
            found = claims
            for part in self.claim.split("."):
                found = found.get(part) if isinstance(found, Mapping) else None
        if isinstance(found, str):
            return frozenset({found})
        return frozenset(v for v in found if isinstance(v, str)) if isinstance(found, list) else frozenset()


def person_of(claims: Mapping[str, Any], rules: RoleRules) -> Person | None:
    """Whom claims that were verified speak of; None without a usable subject."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        return None
    verified = claims.get("email_verified") is not False
    names = (claims.get("email") if verified else None, claims.get("preferred_username"), subject)
    name = next(name for name in names if isinstance(name, str) and name.strip())
    return Person(
        subject, printable(name.strip())[:MAX_NAME], rules.role_of(claims), rules.lacks_values(claims)
    )


def safe_return(path: str | None) -> str:
    """Where to go after a login: a path of this collector's, `/` for whatever could lead elsewhere."""
    # Browsers take a backslash for a slash, leave tabs and line breaks out, and `//name` for another machine.
    is_path = path is not None and path.startswith("/") and not path.startswith("//") and len(path) <= 2000
    if path is None or not is_path or "\\" in path or not path.isprintable() or not path.isascii():
        return "/"
    return path


def printable(text: str) -> str:
    """A text of at most 512 characters that stays on its line, wherever it is shown."""
    return "".join(char if char.isprintable() else "?" for char in text[:512])
