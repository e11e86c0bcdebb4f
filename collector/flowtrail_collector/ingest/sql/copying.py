"""Events in the text format of COPY.

https://www.postgresql.org/docs/current/sql-copy.html, "Text Format".
"""

from __future__ import annotations

from collections.abc import Sequence

from flowtrail_collector.events.model import EventRow

__all__ = ["block"]

_NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\ufffd"})


def block(events: Sequence[EventRow]) -> bytes:
    """One line per event; `dead_letter` comes last, as t or f."""
    columns = len(EventRow._fields)
    # `True` and `False` are booleans to it too. A row with a text that has to be escaped gives itself away by what it adds to these counts.
    lines = ["\t".join([_NULL if value is None else str(value) for value in event]) for event in events]
    text = "\n".join(lines)
    nulls = text.count(_NULL)
    plain = (
        text.count("\t") == (columns - 1) * len(lines)
        and text.count("\n") == len(lines) - 1
        and text.count("\\") == nulls
        and "\r" not in text
        and "\0" not in text
        and nulls == sum(event.count(None) for event in events)
    )
    if not plain:
        text = "\n".join(["\t".join([_escaped(value) for value in event]) for event in events])
    return (text + "\n").encode("utf-8", "replace") if events else b""


def _escaped(value: object) -> str:
    if value is None:
        return _NULL
    return value.translate(_ESCAPES) if isinstance(value, str) else str(value)
