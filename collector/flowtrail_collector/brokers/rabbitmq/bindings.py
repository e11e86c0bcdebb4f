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
_ROUND_SECONDS = 0.5  # nothing is read meanwhile


class Bindings:
    """Binds what is new, unbinds what isn't followed any more.

    Args:
        config: Which exchanges, and the stream.
        management: Tells what there is.

    Attributes:
        problems: Exchanges that can't be followed, and why.
        is_done: Whether `update` did all there was to do, or the next one has to go on.
    """

    def __init__(self, config: RabbitConfig, management: Management) -> None:
        self._config = config
        self._management = management
        self._refused: dict[str, str] = {}
        self._next_retry = 0.0
        self._surplus: dict[Binding, float] = {}
        self.problems: dict[str, str] = {}
        self.is_done = False

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
        until = time.monotonic() + _ROUND_SECONDS
        channel = _Channel(self._config, connection)
        try:
            self._bind_all(channel, plan.missing, until)
            for binding in self._to_unbind(plan.surplus):
                if time.monotonic() >= until:
                    break
                channel.unbind(binding)
        finally:
            channel.close()
        self.is_done = time.monotonic() < until
        self._tell({**plan.problems, **self._refused})
        return len(set(plan.exchanges) - self.problems.keys())

    def _bind_all(self, channel: _Channel, missing: Iterable[Binding], until: float) -> None:
        """Bind until the time is over, and note the exchanges where that is refused, and why."""
        again = time.monotonic() >= self._next_retry
        if again:
            self._next_retry = time.monotonic() + _RETRY_SECONDS
        before, self._refused = self._refused, {}
        for binding in missing:
            name = binding.exchange
            if name in before and not again:
                self._refused[name] = before[name]
            elif name not in self._refused and time.monotonic() < until:
                try:
                    channel.bind(binding)
                except RefusedError as error:
                    self._refused[name] = str(error)

    def _to_unbind(self, surplus: Iterable[Binding]) -> list[Binding]:
        """The bindings that have been too many for a while."""
        now = time.monotonic()
        self._surplus = {binding: self._surplus.get(binding, now) for binding in surplus}
        return [binding for binding, since in self._surplus.items() if now - since >= _KEEP_SECONDS]

    def _tell(self, problems: Mapping[str, str]) -> None:
        for name in problems.keys() - self.problems.keys():
            logger.warning("exchange %s isn't followed: %s", name, problems[name])
        for name in self.problems.keys() - problems.keys():
            logger.info("exchange %s is followed or gone", name)
        self.problems = dict(problems)


class _Channel:
    """A channel that is opened when it is needed; the server closes it with what it refuses.

    Args:
        config: The stream.
        connection: Where to open it.
    """

    def __init__(self, config: RabbitConfig, connection: BlockingConnection) -> None:
        self._config = config
        self._connection = connection
        self._open: BlockingChannel | None = None

    def bind(self, binding: Binding) -> None:
        """Bind the stream.

        Raises:
            RefusedError: The server refuses.
            ServiceUnreachableError: It went away.
        """
        with said_by(self._config):
            self._channel().queue_bind(self._config.queue, binding.exchange, binding.key, binding.table)

    def unbind(self, binding: Binding) -> None:
        """Unbind it; raises what `bind` does."""
        with said_by(self._config):
            self._channel().queue_unbind(self._config.queue, binding.exchange, binding.key, binding.table)

    def close(self) -> None:
        """Close it if it is open."""
        if self._open is not None and self._open.is_open:
            with said_by(self._config):
                self._open.close()

    def _channel(self) -> BlockingChannel:
        if self._open is None or not self._open.is_open:
            self._open = self._connection.channel()
        return self._open
