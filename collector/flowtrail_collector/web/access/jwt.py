"""Tokens of a provider: which keys it signs with, and whether a token is valid, for us, and of this moment."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from joserfc import jwk, jws, jwt
from joserfc.errors import (
    ExpiredTokenError,
    InvalidClaimError,
    JoseError,
    MissingClaimError,
    SecurityWarning,
)

from flowtrail_collector.web.access.ports import InvalidTokenError

__all__ = ["MAX_TOKEN_BYTES", "Key", "TokenRules", "header_of", "keys_of", "looks_like_jwt", "matching"]

Key = jwk.Key
# A group is up to 60 bytes of it: Entra lists 200 by their ids, Keycloak as many as there are, by their paths.
MAX_TOKEN_BYTES = 64 * 1024
SKEW_SECONDS = 60
_MAX_KEYS = 100
_MIN_MODULUS = 342  # 2048 bits in base64
# Signatures that only the provider can make. Nothing that a public key could be mistaken for the secret of, and not `none`.
_ALGORITHMS = {
    **{f"{kind}{bits}": "RSA" for kind in ("RS", "PS") for bits in (256, 384, 512)},
    **{f"ES{bits}": "EC" for bits in (256, 384, 512)},
    "EdDSA": "OKP",
    "Ed25519": "OKP",
}
# An ID token or an access token (RFC 9068); a provider's logout tokens and others are signed with the same keys.
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})


def looks_like_jwt(token: bytes) -> bool:
    """Whether a bearer token could be one of a provider's, rather than one of the collector's own."""
    return token.count(b".") == 2 and token.startswith(b"ey")


def keys_of(document: object) -> list[Key]:
    """The keys in a provider's document (JWKS) that signatures can be checked with; what else there is, is left out."""
    listed = document.get("keys") if isinstance(document, Mapping) else None
    found = (_key(item) for item in (listed if isinstance(listed, list) else [])[:_MAX_KEYS])
    return [key for key in found if key is not None]


def _key(item: object) -> Key | None:
    if not isinstance(item, dict) or item.get("kty") not in _ALGORITHMS.values():
        return None
    if item.get("use", "sig") != "sig":
        return None
    if item["kty"] == "RSA" and len(str(item.get("n"))) < _MIN_MODULUS:
        return None
    try:
        return jwk.import_key(item)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None


def header_of(token: str) -> dict[str, Any]:
    """The header of a token, of a kind that is accepted; nothing of it is verified yet.

    Raises:
        InvalidTokenError: It isn't such a token.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise InvalidTokenError(
            f"it is longer than {MAX_TOKEN_BYTES:,} bytes: have the provider put less into it, such as only the"
            " groups that are assigned to the application, or use app roles"
        )
    try:
        header = jws.extract_compact(token.encode(), registry=_roomy()).headers()
    except (JoseError, ValueError, TypeError, RecursionError):
        raise InvalidTokenError("it isn't a signed JWT") from None
    algorithm = header.get("alg") if isinstance(header, dict) else None
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        raise InvalidTokenError(f"its algorithm isn't one of {', '.join(_ALGORITHMS)}")
    kind, kid = header.get("typ"), header.get("kid")
    if not (kind is None or (isinstance(kind, str) and kind.lower() in _TYPES)):
        raise InvalidTokenError("its type isn't JWT or at+jwt")
    if kid is not None and not isinstance(kid, str):
        raise InvalidTokenError("its kid isn't a text")
    return header


def matching(header: Mapping[str, Any], keys: Sequence[Key]) -> Key | None:
    """The key that a token names; without a name the only one of its kind, None if there isn't one."""
    of_kind = [key for key in keys if key.key_type == _ALGORITHMS[header["alg"]]]
    kid = header.get("kid")
    named = [key for key in of_kind if kid is None or key.kid == kid]
    return named[0] if named and (kid is not None or len(named) == 1) else None


def _roomy(algorithms: Sequence[str] | None = None) -> jws.JWSRegistry:
    """Takes the headers that providers send, which may hold certificates and names of their own."""
    registry = jws.JWSRegistry(algorithms=algorithms, strict_check_header=False)
    registry.max_header_length = MAX_TOKEN_BYTES
    return registry


class TokenRules:
    """What a token has to say.

    Args:
        issuer: Who made it.
        now: Seconds since the epoch.
    """

    def __init__(self, issuer: str, now: Callable[[], float] = time.time) -> None:
        self._issuer = issuer
        self._now = now

    def claims(
        self, token: str, header: Mapping[str, Any], key: Key, audiences: Sequence[str]
    ) -> dict[str, Any]:
        """The claims of a valid token.

        Args:
            token: The token.
            header: Its header.
            key: What it has to be signed with.
            audiences: For whom it may be.

        Raises:
            InvalidTokenError: It isn't valid; says why.
        """
        registry = _roomy([header["alg"]])
        rules = jwt.JWTClaimsRegistry(
            now=lambda: int(self._now()),
            leeway=SKEW_SECONDS,
            iss={"essential": True, "value": self._issuer},
            sub={"essential": True},
            aud={"essential": True, "values": list(audiences)},
            exp={"essential": True},
        )
        try:
            with warnings.catch_warnings():
                # EdDSA is an old name of Ed25519, which providers go on using.
                warnings.simplefilter("ignore", SecurityWarning)
                claims = jwt.decode(token, key, registry=registry).claims
            rules.validate(claims)
        except ExpiredTokenError:
            raise InvalidTokenError("it has expired") from None
        except MissingClaimError as error:
            raise InvalidTokenError(f"it lacks the claim {error.claim}") from None
        except InvalidClaimError as error:
            raise InvalidTokenError(f"its claim {error.claim} isn't what it has to be here") from None
        except (JoseError, ValueError, TypeError, RecursionError):
            raise InvalidTokenError("its signature isn't the provider's") from None
        return claims
