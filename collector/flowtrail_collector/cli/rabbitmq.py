"""`flowtrail rabbitmq unbind`."""

from __future__ import annotations

from typing import Any

import click

from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK
from flowtrail_collector.cli._options import stacked
from flowtrail_collector.cli._output import console, print_words
from flowtrail_collector.cli.collector import setting_option
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.settings import SETTINGS, rabbit_config

_NEEDED = ("rabbitmq", "rabbitmq-password-file", "rabbitmq-management", "rabbitmq-queue")


@click.group()
def rabbitmq() -> None:
    """What the collector has declared on a RabbitMQ server."""


@rabbitmq.command()
@stacked(setting_option(setting) for setting in SETTINGS if setting.option in _NEEDED)
def unbind(**values: Any) -> int:
    """Delete the collector's stream and its bindings.

    A running collector would declare it again: stop it first. Exit code 1: there was none. 3: the server can't be
    reached, or refuses.
    """
    from flowtrail_collector.brokers.rabbitmq.stream import remove_stream

    config = rabbit_config(values)
    if not config.url:
        raise ConfigurationError(
            "no RabbitMQ server given: use --rabbitmq amqp://user@host/vhost or FLOWTRAIL_RABBITMQ"
        )
    if not remove_stream(config):
        print_words(console(), f"there is no queue {config.queue} at {config.shown}", indent=2)
        return EXIT_FINDINGS
    print_words(console(), f"{config.queue} and its bindings were deleted from {config.shown}", indent=2)
    return EXIT_OK
