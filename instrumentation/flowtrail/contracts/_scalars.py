"""Single values that a program hands over, checked the same way in every binary format."""

from __future__ import annotations

import math
from enum import Enum
from struct import Struct
from typing import Any

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
        raise wrong("type should be a number")
    try:
        made = float(value)
    except OverflowError:
        raise wrong("out of the range of double") from None
    if isinstance(value, int) and made != value:
        raise wrong("a whole number that double can't hold exactly")
    return made


def text(value: Any) -> str:
    """Text, also as the value of an enum; raises `WrongError` if it is none that UTF-8 can write."""
    if type(value) is str and value.isascii():
        return value
    if isinstance(value, Enum) and isinstance(value.value, str):
        value = value.value
    if not isinstance(value, str):
        raise wrong("type should be string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise wrong("text with half of a surrogate pair") from None
    return value
