"""Columns of a batch as array literals: one parameter per column instead of one per value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["binaries", "numbers", "texts"]


def texts(values: Sequence[str | None]) -> str:
    """`text[]`; NUL, which PostgreSQL can't keep, becomes U+FFFD."""
    try:
        inner = '","'.join(values)  # type: ignore[arg-type]  # None raises
    except TypeError:
        return "{" + ",".join("NULL" if text is None else _quoted(text) for text in values) + "}"
    if "\\" in inner or "\0" in inner or inner.count('"') != max(2 * len(values) - 2, 0):
        return "{" + ",".join("NULL" if text is None else _quoted(text) for text in values) + "}"
    return '{"' + inner + '"}' if values else "{}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "\ufffd") + '"'


def numbers(values: Iterable[int | float | None]) -> str:
    """`bigint[]` or `float8[]`."""
    return "{" + ",".join(["NULL" if value is None else repr(value) for value in values]) + "}"


def binaries(values: Iterable[bytes]) -> str:
    """`bytea[]`."""
    return "{" + ",".join(['"\\\\x' + value.hex() + '"' for value in values]) + "}"
