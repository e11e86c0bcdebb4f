"""Single values that a program hands over, checked the same way in every binary format."""

from __future__ import annotations

import math
from collections.abc import Container
from enum import Enum
from struct import Struct
from typing import Any

from flowtrail.contracts._values import content_of
from flowtrail.contracts._violations import wrong

_NUMBERS = (int, float)
_LARGEST_SINGLE = 3.4028235677973366e38
_SINGLE = Struct("<f")


def single(value: Any) -> float:
    """A number of 32 bits, rounded to one unless it is whole; raises `WrongError` if it is none."""
    made = double(value)
    if math.isfinite(made) and abs(made) > _LARGEST_SINGLE:
        raise wrong("out of the range of float")
    rounded: float = _SINGLE.unpack(_SINGLE.pack(made))[0]
    if rounded != made and isinstance(value, int):
        raise wrong("a whole number that float can't hold exactly")
    return rounded


def double(value: Any) -> float:
    """A number of 64 bits; raises `WrongError` if it is none."""
    if type(value) is float:
        return value
    if not isinstance(value, _NUMBERS) or isinstance(value, bool):
        value = content_of(value)
        if not isinstance(value, _NUMBERS) or isinstance(value, bool):
            raise wrong("type should be a number")
    try:
        made = float(value)
    except OverflowError:
        raise wrong("out of the range of double") from None
    if isinstance(value, int) and made != value:
        raise wrong("a whole number that double can't hold exactly")
    return made


def whole(name: str, least: int, end: int, value: Any) -> int:
    """A whole number, also as the value of an enumeration; raises `WrongError` if it is none below `end`."""
    if type(value) is not int:
        if not isinstance(value, int):
            value = content_of(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong(f"type should be {name}")
    if not least <= value < end:
        raise wrong(f"out of the range of {name}")
    return int(value)


def symbol(symbols: Container[str], value: Any) -> Any:
    """What stands for a member of an enumeration: its value, or its name where only that is declared.

    Args:
        symbols: Those of the contract.
        value: A member, or anything else, which stays what it is.

    Raises:
        WrongError: The name would be read as another member, whose value it is.
    """
    if not isinstance(value, Enum):
        return value
    said = value.value
    if (isinstance(said, str) and said in symbols) or value.name not in symbols:
        return said
    if any(member.value == value.name and member is not value for member in type(value)):
        raise wrong(f"its name, {value.name}, is the value of another")
    return value.name


def text(value: Any) -> str:
    """Text, also as the value of an enum; raises `WrongError` if it is none that UTF-8 can write."""
    if type(value) is str and value.isascii():
        return value
    if not isinstance(value, str) or isinstance(value, Enum):
        value = content_of(value)
        if not isinstance(value, str):
            raise wrong("type should be string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise wrong("text with half of a surrogate pair") from None
    return value
