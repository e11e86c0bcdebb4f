"""Passing records on without ever blocking the member that consumes."""

from __future__ import annotations

import contextvars
import logging
import time
from collections.abc import Collection
from functools import partial

from flowtrail._runtime.lanes import Lanes
from flowtrail._runtime.letters import Passing
from flowtrail._runtime.publisher import Publisher
from flowtrail._runtime.scope import Scope
from flowtrail.clients import ChecksTopics
from flowtrail.errors import DeadLetterError

_log = logging.getLogger("flowtrail")

# What was found missing is looked for again after this time at the earliest.
_LOOK_AGAIN_SECONDS = 0.4


class Forwarder:
    """Publishes records of the groups to retry and dead letter topics.

    A client may block for a minute when a topic isn't there, and so hold up whoever calls it. So each topic
    has a lane: a thread, as long as there is something to send, that first sees to it that the topic exists.
    Clients that can't check topics are taken not to block.

    Args:
        publisher: Publishes, and knows the client.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        client = publisher.client
        self._checks = client if isinstance(client, ChecksTopics) else None
        self._lanes = Lanes("flowtrail-to")
        self._there: set[str] = set()
        self._missing: dict[str, tuple[float, str]] = {}

    def forward(self, passing: Passing, scope: Scope) -> None:
        """Publish; the scope, which is closed then, ends with the acknowledgement or the failure."""
        scope.begin()
        send = partial(contextvars.copy_context().run, self._send, passing, scope)
        if self._checks is None:
            send()
        else:
            self._lanes.put(passing.topic, send)

    def doubt(self, topic: str) -> None:
        """Something went wrong there: look whether it still exists before the next record goes."""
        self._there.discard(topic)

    def prepare(self, topics: Collection[str]) -> dict[str, str]:
        """Check topics, and create those that are missing, if the broker allows it.

        Returns:
            Those that are still missing, each with the reason.

        Raises:
            ClientError: The broker can't be reached.
        """
        if self._checks is None or not topics:
            return {}
        missing = dict(self._checks.ensure_topics(topics))
        self._there.update(topic for topic in topics if topic not in missing)
        now = time.monotonic()
        self._missing.update({topic: (now, reason) for topic, reason in missing.items()})
        return missing

    def _send(self, passing: Passing, scope: Scope) -> None:
        failure: Exception | None = None
        try:
            self._await_topic(passing.topic)
            key, value, headers = passing.contents()
            self._publisher.forward(passing.topic, key, value, headers, scope)
        except Exception as error:  # noqa: BLE001 - whoever waits for the scope decides
            failure = error
        scope.close()
        scope.end(failure, retriable=True)

    def _await_topic(self, topic: str) -> None:
        if self._checks is None or topic in self._there:
            return
        at, reason = self._missing.get(topic, (-_LOOK_AGAIN_SECONDS, ""))
        if time.monotonic() - at >= _LOOK_AGAIN_SECONDS:
            reason = self.prepare([topic]).get(topic, "")
        if reason:
            raise DeadLetterError(
                f"there is no topic {topic}, and it can't be created: {reason}", topic=topic
            )
