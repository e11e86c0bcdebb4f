"""Exit codes of the command line, and the exception that carries them."""

from __future__ import annotations

from typing import IO, Any

import click

EXIT_OK = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_READER_LEFT = 141
"""As of a program that SIGPIPE ends: whoever read the output has left."""


class Failure(click.ClickException):
    """Ends a command with one line on stderr.

    Args:
        message: The line, without the program's name.
        exit_code: 1 findings, 2 usage or configuration, 3 unreachable.
    """

    def __init__(self, message: str, exit_code: int = EXIT_FINDINGS) -> None:
        super().__init__(message)
        vars(self)["exit_code"] = exit_code  # click declares it for the class

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line."""
        click.echo(f"flowtrail: {self.format_message()}", file=file, err=file is None)
