"""`flowtrail collector run` and `flowtrail collector check`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from flowtrail_collector.cli._errors import EXIT_OK
from flowtrail_collector.cli._lag_options import lag_config, lag_options
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.settings import (
    DEFAULT_DEAD_LETTER_TOPICS,
    DEFAULT_LISTEN,
    DEFAULT_TOPICS,
    CollectorConfig,
    KafkaConfig,
    RetentionConfig,
    SpanConfig,
    WebConfig,
    parse_duration,
    parse_size,
    parse_store,
)

F = TypeVar("F", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration(str(value))
        except ConfigurationError as error:
            self.fail(str(error), param, ctx)


class _Size(click.ParamType[int]):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_size(str(value))
        except ConfigurationError as error:
            self.fail(str(error), param, ctx)


_DURATION = _Duration()

_OPTIONS = (
    click.option(
        "--bootstrap-servers",
        envvar=["FLOWTRAIL_BOOTSTRAP_SERVERS", "KAFKA_BOOTSTRAP_SERVERS"],
        show_envvar=True,
        default="",
        help="Brokers, host:port[,host:port...].",
    ),
    click.option(
        "--consumer-config",
        envvar="FLOWTRAIL_CONSUMER_CONFIG",
        show_envvar=True,
        type=_PATH,
        help="A .properties file with further client settings (TLS, SASL).",
    ),
    click.option(
        "--flows",
        envvar="FLOWTRAIL_FLOWS",
        show_envvar=True,
        type=_PATH,
        help="The flow file (YAML); without it there are trails, lag and dead letters, but no sagas.",
    ),
    click.option(
        "--schema-registry",
        envvar="FLOWTRAIL_SCHEMA_REGISTRY",
        show_envvar=True,
        default="",
        help="Confluent-compatible registry that a mapping by schema asks, such as http://localhost:8081;"
        " one with a password in it belongs in the variable.",
    ),
    click.option(
        "--store",
        envvar="FLOWTRAIL_STORE",
        show_envvar=True,
        default="flowtrail.sqlite",
        show_default=True,
        callback=lambda ctx, param, value: _store(ctx, value),
        help="SQLite file that keeps everything, whose folder must exist; or postgresql://user@host/database.",
    ),
    click.option(
        "--listen",
        envvar="FLOWTRAIL_LISTEN",
        show_envvar=True,
        default=DEFAULT_LISTEN,
        show_default=True,
        help="HOST:PORT of metrics, API, OTLP receiver and console; port 0 takes a free one.",
    ),
    click.option(
        "--topics",
        envvar="FLOWTRAIL_TOPICS",
        show_envvar=True,
        default=DEFAULT_TOPICS,
        show_default=True,
        help="Topics whose events are followed (regular expression for the whole name).",
    ),
    click.option(
        "--dead-letter-topics",
        envvar="FLOWTRAIL_DEAD_LETTER_TOPICS",
        show_envvar=True,
        default=DEFAULT_DEAD_LETTER_TOPICS,
        show_default=True,
        help="Topics that hold dead letters, looked at first (regular expression for the whole name).",
    ),
    click.option(
        "--start",
        envvar="FLOWTRAIL_START",
        show_envvar=True,
        default="earliest",
        show_default=True,
        help="Where to begin in a partition never read before: earliest, latest, or so long ago (2h).",
    ),
    click.option(
        "--token-file",
        envvar="FLOWTRAIL_TOKEN_FILE",
        show_envvar=True,
        type=_PATH,
        help="File with the access token that requests must carry; FLOWTRAIL_TOKEN holds it directly.",
    ),
    click.option(
        "--write-token-file",
        envvar="FLOWTRAIL_WRITE_TOKEN_FILE",
        show_envvar=True,
        type=_PATH,
        help="File with the token that redriving and dismissing needs; FLOWTRAIL_WRITE_TOKEN holds it directly.",
    ),
    click.option(
        "--tls-cert",
        envvar="FLOWTRAIL_TLS_CERT",
        show_envvar=True,
        type=_PATH,
        help="Certificate chain (PEM): serve HTTPS.",
    ),
    click.option(
        "--tls-key",
        envvar="FLOWTRAIL_TLS_KEY",
        show_envvar=True,
        type=_PATH,
        help="Its private key (PEM).",
    ),
    click.option(
        "--insecure",
        envvar="FLOWTRAIL_INSECURE",
        show_envvar=True,
        is_flag=True,
        help="Listen beyond this machine without a token.",
    ),
    click.option(
        "--trace-link",
        envvar="FLOWTRAIL_TRACE_LINK",
        show_envvar=True,
        default="",
        help="Where the console's trace ids lead, e.g. http://localhost:16686/trace/{trace_id}.",
    ),
    click.option(
        "--grafana-link",
        envvar="FLOWTRAIL_GRAFANA_LINK",
        show_envvar=True,
        default="",
        help="A dashboard that trails link to; {from}, {to} (milliseconds), {trace_id} and {id} are filled in.",
    ),
    click.option(
        "--saga-traces-endpoint",
        envvar="FLOWTRAIL_SAGA_TRACES_ENDPOINT",
        show_envvar=True,
        default="",
        help="OTLP/HTTP receiver (Jaeger, say) that every ended saga is sent to as a trace of its own:"
        " a span per step with its outcome, linked to the real spans.",
    ),
    click.option(
        "--lag-interval",
        envvar="FLOWTRAIL_LAG_INTERVAL",
        show_envvar=True,
        type=_DURATION,
        default="5s",
        show_default=True,
        help="Pause between two lag collections.",
    ),
    *lag_options(_DURATION),
    click.option(
        "--sweep-interval",
        envvar="FLOWTRAIL_SWEEP_INTERVAL",
        show_envvar=True,
        type=_DURATION,
        default="1s",
        show_default=True,
        help="Pause between two looks for steps past their deadline.",
    ),
    click.option(
        "--span-retention",
        envvar="FLOWTRAIL_SPAN_RETENTION",
        show_envvar=True,
        type=_DURATION,
        default="7d",
        show_default=True,
        help="How long spans are kept.",
    ),
    click.option(
        "--event-retention",
        envvar="FLOWTRAIL_EVENT_RETENTION",
        show_envvar=True,
        type=_DURATION,
        default="7d",
        show_default=True,
        help="How long events are kept, by their records' timestamps.",
    ),
    click.option(
        "--saga-retention",
        envvar="FLOWTRAIL_SAGA_RETENTION",
        show_envvar=True,
        type=_DURATION,
        default="30d",
        show_default=True,
        help="How long sagas are kept once they have ended, or if they never started.",
    ),
    click.option(
        "--store-max-size",
        envvar="FLOWTRAIL_STORE_MAX_SIZE",
        show_envvar=True,
        type=_Size(),
        help="Size beyond which the oldest events, ended sagas and spans go, such as 20GB.",
    ),
    click.option(
        "--compat",
        envvar="FLOWTRAIL_COMPAT",
        show_envvar=True,
        multiple=True,
        help="Also export lag under the names of another exporter: kafka_exporter.",
    ),
)


def _config_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group()
def collector() -> None:
    """The service beside the broker."""


@collector.command()
@_config_options
@click.option(
    "--log-level",
    envvar="FLOWTRAIL_LOG_LEVEL",
    show_envvar=True,
    type=click.Choice(("debug", "info", "warning", "error")),
    default="warning",
    show_default=True,
    help="What the log says, at least.",
)
def run(log_level: str, **options: Any) -> int:
    """Collect until SIGTERM or SIGINT.

    Prints one line with its URL once it listens. An unreachable broker doesn't end it: /readyz says so, and
    it goes on trying. Exit code 2: settings, flow file, store or address can't be used.
    """
    from flowtrail_collector.run import run_collector

    config = _config(options)
    logging.basicConfig(
        level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    run_collector(config, on_ready=lambda url: click.echo(f"flowtrail collector listens on {url}"))
    return EXIT_OK


@collector.command()
@_config_options
def check(**options: Any) -> int:
    """Check what `run` would need, and change nothing.

    Exit code 2: settings, flow file, store or address can't be used. 3: Kafka can't be reached.
    """
    from flowtrail_collector.run import check_collector

    code = EXIT_OK
    for name, problem, exit_code in check_collector(_config(options)):
        click.echo(f"{name}: {problem or 'ok'}", err=problem is not None)
        # What the caller can correct comes before what may come back by itself.
        code = exit_code if code == EXIT_OK else min(code, exit_code or code)
    return code


def _config(options: dict[str, Any]) -> CollectorConfig:
    config = CollectorConfig(
        kafka=KafkaConfig(
            bootstrap_servers=options["bootstrap_servers"],
            consumer_config=options["consumer_config"],
            topics=options["topics"],
            dead_letter_topics=options["dead_letter_topics"],
            start=options["start"],
        ),
        flows=options["flows"],
        schema_registry=options["schema_registry"],
        store=options["store"],
        web=_web(options),
        spans=SpanConfig(
            retention_seconds=options["span_retention"],
            saga_traces_endpoint=options["saga_traces_endpoint"],
        ),
        lag_interval_seconds=options["lag_interval"],
        sweep_interval_seconds=options["sweep_interval"],
        compat=options["compat"],
        lag=lag_config(options),
        retention=RetentionConfig(
            options["event_retention"], options["saga_retention"], options["store_max_size"]
        ),
    )
    config.validate()
    return config


def _store(context: click.Context, text: str) -> Path | str:
    location = parse_store(text)
    typed = context.get_parameter_source("store") is click.core.ParameterSource.COMMANDLINE
    if isinstance(location, str) and typed and urlsplit(location).password is not None:
        raise ConfigurationError(
            "--store: everybody on the machine can read command lines; give the password in PGPASSFILE or"
            " PGPASSWORD, or the whole URL in FLOWTRAIL_STORE"
        )
    return location


def _web(options: dict[str, Any]) -> WebConfig:
    certificate, key = options["tls_cert"], options["tls_key"]
    if (certificate is None) is not (key is None):
        raise ConfigurationError("--tls-cert and --tls-key go together")
    return WebConfig(
        options["listen"],
        _token("--token-file", options["token_file"], "FLOWTRAIL_TOKEN"),
        options["insecure"],
        options["trace_link"],
        options["grafana_link"],
        write_token=_token("--write-token-file", options["write_token_file"], "FLOWTRAIL_WRITE_TOKEN"),
        tls=None if certificate is None else (certificate, key),
    )


def _token(option: str, path: Path | None, variable: str) -> str | None:
    # Not a --token option: command lines are visible to everybody on the machine.
    if path is None:
        return os.environ.get(variable, "").strip() or None
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{option} {path} can't be read: {error}") from error
    if not token:
        raise ConfigurationError(f"{option} {path} is empty")
    return token
