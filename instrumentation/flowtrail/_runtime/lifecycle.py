"""Starting and stopping everything that a trail runs: the members of its groups, the relays of its outboxes."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flowtrail._runtime.handlers import Plan
from flowtrail._runtime.runner import Background, Runner
from flowtrail._runtime.services import Services
from flowtrail._runtime.workers import GroupWorker
from flowtrail.errors import ConfigurationError

if TYPE_CHECKING:
    from flowtrail.outbox import Outbox


class Lifecycle:
    """Runs once at a time, and can be started again after it was stopped.

    Args:
        shutdown_timeout_seconds: For how long stopping waits for what is in hand, and then for publications.
    """

    def __init__(self, shutdown_timeout_seconds: float) -> None:
        self._shutdown_timeout_seconds = shutdown_timeout_seconds
        self._lock = threading.Lock()
        self._runner: Runner | None = None
        self._workers: list[GroupWorker] = []

    def start(self, services: Services, plans: Iterable[Plan], outboxes: Iterable[Outbox]) -> threading.Event:
        """Start everything; doesn't block. The event that it hands back is set when it is to end.

        Raises:
            ConfigurationError: It runs already.
        """
        with self._lock:
            if self._runner is not None:
                raise ConfigurationError("this trail is running already")
            stop = threading.Event()
            self._workers = [
                GroupWorker(plan, services.publisher.client, services, number, stop)
                for plan in plans
                for number in range(plan.concurrency)
            ]
            parts: list[Background] = [
                *self._workers,
                *(outbox.relay(services.publisher, stop) for outbox in outboxes),
            ]
            self._runner = Runner(parts, stop)
            self._runner.start()
            return stop

    def ready(self, timeout_seconds: float) -> bool:
        """Whether every consumer has joined its group, waiting for it if asked to."""
        workers = list(self._workers)
        return bool(workers) and all(worker.joined.wait(timeout_seconds) for worker in workers)

    def stop(self, services: Services | None) -> None:
        """Stop what runs, then close what it used, if it was made at all; blocks. Safe to call again."""
        with self._lock:
            runner, self._runner = self._runner, None
        if runner is not None:
            runner.stop(self._shutdown_timeout_seconds)
        if services is not None:
            services.invoker.close()
            services.publisher.close(self._shutdown_timeout_seconds)
