"""What a flow wants to know of the payloads of its events: an id, or how many there are of something."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from flowtrail_collector.events.schemas import Problem
from flowtrail_collector.events.sources import FromField, Look, NothingError

__all__ = ["MOST_TIMES", "PAYLOAD_PROBLEMS", "CountFrom", "Field", "Values", "read_fields"]

Values = tuple[tuple[str, str], ...]
"""What a flow wants to know of an event's payload: (name of the field, value)."""
PAYLOAD_PROBLEMS = (Problem.EMPTY, Problem.TOO_LARGE, Problem.NOT_JSON, Problem.MISSING, Problem.UNUSABLE)
"""Why a field may have no value."""
MOST_TIMES = 1_000_000
"""How much an event may say that a step takes."""
_MAX_BYTES = 64
_MAX_KEY = 1_024


class Field(NamedTuple):
    """A place in the payload whose value is kept with the event.

    Attributes:
        name: What it is kept under.
        place: Where it stands.
        counts: It says how many there are: a whole number, or a list, whose length counts.
        whole: It names an instance, and can't be kept as a hash.
    """

    name: str
    place: FromField
    counts: bool = False
    whole: bool = False

    def read(self, look: Look) -> str:
        """The value; one that is longer than 64 bytes, or not printable, as a hash.

        Raises:
            NothingError: There is none.
        """
        value = self.place.look(look)
        if self.counts:
            return _number(value)
        if not isinstance(value, str):
            raise NothingError(Problem.UNUSABLE)
        if not value:
            raise NothingError(Problem.MISSING)
        data = value.encode("utf-8", "surrogatepass")
        if len(data) <= (_MAX_KEY if self.whole else _MAX_BYTES) and value.isprintable():
            return value
        if self.whole:
            raise NothingError(Problem.UNUSABLE)
        return "blake2b:" + hashlib.blake2b(data, digest_size=16).hexdigest()


class CountFrom(NamedTuple):
    """An event that says how many times a step has to be done.

    Attributes:
        types: The event's types.
        field: Where it says so.
    """

    types: tuple[str, ...]
    field: Field


def read_fields(fields: Iterable[Field], look: Look) -> tuple[Values, list[Problem]]:
    """The values of those fields that have one, and why the others have none."""
    values: list[tuple[str, str]] = []
    problems: list[Problem] = []
    for field in fields:
        try:
            values.append((field.name, field.read(look)))
        except NothingError as error:
            problems.append(error.problem)
    return tuple(values), problems


def _number(value: object) -> str:
    if isinstance(value, list):
        value = str(len(value))
    # Numbers come as they are written; where all numbers have a point, so have whole ones.
    if isinstance(value, str):
        whole, _, part = value.partition(".")
        value = value if part.strip("0") else whole
    if (
        isinstance(value, str)
        and value.isascii()
        and value.isdecimal()
        and len(value) <= len(str(MOST_TIMES))
    ):
        return str(min(int(value), MOST_TIMES))
    raise NothingError(Problem.UNUSABLE)
