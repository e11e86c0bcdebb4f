"""Settings of logging in by OpenID Connect."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal
from urllib.parse import urlsplit

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.settings.checks import Section
from flowtrail_collector.web.access.model import Role, RoleRules
from flowtrail_collector.web.access.wire import LoginSettings

__all__ = ["DefaultRole", "OidcConfig"]

DefaultRole = Literal["none", "read", "write", "payload"]
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MIN_SECRET = 16
_MIN_SESSION_SECONDS, _MAX_SESSION_SECONDS = 60, 30 * 86400


@dataclass(frozen=True, slots=True)
class OidcConfig(Section):
    """Who logs in, and what they may do.

    Attributes:
        issuer: The OpenID provider's name for itself, an address; empty: nobody logs in.
        client_id: This collector's there.
        client_secret: What proves it; None for a public client.
        role_claim: Claim that roles are found by; with dots a way into claims within claims.
        roles: `ROLE=VALUE`: who has this value in that claim has this role.
        default_role: What people have who have none of these values.
        audiences: For whom bearer tokens may be; empty: for the client.
        scopes: What is asked for beyond `openid`, `profile` and `email`.
        session_seconds: How long a session lasts.
    """

    issuer: str = ""
    client_id: str = ""
    client_secret: str | None = None
    role_claim: str = "groups"
    roles: tuple[str, ...] = ()
    default_role: DefaultRole = "none"
    audiences: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    session_seconds: float = 8 * 3600.0

    @property
    def rules(self) -> RoleRules:
        """Which role people have.

        Raises:
            ConfigurationError: A `--oidc-role` can't be read.
        """
        roles = tuple(_role(text) for text in self.roles)
        return RoleRules(self.role_claim, roles, Role.named(self.default_role))

    def login(self, other_secret: str) -> LoginSettings | None:
        """What logging in takes; None if nobody does.

        Args:
            other_secret: Signs sessions where there is no client secret.
        """
        if not self.issuer:
            return None
        return LoginSettings(
            self.issuer,
            self.client_id,
            self.client_secret,
            self.rules,
            self.session_seconds,
            self.audiences,
            self.scopes,
            other_secret,
        )

    def validate(self) -> None:
        if not self.issuer:
            self._check_unused()
            return
        _check_issuer(self.issuer)
        if not self.client_id:
            raise ConfigurationError(
                "--oidc-issuer needs --oidc-client-id: what the provider calls this collector"
            )
        if self.client_secret is not None and len(self.client_secret) < _MIN_SECRET:
            raise ConfigurationError(
                f"the OIDC client secret is too short: use at least {_MIN_SECRET} characters, as it signs sessions, too"
            )
        if not self.role_claim:
            raise ConfigurationError("--oidc-role-claim takes the name of a claim, such as groups")
        if not self.rules.roles and self.default_role == "none":
            raise ConfigurationError(
                "with --oidc-issuer alone nobody has a role: say who has, such as --oidc-role write=oncall, or"
                " --oidc-default-role read for everybody who can log in"
            )
        if not _MIN_SESSION_SECONDS <= self.session_seconds <= _MAX_SESSION_SECONDS:
            raise ConfigurationError("--oidc-session takes from 1m to 30d")

    def _check_unused(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) != field.default:
                raise ConfigurationError("--oidc-... options need --oidc-issuer: the provider's address")


def _role(text: str) -> tuple[Role, str]:
    word, _, value = text.partition("=")
    try:
        role = Role.named(word.strip())
    except KeyError:
        role = Role.NONE
    if role is Role.NONE or not value.strip():
        raise ConfigurationError(
            f"--oidc-role takes read=VALUE, write=VALUE or payload=VALUE, such as write=oncall, not {text!r}"
        )
    return role, value.strip()


def _check_issuer(issuer: str) -> None:
    try:
        parts = urlsplit(issuer)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    plain = bool(host) and not (parts.query or parts.fragment or parts.username or parts.password)
    if not plain or parts.scheme not in ("https", "http"):
        raise ConfigurationError(
            f"--oidc-issuer takes an address such as https://login.example.com/realms/ops, not {issuer!r}"
        )
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise ConfigurationError(
            f"--oidc-issuer {issuer}: takes https, as whoever can answer in its place could log in as anybody"
        )
