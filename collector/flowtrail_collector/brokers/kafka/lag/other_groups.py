"""Groups that confluent-kafka leaves out of its listing, or takes for others.

librdkafka lists only groups whose protocol type is "consumer", which leaves out share and streams groups, and ends a
name at a NUL. Those are asked for through kafka-python, where that is installed (extra `kafka-python`); without it
they are not listed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flowtrail_collector.brokers.kafka.connection import KafkaConnection
from flowtrail_collector.brokers.kafka.lag.second_client import connected, settings_of
from flowtrail_collector.lag.ports import GroupInfo

__all__ = ["OtherGroups"]

logger = logging.getLogger("flowtrail_collector.lag")

_TYPES = ("share", "streams")


class OtherGroups:
    """Lists share and streams groups now and then, in a thread, so that no collection waits for it.

    Args:
        connection: how the cluster is reached.
        every_seconds: how often they are listed.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        every_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings_of(connection)
        self._every_seconds = every_seconds
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._asked_at = float("-inf")
        self._known: list[GroupInfo] = []
        self._impostors: frozenset[str] = frozenset()

    def groups(self) -> Sequence[GroupInfo]:
        """Those listed last; begins a new listing when it is time."""
        listing = self._thread is not None and self._thread.is_alive()
        due = self._clock() - self._asked_at >= self._every_seconds
        if due and not listing and self._settings is not None:
            self._asked_at = self._clock()
            # A daemon: a cluster that doesn't answer must not hold up the end of the program.
            self._thread = threading.Thread(target=self._list, name="flowtrail-groups", daemon=True)
            self._thread.start()
        return self._known

    def together_with(self, listed: Iterable[GroupInfo]) -> list[GroupInfo]:
        """All groups: those that confluent-kafka lists, less the stumps of names with a NUL, and the others."""
        others = self.groups()
        real = [group for group in listed if group.name not in self._impostors]
        if not others:
            return real
        # What was listed just now is newer: the group of another type that had this name is gone.
        names = {group.name for group in real}
        return [*real, *(group for group in others if group.name not in names)]

    def close(self) -> None:
        """Wait a moment for a listing under way."""
        if self._thread is not None:
            self._thread.join(2)

    def _list(self) -> None:
        if self._settings is None:
            return
        try:
            listed = _listed(self._settings)
            names = {group.name for group in listed}
            stumps = {name.partition("\0")[0] for name in names if "\0" in name}
            self._impostors = frozenset(stumps - names)
            self._known = [group for group in listed if group.type in _TYPES or "\0" in group.name]
        except ImportError:
            self._settings = None
            logger.info("share and streams groups are not listed: that takes `pip install kafka-python`")
        except Exception as error:  # noqa: BLE001 - an extra: the cluster's failures are told where lag is read
            logger.debug("share and streams groups are not listed: %s", error)


def _listed(settings: Mapping[str, Any]) -> list[GroupInfo]:
    client = connected(settings)
    try:
        return [
            GroupInfo(
                str(group["group_id"]),
                str(group.get("group_type") or "unknown"),
                _state(group.get("group_state")),
            )
            for group in client.list_groups()
        ]
    finally:
        client.close()


def _state(state: str | None) -> str:
    known = {"Stable": "stable", "Empty": "empty", "Dead": "dead", "Reconciling": "completing_rebalance"}
    return known.get(state or "", "unknown")
