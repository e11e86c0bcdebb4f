"""Writing record headers: ours replace earlier ones, the caller's list stays as it is."""

from __future__ import annotations

from collections.abc import Iterable

from flowtrail._record import Header


def write_headers(headers: Iterable[Header] | None, ours: Iterable[Header]) -> list[Header]:
    """A new list: the caller's headers without any that `ours` brings, then `ours`.

    Args:
        headers: What the caller wants to send; never mutated, may be any iterable or None.
        ours: The headers to add.
    """
    added = list(ours)
    if not headers:
        return added
    replaced = {name for name, _ in added}
    return [header for header in headers if header[0] not in replaced] + added
