"""Threads that keep group members running, whatever happens to the broker."""

from __future__ import annotations

import logging
import threading

from flowtrail._runtime.ending import Ending
from flowtrail._runtime.group import GroupMember
from flowtrail._runtime.handlers import Plan
from flowtrail._runtime.partition import Memory
from flowtrail._runtime.publisher import reaching
from flowtrail._runtime.services import Services
from flowtrail.clients import ClientError, Partition

_log = logging.getLogger("flowtrail")

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 15.0


class GroupWorker:
    """Runs one member of a group in a thread; connects again whenever the consumer breaks.

    Args:
        plan: The group's handlers.
        services: What is shared.
        number: Which of the process's members of this group, from 0.
        stop: Set when the trail stops.
    """

    def __init__(self, plan: Plan, services: Services, number: int, stop: Ending) -> None:
        self._plan = plan
        self._services = services
        self._stop = stop
        self._memory: dict[Partition, Memory] = {}
        self._wait_seconds = _FIRST_WAIT_SECONDS
        self._last_failure = ""
        self.joined = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"flowtrail-{plan.group}-{number}", daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread's end; False if it takes longer."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._connect_and_work()
            except ClientError as error:
                _log.error("group %s: %s; trying again in %.1f s",
                           self._plan.group, error, self._wait_seconds)  # fmt: skip
            except Exception as error:  # noqa: BLE001 - whatever broke, the group is served again
                self._log_failure(error)
            except BaseException as error:  # noqa: BLE001 - SystemExit in a handler: it isn't committed
                _log.error("group %s: %r in a handler stops the trail", self._plan.group, error)
                self._stop.end(error)
                return
            else:
                return
            self._stop.wait(self._wait_seconds)
            self._wait_seconds = min(self._wait_seconds * 2, _LONGEST_WAIT_SECONDS)

    def _log_failure(self, error: Exception) -> None:
        """One line each time, the stack only where it is news."""
        news = repr(error) != self._last_failure
        self._last_failure = repr(error)
        _log.error(
            "group %s: the consumer failed: %s: %s; trying again in %.1f s",
            self._plan.group,
            type(error).__name__,
            error,
            self._wait_seconds,
            exc_info=error if news else None,
        )

    def _connect_and_work(self) -> None:
        member = GroupMember(self._plan, self._services, self._stop, self._memory, self.joined)
        client, plan = self._services.publisher.client, self._plan
        with reaching(client):
            consumer = client.open_consumer(plan.subscriptions, plan.group, member, start=plan.start)
        try:
            member.run(consumer, self._connected)
        finally:
            member.lost(member.partitions)
            consumer.close(self._services.timing.shutdown_timeout_seconds)

    def _connected(self) -> None:
        self._wait_seconds = _FIRST_WAIT_SECONDS
