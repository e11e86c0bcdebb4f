"""Where a page of a list begins: behind a row, not behind so many.

Rows that are dealt with leave a list, and those behind them move up; whoever skips as many as a page has never sees them.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence

from flowtrail_collector.web.json import ApiError

__all__ = ["cursor_of", "key_in"]

_MAX_LENGTH = 2_000
_MAX_INT = 2**63


def cursor_of(key: Sequence[str | int | None]) -> str:
    """A row's place in the order of its list, as one word."""
    text = json.dumps(list(key), ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def key_in(
    values: Mapping[str, str], name: str, kinds: Sequence[type]
) -> tuple[str | int | None, ...] | None:
    """The place that such a word names; None if there is none.

    Args:
        values: Where it is.
        name: Its name.
        kinds: What a key of this list is made of; None stands for any of them.

    Raises:
        ApiError: 400, it isn't one that this list has given.
    """
    text = values.get(name)
    if not text:
        return None
    try:
        if len(text) > _MAX_LENGTH:
            raise ValueError
        found = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        fits = isinstance(found, list) and len(found) == len(kinds)
        if not fits or not all(map(_fits, found, kinds)):
            raise ValueError
    except (ValueError, binascii.Error, RecursionError):
        raise ApiError(400, f"{name} takes what this list says for its next page") from None
    return tuple(found)


def _fits(value: object, kind: type) -> bool:
    if isinstance(value, str):
        return kind is str and "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return kind is int and -_MAX_INT <= value < _MAX_INT
    return value is None
