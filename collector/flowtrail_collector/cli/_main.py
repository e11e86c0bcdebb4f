"""Entry point that works, with a clear message, even where the collector extra isn't installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from flowtrail_collector.runtime.leaving import leave


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `flowtrail` command.

    Args:
        arguments: Command line without the program's name; `sys.argv[1:]` if None.

    Returns:
        The exit code: 0 fine, 1 something was found (or not found), 2 usage, configuration or output that
        can't be written, 3 a service can't be reached, 141 whoever read the output has left.
    """
    try:
        from flowtrail_collector.cli._app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("flowtrail_collector", "flowtrail"):
            raise
        from flowtrail.errors import to_install

        print(
            f"flowtrail: the command line needs {error.name}: {to_install('collector')}",
            file=sys.stderr,
        )
        return 2
    return run(arguments)


def program() -> NoReturn:
    """The process of the `flowtrail` command, from its command line to its exit code."""
    try:
        code = main()
    except KeyboardInterrupt:  # while commands are still being loaded
        print("interrupted", file=sys.stderr)
        code = 130
    leave(code)
