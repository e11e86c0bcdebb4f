"""Required fields that a message lacks.

The runtime knows them too, but ends the process over some: protobuf 7.36.2 takes each map of plain values that it
passes for the beginning of a path (`if (!val_m) continue;` before `upb_FindContext_Pop` in upb's
required_fields.c). Whatever names them there is never called: `FindInitializationErrors`, and what raises with its
words, such as `SerializeToString`. `IsInitialized` without arguments keeps no path.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from flowtrail.contracts.protobuf._kinds import is_map, is_repeated, is_required

_MOST = 5
_LONGEST = 120


def missing_of(message: Any) -> list[tuple[str, ...]]:
    """Their paths, at most 5: through places of lists and keys of maps.

    Args:
        message: Of any class, at most as deep as the runtime reads.
    """
    return list(islice(_missing(message, ()), _MOST))


def _missing(message: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    kind = type(message)
    for field in kind.DESCRIPTOR.fields:
        if is_required(field) and not kind.HasField(message, field.name):
            yield (*path, field.name)
    # A field may be named like a method, which an object then doesn't have.
    for field, value in kind.ListFields(message):
        for place, inner in _messages(field, value):
            yield from _missing(inner, (*path, field.name, *place))


def _messages(field: Any, value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The messages in a field, each with its place in it."""
    if is_map(field):
        if field.message_type.fields_by_name["value"].message_type is not None:
            for key in value:
                yield (str(key)[:_LONGEST],), value[key]
    elif field.message_type is None:
        return
    elif is_repeated(field):
        for place, inner in enumerate(value):
            yield (str(place),), inner
    else:
        yield (), value
