"""What the interpreter is told, so that requests are answered soon while much is read."""

from __future__ import annotations

import gc
import sys

__all__ = ["keep_answers_quick"]

_SWITCH_SECONDS = 0.0001
_GARBAGE_THRESHOLDS = (150_000, 20, 20)  # a batch of 10,000 events, ten objects each, stays below


def keep_answers_quick() -> None:
    """Reading events takes nearly all of the interpreter's time; what is asked comes in between.

    They ask SQLite for many rows and wait at each for the interpreter's lock: with Python's own 5 ms a trail of
    5 ms takes 50. What has been loaded so far stays for good, so looking through it for garbage every second,
    which takes 80 ms, finds nothing; and a portion of events, which is no garbage either, is gone before
    Python's own thresholds would be right to suspect it.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
