"""The command tree; a command's module is imported when it is called, so that `--help` stays quick."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import StringIO, TextIOWrapper

import click

from flowtrail_collector.cli._errors import EXIT_READER_LEFT, EXIT_USAGE
from flowtrail_collector.cli._help import HelpContext, readable
from flowtrail_collector.cli._writing import OutputError, checked_output
from flowtrail_collector.errors import CollectorError

# Each is a click command in the module of its name.
_COMMANDS = ("trace", "oncall", "stuck", "sagas", "lag", "dlq", "top", "flows", "contracts", "asyncapi", "eventcatalog",
             "collector", "rabbitmq", "mcp", "doctor", "completion")  # fmt: skip
# Here a shell says that it wants the rest of a word.
_COMPLETION = "_flowtrail_complete".upper()  # as click makes it of the name


class _LazyGroup(click.Group):
    context_class = HelpContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"flowtrail_collector.cli.{cmd_name}")
        return readable(getattr(module, cmd_name))


@click.command(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 fine, 1 something was found or not found, 2 usage, configuration, or output "
    "that can't be written, 3 a broker or the collector can't be reached.",
)
@click.version_option(package_name="flowtrail", message="flowtrail %(version)s")  # reads it when asked
def cli() -> None:
    """What happened to this order, where is it stuck, and who is behind."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and turn every known failure into one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that can't show a character gets a question mark, not a traceback.
            stream.reconfigure(errors="replace")
    if _COMPLETION in os.environ:
        from flowtrail_collector.cli._shells import add_shells

        add_shells()
    try:
        with checked_output():
            result = cli.main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_USAGE
    except click.ClickException as error:
        shown = StringIO()
        error.show(shown)
        _complain(shown.getvalue())
        return error.exit_code
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return 130
    except CollectorError as error:
        _complain(f"flowtrail: {error}")
        return error.exit_code
    except OutputError as error:
        if error.reader_left:  # `flowtrail sagas | head`
            return EXIT_READER_LEFT
        _complain(f"flowtrail: the output can't be written: {error.reason}")
        return EXIT_USAGE
    return result if isinstance(result, int) else 0


def _complain(text: str) -> None:
    from flowtrail_collector.cli._output import print_complaint

    with contextlib.suppress(OSError):  # nowhere to say it: the exit code does
        for line in text.splitlines():
            print_complaint(line)
