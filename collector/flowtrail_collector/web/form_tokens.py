"""Proves that a form was made by this console for this browser."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from starlette.requests import Request
from starlette.responses import Response

from flowtrail_collector.web.prefix import prefix

__all__ = ["FormTokens"]


class FormTokens:
    """Proves that a form was made by this console for this browser (signed double submit).

    A random cookie that scripts and other sites can't read, and in the form a signature of it.

    Args:
        secret: The same for all workers behind one address; None makes one up, which a restart forgets.
    """

    cookie = "flowtrail_form"

    def __init__(self, secret: str | None = None) -> None:
        seed = secret.encode() if secret else secrets.token_bytes(32)
        self._key = hashlib.sha256(b"flowtrail forms\0" + seed).digest()

    def issue(self, request: Request) -> tuple[str, str]:
        """The cookie's value, which `keep` has to set, and the token for the form."""
        value = request.cookies.get(self.cookie, "")
        if not (value.isascii() and value.isalnum() and len(value) == 64):
            value = secrets.token_hex(32)
        return value, self._sign(value)

    def keep(self, request: Request, response: Response, value: str) -> None:
        """Give the browser the cookie."""
        response.set_cookie(
            self.cookie,
            value,
            path=prefix() or "/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )

    def is_valid(self, request: Request, token: str | None) -> bool:
        """Whether a form that came in is one of ours."""
        value = request.cookies.get(self.cookie)
        if not value or not token:
            return False
        return hmac.compare_digest(self._sign(value).encode(), token.encode("utf-8", "replace"))

    def sign(self, request: Request, text: str) -> str:
        """A signature of a text that a form of this browser carries."""
        return self._sign(f"{request.cookies.get(self.cookie, '')}\0{text}")

    def is_signed(self, request: Request, text: str, signature: str) -> bool:
        """Whether a text that came in is one that this browser was given."""
        return hmac.compare_digest(self.sign(request, text).encode(), signature.encode("utf-8", "replace"))

    def _sign(self, value: str) -> str:
        return hmac.new(self._key, value.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
