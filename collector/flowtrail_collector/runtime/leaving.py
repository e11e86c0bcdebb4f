"""How a process ends that may leave threads behind."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import NoReturn

__all__ = ["leave"]


def leave(code: int) -> NoReturn:
    """End this process.

    Threads that a broker keeps waiting are left behind. If one of them wakes, or logs, while the interpreter is being
    taken down, Python ends the process with SIGABRT; so it isn't taken down.

    Args:
        code: The exit code.
    """
    if all(thread is threading.main_thread() or not thread.daemon for thread in threading.enumerate()):
        sys.exit(code)
    with contextlib.suppress(OSError):  # whoever read it has left
        sys.stdout.flush()
    os._exit(code)
