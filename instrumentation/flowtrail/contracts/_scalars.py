"""Single values that a program hands over, checked the same way in every binary format."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

from flowtrail.contracts._violations import wrong

_NUMBERS = (int, float)
_LARGEST_SINGLE = 3.4028235677973366e38


def single(value: Any) -> float:
    """A number of 32 bits; raises `WrongError` if it is none."""
    made = double(value)
    if math.isfinite(made) and abs(made) > _LARGEST_SINGLE:
        raise wrong("out of the range of float")
    return made


def double(value: Any) -> float:
    """A number of 64 bits; raises `WrongError` if it is none."""
    if not isinstance(value, _NUMBERS) or isinstance(value, bool):
        raise wrong("type should be a number")
    try:
        return float(value)
    except OverflowError:
        raise wrong("out of the range of double") from None


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
