"""JSON answers, and checked query parameters; every error is `{"error": "one line"}`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

MAX_ID_LENGTH = 512
_PIECES_DEPTH = 4  # the long lists stand no deeper
_LONG = 50
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class ApiError(Exception):
    """Ends a request with a status and one line.

    Args:
        status: HTTP status, 4xx or 503.
        message: One line for the caller.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def json_response(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An `application/json` answer; nan and infinity are refused, for JSON knows neither."""
    body = "".join(_pieces(data)).encode("utf-8", "replace")
    return Response(body, status, headers, media_type="application/json")


def _pieces(data: Any, depth: int = 0) -> Iterator[str]:
    """JSON in pieces: writing it all at once would keep the interpreter from every other request meanwhile."""
    if depth == _PIECES_DEPTH or not data or not isinstance(data, dict | list):
        yield _encode(data)
    elif isinstance(data, dict):
        for number, (name, value) in enumerate(data.items()):
            yield f"{',' if number else '{'}{_encode(name)}:"
            yield from _pieces(value, depth + 1)
        yield "}"
    elif len(data) > _LONG:
        yield "["
        for start in range(0, len(data), _LONG):
            yield ("," if start else "") + _encode(data[start : start + _LONG])[1:-1]
        yield "]"
    else:
        for number, value in enumerate(data):
            yield "," if number else "["
            yield from _pieces(value, depth + 1)
        yield "]"


def int_param(request: Request, name: str, default: int, maximum: int) -> int:
    """A whole number from the query, 0 <= number; more than `maximum` is cut to it.

    Raises:
        ApiError: 400, not a number.
    """
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    # isdecimal alone also takes digits of other scripts; the length keeps int() from long work.
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise ApiError(400, f"{name} takes a whole number, 0 or more")
    return min(int(text), maximum)


def text_param(request: Request, name: str) -> str | None:
    """A text from the query, None if absent or empty.

    Raises:
        ApiError: 400, longer than any id or name.
    """
    text = request.query_params.get(name) or None
    if text is not None and len(text) > MAX_ID_LENGTH:
        raise ApiError(400, f"{name} is too long")
    return text


def bool_param(request: Request, name: str) -> bool:
    """A yes or no from the query: `1`, `true`, `yes`; absent is no.

    Raises:
        ApiError: 400, neither.
    """
    text = (request.query_params.get(name) or "").lower()
    if text in ("1", "true", "yes"):
        return True
    if text in ("", "0", "false", "no"):
        return False
    raise ApiError(400, f"{name} takes true or false")
