"""`flowtrail doctor`."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from flowtrail import __version__
from flowtrail.errors import to_install
from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK
from flowtrail_collector.cli._options import stacked
from flowtrail_collector.cli._output import console, print_json, print_words
from flowtrail_collector.cli.collector import setting_option
from flowtrail_collector.conditions import PartState
from flowtrail_collector.errors import CollectorError
from flowtrail_collector.settings import SETTINGS, rabbit_config
from flowtrail_collector.wording import age, counted, printable

_PACKAGES = (
    ("kafka-python", "kafka-python"),
    ("confluent-kafka", "confluent"),
    ("aiokafka", "aiokafka"),
    ("pika", "pika"),
    ("aio-pika", "aio-pika"),
    ("starlette", "collector"),
    ("opentelemetry-sdk", ""),
)

_OF_RABBITMQ = (
    "rabbitmq", "rabbitmq-password-file", "rabbitmq-management", "rabbitmq-exchanges", "rabbitmq-copy",
    "rabbitmq-queue",
)  # fmt: skip

Check = tuple[str, bool, str]


@click.command()
@click.option(
    "--bootstrap-servers",
    envvar=["FLOWTRAIL_BOOTSTRAP_SERVERS", "KAFKA_BOOTSTRAP_SERVERS"],
    help="Also check whether these brokers answer.",
)
@click.option("--consumer-config", type=click.Path(path_type=Path), help="Client settings (.properties).")
@stacked(setting_option(setting) for setting in SETTINGS if setting.option in _OF_RABBITMQ)
@collector_options
def doctor(
    client: CollectorClient,
    as_json: bool,
    bootstrap_servers: str | None,
    consumer_config: Path | None,
    **rabbitmq: Any,
) -> int:
    """Check what is installed and what answers. Exit code 1: something needs attention.

    With --rabbitmq, once a collector has declared its stream there, also whether the user has the permissions that it
    needs, and which exchanges it follows; nothing on the server is changed.
    """
    checks = [
        *_installed(),
        *_kafka(bootstrap_servers, consumer_config),
        *_rabbitmq(rabbitmq),
        *_collector(client),
    ]
    if as_json:
        print_json([{"check": name, "ok": ok, "detail": detail} for name, ok, detail in checks])
    else:
        out = console()
        for name, ok, detail in checks:
            line = f"{'ok  ' if ok else 'FAIL'}  {name}: {printable(detail)}"
            print_words(out, line, indent=6, style="" if ok else "red")
    return EXIT_OK if all(ok for _, ok, _ in checks) else EXIT_FINDINGS


def _installed() -> Iterator[Check]:
    yield "flowtrail", True, f"{__version__} on Python {platform.python_version()}"
    for package, extra in _PACKAGES:
        try:
            yield package, True, version(package)
        except PackageNotFoundError:
            # Which client is used is the user's choice: a missing one is worth a word, not a failure.
            yield package, True, f"not installed ({to_install(extra)})"


def _kafka(bootstrap_servers: str | None, consumer_config: Path | None) -> Iterator[Check]:
    if not bootstrap_servers:
        return
    from flowtrail_collector.brokers.kafka.connection import check_reachable, read_connection

    try:
        check_reachable(read_connection(bootstrap_servers, properties_file=consumer_config))
    except CollectorError as error:
        yield "kafka", False, str(error)
    else:
        yield "kafka", True, f"{bootstrap_servers} answers"


def _rabbitmq(values: Mapping[str, Any]) -> Iterator[Check]:
    config = rabbit_config(values)
    if not config.url:
        return
    from flowtrail_collector.brokers.rabbitmq.checkup import examine

    try:
        yield from examine(config)
    except CollectorError as error:
        yield "rabbitmq", False, str(error)


def _collector(client: CollectorClient) -> Iterator[Check]:
    try:
        status = client.get("/api/v1/status")
    except click.ClickException as error:
        yield "collector", False, error.format_message()
        return
    yield "collector", True, f"{client.url} answers, version {status['version']}"
    for part, each in status["parts"].items():
        if each["reason"]:
            said = f"{each['state']}: {each['reason']}"
            # One that is about to begin, or has nothing to do, is worth a word, not a failure.
            yield part, each["state"] != PartState.FAILING, said
    yield from _topics(client)


def _topics(client: CollectorClient) -> Iterator[Check]:
    try:
        topics = client.get("/api/v1/topics")["topics"]
    except click.ClickException as error:
        yield "topics", False, error.format_message()
        return
    records = sum(topic["records"] for topic in topics)
    yield "topics", True, f"{counted(records, 'record')} read of {counted(len(topics), 'topic')}"
    for topic in topics:
        if topic["advice"]:
            # Not every topic holds events: worth a word, not a failure.
            yield f"topic {topic['topic']}", True, f"{_figures(topic)}; {topic['advice']}"


def _figures(topic: dict[str, Any]) -> str:
    parts = [f"{topic['without_type']} without a type", f"{topic['without_id']} without an id"]
    if topic["mapped"]:
        parts.append(counted(topic["mapping_problems"], "mapping problem"))
    last = f"; last offset {topic['last_offset']}, {age(topic['last_time'])}" if topic["last_time"] else ""
    return f"{counted(topic['records'], 'record')}, {', '.join(parts)}{last}"
