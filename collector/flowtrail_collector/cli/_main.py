"""Entry point that works, with a clear message, even where the collector extra isn't installed."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `flowtrail` command.

    Args:
        arguments: Command line without the program's name; `sys.argv[1:]` if None.

    Returns:
        The exit code: 0 fine, 1 something was found (or not found), 2 usage or configuration, 3 a service
        can't be reached.
    """
    try:
        from flowtrail_collector.cli._app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("flowtrail_collector", "flowtrail"):
            raise
        print(
            f"flowtrail: the command line needs {error.name}: pip install 'flowtrail[collector]'",
            file=sys.stderr,
        )
        return 2
    return run(arguments)


def program() -> NoReturn:
    """The process of the `flowtrail` command, from its command line to its exit code.

    Threads that a broker keeps waiting are left behind. If one of them wakes, or logs, while the interpreter is being
    taken down, Python ends the process with SIGABRT; so it isn't taken down.
    """
    try:
        code = main()
    except KeyboardInterrupt:  # while commands are still being loaded
        print("interrupted", file=sys.stderr)
        code = 130
    if all(thread is threading.main_thread() or not thread.daemon for thread in threading.enumerate()):
        sys.exit(code)
    with contextlib.suppress(OSError):  # whoever read it has left
        sys.stdout.flush()
    os._exit(code)
