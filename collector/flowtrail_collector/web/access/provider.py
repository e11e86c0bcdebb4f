"""An OpenID provider over HTTP: discovery, keys, and the exchange of a code for who logged in."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.web.access.freshness import Freshness
from flowtrail_collector.web.access.jwt import Key, TokenRules, header_of, keys_of, matching
from flowtrail_collector.web.access.ports import (
    InvalidLoginError,
    InvalidTokenError,
    ProviderUnreachableError,
    Request,
)

__all__ = ["Client", "OidcProvider", "checked_discovery", "discover"]

_TIMEOUT_SECONDS = 5.0
_MAX_ANSWER_BYTES = 1_000_000
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_SCOPES = ("openid", "profile", "email")


@dataclass(frozen=True, slots=True)
class Client:
    """How the provider knows this collector.

    Attributes:
        issuer: The provider's name for itself, an address.
        client_id: Ours there.
        client_secret: What proves it; None for a public client, which PKCE alone protects.
        audiences: For whom bearer tokens may be.
        scopes: What is asked for beyond who somebody is.
        role_claim: Asked for as a scope, too, where the provider has one of that name.
    """

    issuer: str
    client_id: str
    client_secret: str | None = None
    audiences: Sequence[str] = ()
    scopes: Sequence[str] = ()
    role_claim: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    about: Mapping[str, Any]
    keys: Sequence[Key]


class OidcProvider:
    """See `ports.Provider`.

    Args:
        client: How the provider knows this collector.
        on_error: Called with `oidc` and why it couldn't be asked.
        transport: Another httpx transport, for tests.
        timeout_seconds: How long an answer may take.
        now: Seconds since the epoch.
    """

    def __init__(
        self,
        client: Client,
        *,
        on_error: Callable[[str, Exception], None],
        transport: httpx.AsyncBaseTransport | None = None,
        timeout_seconds: float = _TIMEOUT_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._rules = TokenRules(client.issuer, now)
        self._known: Freshness[_Known] = Freshness(self._fetch, on_error=on_error)
        self._timeout_seconds = timeout_seconds
        self._http_options: dict[str, Any] = {
            "timeout": timeout_seconds,
            "transport": transport,
            "verify": _trusted(),
        }

    async def authorization_url(self, request: Request) -> str:
        """See `Provider.authorization_url`."""
        about = (await self._known.get()).about
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": " ".join(self._scopes(about)),
            "state": request.state,
            "nonce": request.nonce,
            "code_challenge": _challenge(request.verifier),
            "code_challenge_method": "S256",
        }
        address = about["authorization_endpoint"]
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"

    async def claims_of_code(self, request: Request, code: str) -> Mapping[str, Any]:
        """See `Provider.claims_of_code`."""
        answer = await self._exchanged(request, code)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise InvalidLoginError("the provider answered without an ID token: log in again")
        try:
            claims = await self._verified(token, [self._client.client_id])
        except InvalidTokenError as error:
            raise InvalidLoginError(f"the provider's ID token isn't valid: {error}") from None
        nonce, party = claims.get("nonce"), claims.get("azp", self._client.client_id)
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), request.nonce.encode()):
            raise InvalidLoginError("the provider's ID token belongs to another login: log in again")
        if party != self._client.client_id:
            raise InvalidLoginError("the provider's ID token was made for another client")
        return claims

    async def claims_of_token(self, token: str) -> Mapping[str, Any]:
        """See `Provider.claims_of_token`."""
        return await self._verified(token, self._client.audiences or [self._client.client_id])

    async def logout_url(self) -> str | None:
        """See `Provider.logout_url`."""
        try:
            address = (await self._known.get()).about.get("end_session_endpoint")
        except ProviderUnreachableError:
            return None
        if not isinstance(address, str) or not address.startswith(("https://", "http://")):
            return None
        query = urlencode({"client_id": self._client.client_id})
        return f"{address}{'&' if '?' in address else '?'}{query}"

    async def _verified(self, token: str, audiences: Sequence[str]) -> dict[str, Any]:
        header = header_of(token)
        known = await self._known.get(lambda known: matching(header, known.keys) is not None)
        key = matching(header, known.keys)
        if key is None:
            raise InvalidTokenError("its key isn't one of the provider's")
        return self._rules.claims(token, header, key, audiences)

    async def _fetch(self) -> _Known:
        async with self._asking(self._client.issuer) as http:
            about = _checked(await _json(http, "GET", _discovery(self._client.issuer)), self._client.issuer)
            return _Known(about, keys_of(await _json(http, "GET", about["jwks_uri"])))

    async def _exchanged(self, request: Request, code: str) -> Mapping[str, Any]:
        about = (await self._known.get()).about
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.verifier,
        }
        headers = self._authenticated(form, about)
        address = about["token_endpoint"]
        async with self._asking(address) as http:
            answer = await _json(http, "POST", address, data=form, headers=headers)
        if not isinstance(answer, Mapping) or "error" in answer:
            reason = answer.get("error") if isinstance(answer, Mapping) else "no JSON object"
            raise InvalidLoginError(f"the provider refused the login ({str(reason)[:60]}): log in again")
        return answer

    def _authenticated(self, form: dict[str, str], about: Mapping[str, Any]) -> dict[str, str]:
        """Says who asks, in the form or as headers; what a provider doesn't say is that it takes the header."""
        identity, secret = self._client.client_id, self._client.client_secret
        methods = about.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if secret is None or "client_secret_basic" not in methods:
            form["client_id"] = identity
            if secret is not None:
                form["client_secret"] = secret
            return {}
        pair = f"{quote_plus(identity)}:{quote_plus(secret)}"  # RFC 6749, 2.3.1
        return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def _scopes(self, about: Mapping[str, Any]) -> list[str]:
        offered = about.get("scopes_supported")
        named = [self._client.role_claim] if self._client.role_claim in (offered or ()) else []
        return list(dict.fromkeys([*_SCOPES, *named, *self._client.scopes]))

    @contextlib.asynccontextmanager
    async def _asking(self, address: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client for a few requests, which have so much time together: what trickles in is no answer either."""
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                httpx.AsyncClient(**self._http_options) as http,
            ):
                yield http
        except TimeoutError:
            raise ProviderUnreachableError(f"{address}: no answer in time") from None


def discover(issuer: str) -> None:
    """Ask a provider once what it is.

    Raises:
        ConfigurationError: It is another one.
        ProviderUnreachableError: It can't be asked.
    """
    with httpx.Client(timeout=_TIMEOUT_SECONDS, verify=_trusted()) as http:
        try:
            answer = http.get(_discovery(issuer))
            document = answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise _unreachable(_discovery(issuer), error) from None
    checked_discovery(document, issuer)


def checked_discovery(document: object, issuer: str) -> Mapping[str, Any]:
    """What a provider says of itself.

    Raises:
        ConfigurationError: It isn't the one that was named, or lacks what a login needs.
    """
    if not isinstance(document, Mapping):
        raise ConfigurationError(f"--oidc-issuer {issuer}: what is there isn't an OpenID provider")
    if document.get("issuer") != issuer:
        raise ConfigurationError(
            f"--oidc-issuer {issuer}: the provider there calls itself {str(document.get('issuer'))[:200]!r}:"
            " use exactly that name"
        )
    for name in _ENDPOINTS:
        address = document.get(name)
        if not isinstance(address, str) or not address.startswith(("https://", "http://")):
            raise ConfigurationError(f"--oidc-issuer {issuer}: the provider there has no usable {name}")
    return document


def _checked(document: object, issuer: str) -> Mapping[str, Any]:
    try:
        return checked_discovery(document, issuer)
    except ConfigurationError as error:
        raise ProviderUnreachableError(str(error)) from None


async def _json(http: httpx.AsyncClient, method: str, url: str, **values: Any) -> Any:
    try:
        async with http.stream(method, url, **values) as answer:
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _MAX_ANSWER_BYTES:
                    raise ValueError("its answer is too long")
            # The token endpoint says in the body of a 400 why; a failing server says nothing of use.
            if method == "GET" or answer.status_code >= 500:
                answer.raise_for_status()
        return httpx.Response(200, content=body).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
        raise _unreachable(url, error) from None


def _unreachable(url: str, error: Exception) -> ProviderUnreachableError:
    if isinstance(error, httpx.HTTPStatusError):
        return ProviderUnreachableError(f"{url} answers HTTP {error.response.status_code}")
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return ProviderUnreachableError(f"{url}: {reason}")


def _discovery(issuer: str) -> str:
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _trusted() -> ssl.SSLContext:
    context = ssl.create_default_context()
    path = os.environ.get("FLOWTRAIL_CA_FILE")
    if path:
        try:
            context.load_verify_locations(path)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError(f"FLOWTRAIL_CA_FILE {path}: {error.strerror or error}") from error
    return context
