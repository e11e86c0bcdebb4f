"""Keeps the stream bound to the exchanges that are followed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from flowtrail_collector.brokers.rabbitmq.connection import RefusedError, said_by
from flowtrail_collector.brokers.rabbitmq.management import Management
from flowtrail_collector.brokers.rabbitmq.plan import Binding, Plan, plan_of
from flowtrail_collector.settings import RabbitConfig

if TYPE_CHECKING:
    from pika import BlockingConnection
    from pika.adapters.blocking_connection import BlockingChannel

__all__ = ["Bindings"]

logger = logging.getLogger("flowtrail_collector")

_RETRY_SECONDS = 30.0  # each attempt leaves an error in the server's log
# A queue that is declared anew, such as with another type, is without its bindings for a moment.
_KEEP_SECONDS = 5.0


class Bindings:
    """Binds what is new, unbinds what isn't followed any more.

    Args:
        config: Which exchanges, and the stream.
        management: Tells what there is.

    Attributes:
        problems: Exchanges that can't be followed, and why.
    """

    def __init__(self, config: RabbitConfig, management: Management) -> None:
        self._config = config
        self._management = management
        self._refused: dict[str, str] = {}
        self._next_retry = 0.0
        self._surplus: dict[Binding, float] = {}
        self.problems: dict[str, str] = {}

    def plan(self) -> Plan:
        """What there is to be done.

        Raises:
            ServiceUnreachableError: The management API doesn't answer.
        """
        exchanges, bindings = self._management.exchanges(), self._management.bindings()
        return plan_of(self._config, exchanges, bindings, self._refused)

    def update(self, connection: BlockingConnection) -> int:
        """Do it; first bind, then unbind, so that nothing is missed where one binding takes another's place.

        Returns:
            How many exchanges are followed.

        Raises:
            ServiceUnreachableError: The server or its management API doesn't answer.
        """
        plan = self.plan()
        self._refused = self._bind_all(connection, plan.missing)
        for binding in self._given_up(plan.surplus):
            self._unbind(connection, binding)
        self._tell({**plan.problems, **self._refused})
        return len(set(plan.exchanges) - self.problems.keys())

    def _bind_all(self, connection: BlockingConnection, missing: Iterable[Binding]) -> dict[str, str]:
        """Bind; the exchanges where that was refused, and why."""
        again = time.monotonic() >= self._next_retry
        if again:
            self._next_retry = time.monotonic() + _RETRY_SECONDS
        refused: dict[str, str] = {}
        for binding in missing:
            name = binding.exchange
            if name in self._refused and not again:
                refused[name] = self._refused[name]
            elif name not in refused:
                try:
                    self._bind(connection, binding)
                except RefusedError as error:
                    refused[name] = str(error)
        return refused

    def _given_up(self, surplus: Iterable[Binding]) -> list[Binding]:
        """The bindings that have been too many for a while."""
        now = time.monotonic()
        self._surplus = {binding: self._surplus.get(binding, now) for binding in surplus}
        return [binding for binding, since in self._surplus.items() if now - since >= _KEEP_SECONDS]

    def _bind(self, connection: BlockingConnection, binding: Binding) -> None:
        with said_by(self._config):
            channel = connection.channel()
            channel.queue_bind(self._config.queue, binding.exchange, binding.key, binding.table)
            channel.close()

    def _unbind(self, connection: BlockingConnection, binding: Binding) -> None:
        with said_by(self._config):
            channel: BlockingChannel = connection.channel()
            channel.queue_unbind(self._config.queue, binding.exchange, binding.key, binding.table)
            channel.close()

    def _tell(self, problems: Mapping[str, str]) -> None:
        for name in problems.keys() - self.problems.keys():
            logger.warning("exchange %s isn't followed: %s", name, problems[name])
        for name in self.problems.keys() - problems.keys():
            logger.info("exchange %s is followed or gone", name)
        self.problems = dict(problems)
