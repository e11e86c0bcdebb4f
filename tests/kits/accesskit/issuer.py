"""An OpenID provider as an ASGI application: real keys, real signatures, and whatever a test makes of them."""

from __future__ import annotations

import base64
import hashlib
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jws, jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from flowtrail_collector.web.access.login import Login
from flowtrail_collector.web.access.model import Role, RoleRules
from flowtrail_collector.web.access.provider import Client, OidcProvider
from flowtrail_collector.web.access.sealing import fingerprint

ISSUER, CLIENT, SECRET = "https://login.example", "flowtrail", "s" * 32
RULES = RoleRules("groups", ((Role.READ, "staff"), (Role.WRITE, "oncall"), (Role.PAYLOAD, "privacy")))


class Issuer:
    """A provider.

    Args:
        keys: What it signs with; None makes some.

    Attributes:
        keys: What it signs with, by kid; the first one unless told otherwise.
        asked: How often it was asked for each path.
        about: What discovery says.
        down: It answers 503.
        extra_keys: Further entries of its key document, as they are.
        id_token: In place of the ID token that it would give, if not None.
    """

    def __init__(self, keys: Mapping[str, Key] | None = None) -> None:
        self.keys: dict[str, Key] = dict(keys or {"one": RSAKey.generate_key(2048)})
        self.asked: Counter[str] = Counter()
        self.down = False
        self.extra_keys: list[Any] = []
        self.id_token: str | None = None
        self.codes: dict[str, Mapping[str, Any]] = {}
        self.about: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/auth",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "end_session_endpoint": f"{ISSUER}/bye",
            "scopes_supported": ["openid", "email", "groups"],
        }
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/keys", self._keys),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    def provider(self, **options: Any) -> OidcProvider:
        """The adapter, asking this provider."""
        transport = httpx.ASGITransport(self.app)
        client = options.pop("client", Client(ISSUER, CLIENT, SECRET, role_claim="groups"))
        return OidcProvider(client, on_error=lambda part, error: None, transport=transport, **options)

    def login(self, **options: Any) -> Login:
        """Logging in with this provider."""
        values = {"secret": SECRET, "settings": fingerprint("test"), "session_seconds": 3600.0, **options}
        return Login(self.provider(), RULES, **values)

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Claims of a valid token, but for what is changed; None leaves one out."""
        now = int(time.time())
        claims = {
            "iss": ISSUER, "sub": "id-1", "aud": CLIENT, "iat": now, "exp": now + 3600, "email": "ann@example.com",
            "groups": ["staff"], **changed,
        }  # fmt: skip
        return {name: value for name, value in claims.items() if value is not None}

    def signed(self, claims: Mapping[str, Any], *, kid: str | None = None, **header: Any) -> str:
        """A token with these claims, signed with one of the keys."""
        name = kid or next(iter(self.keys))
        key = self.keys[name]
        shown = {"alg": _algorithm(key), "kid": name, "typ": "JWT", **header}
        shown = {part: value for part, value in shown.items() if value is not None}
        registry = jws.JWSRegistry(algorithms=[shown["alg"]], strict_check_header=False)
        return jwt.encode(shown, dict(claims), key, registry=registry)

    def answer(self, url: str, **claims: Any) -> dict[str, str]:
        """What the browser comes back with from an authorization URL, once somebody has logged in there."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = f"code-{len(self.codes)}"
        self.codes[code] = {**query, "claims": self.claims(**{"nonce": query["nonce"], **claims})}
        return {"state": query["state"], "code": code}

    def _discovery(self, request: Request) -> Response:
        return self._counted(request, self.about)

    def _keys(self, request: Request) -> Response:
        keys = [{**key.as_dict(private=False), "kid": kid} for kid, key in self.keys.items()]
        return self._counted(request, {"keys": [*self.extra_keys, *keys]})

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        asked = self.codes.pop(str(form.get("code")), None)
        expected = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        proof = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        challenge = base64.urlsafe_b64encode(proof).decode().rstrip("=")
        if (
            asked is None
            or request.headers.get("authorization") != expected
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form.get("redirect_uri")
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        token = self.id_token or self.signed(asked["claims"])
        return self._counted(request, {"id_token": token, "access_token": "x", "token_type": "Bearer"})

    def _counted(self, request: Request, document: object) -> Response:
        self.asked[request.url.path] += 1
        return PlainTextResponse("away", 503) if self.down else JSONResponse(document)


def _algorithm(key: Key) -> str:
    if isinstance(key, RSAKey):
        return "RS256"
    if isinstance(key, OKPKey):
        return "Ed25519"
    return (
        "HS256"
        if isinstance(key, OctKey)
        else f"ES{ {'P-256': 256, 'P-384': 384}[key.curve_name] }".replace(" ", "")
    )


def ec_key(curve: str = "P-256") -> Key:
    """A key of an elliptic curve."""
    return ECKey.generate_key(curve)
