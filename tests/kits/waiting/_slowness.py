"""How slow this machine is at the moment."""

import functools
import os
import time

VARIABLE = "FLOWTRAIL_TEST_SLOWNESS"
MOST = 20.0
# A round of the work takes this long on a quiet machine of two cores.
_ROUND_SECONDS = 0.0022
_ROUNDS = 20
_LONGEST_SECONDS = 1.0


class _Measured:
    """What was measured in this process; it only grows, because a machine that was slow may be so again."""

    factor = 0.0


@functools.cache
def _told() -> float | None:
    text = os.environ.get(VARIABLE, "")
    if not text:
        return None
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 1 <= factor < float("inf"):
        raise ValueError(f"{VARIABLE} is {text!r}: set it to a number of at least 1, or not at all")
    return factor


def slowness(*, anew: bool = False) -> float:
    """The factor that limits are multiplied by, at least 1; `anew` looks again whether it has grown.

    Raises:
        ValueError: `FLOWTRAIL_TEST_SLOWNESS` isn't a number of at least 1.
    """
    told = _told()
    if told is not None:
        return told
    if anew or not _Measured.factor:
        _Measured.factor = max(_Measured.factor, measure())
    return _Measured.factor


def scaled(seconds: float) -> float:
    """A limit in seconds that fits this machine."""
    return seconds * slowness()


def measure() -> float:
    """Do the work (about 40 ms on a quiet machine) and compare."""
    began, worked, rounds = time.perf_counter(), time.thread_time(), 0
    while rounds < _ROUNDS and time.perf_counter() - began < _LONGEST_SECONDS:
        _work()
        rounds += 1
    usual = rounds * _ROUND_SECONDS
    own = (time.thread_time() - worked) / usual
    passed = (time.perf_counter() - began) / usual
    queue = os.getloadavg()[0] / (os.cpu_count() or 1)
    return min(MOST, max(1.0, passed, own * max(1.0, queue)))


def _work() -> int:
    return sum(number * number % 7 for number in range(20_000))
