"""The end of a program: what it published without waiting is still on its way then."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from functools import cache
from weakref import WeakKeyDictionary

from flowtrail._clock import remaining
from flowtrail._runtime.publisher import Publisher

_log = logging.getLogger("flowtrail")

_CLOSE_SECONDS = 1.0

_patience: WeakKeyDictionary[Publisher, float] = WeakKeyDictionary()


def wait_at_the_end(publisher: Publisher, seconds: float) -> None:
    """Have the interpreter wait, before it ends, for what this publisher has under way.

    Args:
        publisher: Whoever publishes; it may be gone by then.
        seconds: For how long at most.
    """
    _patience[publisher] = seconds
    _register()


@cache
def _register() -> None:
    # A client's own atexit may close it, and no thread can be started any more when those are called.
    register = getattr(threading, "_register_atexit", atexit.register)
    register(_wait)


def _wait() -> None:
    began = time.monotonic()
    for publisher, seconds in list(_patience.items()):
        if not publisher.flush(remaining(began + seconds)):
            _log.error(
                "the program is exiting, and not everything it published has been acknowledged after %.0f s: wait "
                "for it with trail.flush() or trail.close()",
                time.monotonic() - began,
            )
        publisher.close(max(remaining(began + seconds), _CLOSE_SECONDS))
