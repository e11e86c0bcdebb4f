"""Cookies that nobody else can make: a few values and when they end, signed.

Nothing of a session is stored here. So it goes on after a restart, in the reading process, and at every collector
that has the same client secret and the same rules for roles; changing either ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

__all__ = ["Seal", "fingerprint"]

_ALGORITHM = "HS256"
_MAX_BYTES = 4096


def fingerprint(*parts: object) -> str:
    """A short name of settings: those that differ have another one."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


class Seal:
    """Signs values for one purpose.

    Args:
        secret: The same for all that are to read them.
        purpose: Values sealed for another purpose, or under other settings, can't be opened.
        now: Seconds since the epoch.
    """

    def __init__(self, secret: str, purpose: str, now: Callable[[], float] = time.time) -> None:
        derived = hmac.new(secret.encode(), f"flowtrail {purpose}".encode(), hashlib.sha256)
        self._key = jwk.OctKey.import_key(derived.digest())
        self._now = now

    def seal(self, values: Mapping[str, Any], seconds: float) -> str:
        """The values as one text, which `open` takes for so many seconds."""
        claims = {**values, "exp": int(self._now() + seconds)}
        return jwt.encode({"alg": _ALGORITHM}, claims, self._key, algorithms=[_ALGORITHM])

    def open(self, text: str | None) -> dict[str, Any] | None:
        """The values; None if they weren't sealed here, or have ended."""
        if not text or len(text) > _MAX_BYTES:
            return None
        try:
            registry = jws.JWSRegistry(algorithms=[_ALGORITHM])
            claims = jwt.decode(text, self._key, registry=registry).claims
        except (JoseError, ValueError, TypeError, RecursionError):
            return None
        ends = claims.get("exp")
        return claims if isinstance(ends, int) and ends > self._now() else None
