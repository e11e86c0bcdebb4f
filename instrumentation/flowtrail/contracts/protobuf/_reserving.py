"""Numbers and names that nobody may take, as sets: how their ranges are written says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from flowtrail.contracts.protobuf._kinds import proto_of

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Starts, and ends that don't belong to them."""


class Taken(NamedTuple):
    """What a message or an enum reserves.

    Attributes:
        numbers: Of fields or values.
        names: Likewise.
        extensions: Numbers that a message leaves to extensions.
    """

    numbers: Ranges
    names: frozenset[str]
    extensions: Ranges


def taken_by_message(descriptor: Any) -> Taken:
    """What a message reserves."""
    proto = proto_of(descriptor, "DescriptorProto")
    return Taken(
        tuple((part.start, part.end) for part in proto.reserved_range),
        frozenset(proto.reserved_name),
        tuple((part.start, part.end) for part in proto.extension_range),
    )


def taken_by_enum(descriptor: Any) -> Taken:
    """What an enum reserves: the ends of its ranges belong to them."""
    proto = proto_of(descriptor, "EnumDescriptorProto")
    numbers = tuple((part.start, part.end + 1) for part in proto.reserved_range)
    return Taken(numbers, frozenset(proto.reserved_name), ())


def holds(ranges: Ranges, number: int) -> bool:
    """Whether a number is in one of them."""
    return any(start <= number < end for start, end in ranges)


def singles(numbers: Iterable[int]) -> Ranges:
    """Each number as a range."""
    return tuple((number, number + 1) for number in numbers)


def without(ranges: Ranges, others: Ranges) -> Iterator[tuple[int, int]]:
    """What is in some ranges and not in others, each number once."""
    covered = sorted(others)
    for start, end in _merged(ranges):
        at = start
        for first, last in covered:
            if at < first < end:
                yield at, first
            if first < end:
                at = max(at, last)
        if at < end:
            yield at, end


def _merged(ranges: Ranges) -> Iterator[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return iter(found)


def shown(start: int, end: int) -> str:
    """A range, for lines."""
    return str(start) if end == start + 1 else f"{start} to {end - 1}"
