"""Every command of the command line with its arguments and options, as click knows them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import click

from flowtrail_collector.cli._app import cli
from tools.docs.collector._markdown import code, table

__all__ = ["commands", "commands_section", "options", "variables_of"]

Command = tuple[click.Context, click.Command]
# With so many options, all of which another command has too, a command only names that one.
_MANY = 10
_INTRODUCTION = """Every command has `-h` and `--help`. An option counts before its variable, the variable before the \
default.
"""


def commands() -> Iterator[Command]:
    """The root and every command below it, depth first."""
    yield from _below(click.Context(cli, info_name="flowtrail", **cli.context_settings), cli)


def options(context: click.Context, command: click.Command) -> list[click.Option]:
    """A command's options, but for that for help, which all have."""
    return [
        parameter
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts
    ]


def variables_of(option: click.Option) -> list[str]:
    """The environment variables that an option is read from."""
    return [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())


def commands_section() -> str:
    """All commands, as Markdown."""
    found = [(context, command, options(context, command)) for context, command in commands()]
    sets = {context.command_path: {_names(option) for option in own} for context, _, own in found}
    return "\n".join([_INTRODUCTION, *(_section(*each, sets) for each in found)])


def _section(
    context: click.Context, command: click.Command, own: list[click.Option], sets: Mapping[str, set[str]]
) -> str:
    text = f"### `{context.command_path}`\n\n{_about(context, command)}\n"
    names = sets[context.command_path]
    like = next((path for path, others in sets.items() if len(names) >= _MANY and names < others), None)
    if like is not None:
        return f"{text}\nTakes the options of `{like}`, but for {code(*sorted(sets[like] - names))}.\n"
    if own:
        text += "\n" + table(
            ("option", "variable", "default", "meaning"), [_row(context, option) for option in own]
        )
    return text


def _below(context: click.Context, command: click.Command) -> Iterator[Command]:
    yield context, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from _below(click.Context(found, parent=context, info_name=name), found)


def _about(context: click.Context, command: click.Command) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = f"`{usage}`\n\n{_paragraphs(command.help)}"
    return f"{text}\n\n{_paragraphs(command.epilog)}" if command.epilog else text


def _paragraphs(text: str | None) -> str:
    # click leaves lines alone after a line with \b: such a block is one that must not be wrapped.
    blocks = re.split(r"\n\s*\n", (text or "").replace("\f", "").strip())
    return "\n\n".join(
        f"```text\n{block.removeprefix(chr(8)).strip(chr(10))}\n```"
        if block.startswith("\b")
        else " ".join(block.split())
        for block in blocks
    )


def _names(option: click.Option) -> str:
    return ", ".join([*option.opts, *option.secondary_opts])


def _row(context: click.Context, option: click.Option) -> tuple[str, ...]:
    takes = "" if option.is_flag or option.count else f" {option.make_metavar(context)}"
    names = code(*option.opts[:-1], f"{option.opts[-1]}{takes}", *option.secondary_opts)
    return (
        names,
        code(*variables_of(option)),
        _default(context, option),
        " ".join((option.help or "").split()),
    )


def _default(context: click.Context, option: click.Option) -> str:
    value = option.get_default(context, call=False)
    if option.is_flag or callable(value) or not isinstance(value, str | int | float) or value == "":
        return "required" if option.required else ""
    return code(str(value))
