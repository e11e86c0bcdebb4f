"""Keeps the stream bound to the exchanges that are followed."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flowtrail_collector.brokers.rabbitmq.connection import RefusedError, is_of_a_key, said_by
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
# Unbound, it came back, and not by us.
_MOST_UNBOUND = 2
_MOST_REMEMBERED = 10_000
_ROUND_SECONDS = 0.5  # nothing is read meanwhile


class Bindings:
    """Binds what is new, unbinds what isn't followed any more.

    Args:
        config: Which exchanges, and the stream.
        management: Tells what there is.

    Attributes:
        problems: Exchanges that can't be followed, and why.
        is_idle: Whether no exchange fits.
        is_done: Whether `update` did all there was to do, or the next one has to go on.
    """

    def __init__(self, config: RabbitConfig, management: Management) -> None:
        self._config = config
        self._management = management
        self._refused: dict[Binding, str] = {}
        self._next_retry = 0.0
        self._surplus: dict[Binding, float] = {}
        self._unbound: Counter[Binding] = Counter()
        self.problems: dict[str, str] = {}
        self.is_idle = False
        self.is_done = True

    def plan(self) -> Plan:
        """What there is to be done.

        Raises:
            ServiceUnreachableError: The management API doesn't answer.
        """
        exchanges, bindings = self._management.exchanges(), self._management.bindings()
        return plan_of(self._config, exchanges, bindings, self._unreadable())

    def update(self, connection: BlockingConnection) -> int:
        """Do it; first bind, then unbind, so that nothing is missed where one binding takes another's place.

        Returns:
            How many exchanges are followed.

        Raises:
            ServiceUnreachableError: The server or its management API doesn't answer.
        """
        self.is_done = True  # where there is no answer, it isn't asked at once again
        plan = self.plan()
        self.is_idle = not plan.exchanges
        until = time.monotonic() + _ROUND_SECONDS
        channel = _Channel(self._config, connection)
        try:
            self._bind_all(channel, plan.missing, until)
            kept = self._unbind_all(channel, plan, until)
        finally:
            channel.close()
        self.is_done = time.monotonic() < until
        refused = {each.exchange: f"isn't followed{_part(why)}: {why}" for each, why in self._refused.items()}
        self._tell({**plan.problems, **kept, **refused})
        return len(set(plan.exchanges) - self.problems.keys())

    def _bind_all(self, channel: _Channel, missing: Sequence[Binding], until: float) -> None:
        """Bind until the time is over, and note what is refused, and why."""
        again = time.monotonic() >= self._next_retry
        if again:
            self._next_retry = time.monotonic() + _RETRY_SECONDS
        before, self._refused = self._refused, {}
        for binding in missing:
            if binding in before and not again:
                self._refused[binding] = before[binding]
        unreadable = self._unreadable()
        for binding in missing:
            if binding in self._refused or binding.exchange in unreadable or time.monotonic() >= until:
                continue
            try:
                channel.bind(binding)
            except RefusedError as error:
                self._refused[binding] = str(error)
                unreadable = self._unreadable()
            else:
                self._unbound.pop(binding, None)

    def _unreadable(self) -> set[str]:
        """Exchanges of which nothing may be read; where topic permissions refuse a key, others may be."""
        return {each.exchange for each, why in self._refused.items() if not is_of_a_key(why)}

    def _unbind_all(self, channel: _Channel, plan: Plan, until: float) -> dict[str, str]:
        """Unbind what has been too much for a while; exchanges of which something stays bound, and why."""
        now = time.monotonic()
        self._surplus = {binding: self._surplus.get(binding, now) for binding in plan.surplus}
        kept: dict[str, str] = {}
        for binding, since in self._surplus.items():
            # An exchange that goes with its last binding is held by ours.
            if now - since < _KEEP_SECONDS and binding.exchange not in plan.passing:
                continue
            if self._unbound[binding] >= _MOST_UNBOUND:
                kept[binding.exchange] = (
                    f"stays bound with {binding.key or 'all'}: another collector binds {self._config.queue} otherwise: give one of them another --rabbitmq-queue"
                )
            elif time.monotonic() < until:
                try:
                    channel.unbind(binding)
                except RefusedError as error:
                    kept[binding.exchange] = f"stays bound: {error}"
                else:
                    self._unbound[binding] += 1
        if len(self._unbound) > _MOST_REMEMBERED:
            self._unbound.clear()
        return kept

    def _tell(self, problems: Mapping[str, str]) -> None:
        for name in problems.keys() - self.problems.keys():
            logger.warning("exchange %s %s", name, problems[name])
        for name in self.problems.keys() - problems.keys():
            logger.info("exchange %s is followed as it should be, or gone", name)
        self.problems = dict(problems)


def _part(why: str) -> str:
    return " whole" if is_of_a_key(why) else ""


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
