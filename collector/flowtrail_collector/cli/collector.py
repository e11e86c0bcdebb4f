"""`flowtrail collector run` and `flowtrail collector check`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from flowtrail_collector.cli._errors import EXIT_OK
from flowtrail_collector.cli._options import FILE_OR_URL, stacked
from flowtrail_collector.cli._output import print_complaint
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.logs import write_logs
from flowtrail_collector.settings import SETTINGS, Kind, Setting, collector_config, parse_store
from flowtrail_collector.units import parse_duration, parse_size


class _Parsed(click.ParamType[Any]):
    """What a function makes of a text; its complaint becomes click's."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ConfigurationError as error:
            self.fail(str(error), param, ctx)


_PATH = click.Path(path_type=Path)
_TYPES: dict[Kind, click.ParamType[Any]] = {
    Kind.PATH: _PATH,
    Kind.TOKEN_FILE: _PATH,
    Kind.STORE: FILE_OR_URL,
    Kind.COUNT: click.IntRange(min=0),
    Kind.DURATION: _Parsed("duration", parse_duration),
    Kind.SIZE: _Parsed("size", parse_size),
}


def setting_option(setting: Setting) -> Callable[[Any], Any]:
    """A setting as an option of a command."""
    variables, default = setting.variables, setting.default
    return click.option(
        f"--{setting.option}",
        # A list of one would show as a list in messages.
        envvar=variables[0] if len(variables) == 1 else variables,
        show_envvar=True,
        type=click.Choice(setting.choices) if setting.kind is Kind.CHOICE else _TYPES.get(setting.kind),
        default=default,
        show_default=default not in ("", None, False, ()),
        is_flag=setting.kind is Kind.FLAG,
        multiple=setting.kind is Kind.NAMES,
        callback=_CALLBACKS.get(setting.kind),
        help=setting.help,
    )


def _store(context: click.Context, parameter: click.Parameter, text: str) -> Path | str:
    location = parse_store(text)
    if isinstance(location, str):
        _refuse_password(
            context, parameter, location, "PGPASSFILE or PGPASSWORD, or the whole URL in FLOWTRAIL_STORE"
        )
    return location


def _server(context: click.Context, parameter: click.Parameter, text: str) -> str:
    where = "FLOWTRAIL_RABBITMQ_PASSWORD or --rabbitmq-password-file, or the whole URL in the variable"
    _refuse_password(context, parameter, text, where)
    return text


def _refuse_password(context: click.Context, parameter: click.Parameter, url: str, where: str) -> None:
    name = str(parameter.name)
    typed = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    if typed and _has_password(url):
        raise ConfigurationError(
            f"--{name.replace('_', '-')}: anyone on this machine can read command lines; put the password in {where}"
        )


def _has_password(url: str) -> bool:
    try:
        return urlsplit(url).password is not None
    except ValueError:  # checked where it is used
        return "@" in url


_CALLBACKS = {Kind.STORE: _store, Kind.SERVER: _server}
_settings = stacked(map(setting_option, SETTINGS))


@click.group()
def collector() -> None:
    """The collector: the service that runs next to the broker."""


@collector.command()
@_settings
@click.option(
    "--log-level",
    envvar="FLOWTRAIL_LOG_LEVEL",
    show_envvar=True,
    type=click.Choice(("debug", "info", "warning", "error")),
    default="warning",
    show_default=True,
    help="Lowest level that is logged; the audit is at every level.",
)
def run(log_level: str, **values: Any) -> int:
    """Collect until SIGTERM or SIGINT.

    Prints one line with its URL once it listens. An unreachable broker doesn't stop it: /readyz reports it, and
    it keeps trying. Exit code 2: settings, flow file, store or address can't be used.
    """
    from flowtrail_collector.run import run_collector

    config = collector_config(values)
    write_logs(logging.getLevelNamesMapping()[log_level.upper()])
    run_collector(config, on_ready=lambda url: click.echo(f"flowtrail collector listens on {url}"))
    return EXIT_OK


@collector.command()
@_settings
def check(**values: Any) -> int:
    """Check what `run` would need, and change nothing.

    Exit code 2: settings, flow file, store or address can't be used. 3: a broker can't be reached.
    """
    from flowtrail_collector.run import check_collector

    code = EXIT_OK
    for name, problem, exit_code in check_collector(collector_config(values)):
        if problem is None:
            click.echo(f"{name}: ok")
        else:
            print_complaint(f"{name}: {problem}")
        # What the caller can correct comes before what may come back by itself.
        code = exit_code if code == EXIT_OK else min(code, exit_code or code)
    return code
