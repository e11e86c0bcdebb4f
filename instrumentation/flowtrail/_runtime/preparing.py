"""Checking at the start that there is somewhere to put what fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from flowtrail._retry import BACKOFF
from flowtrail._runtime.forwarding import Forwarder
from flowtrail._runtime.handlers import Plan
from flowtrail.clients import ClientError

_log = logging.getLogger("flowtrail")


class Preparing:
    """Checks the retry and dead letter topics of all groups once, and creates those that are missing.

    Args:
        plans: The groups.
        forwarder: Who will write to them.
        stop: Set when the trail stops.
    """

    def __init__(self, plans: Iterable[Plan], forwarder: Forwarder, stop: threading.Event) -> None:
        self._groups = {topic: plan.group for plan in plans for topic in plan.own_topics}
        self._forwarder = forwarder
        self._stop = stop
        self._thread = threading.Thread(target=self._run, name="flowtrail-topics", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the end; False if it takes longer."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        tries = 0
        while not self._stop.is_set():
            tries += 1
            try:
                missing = self._forwarder.prepare(self._groups)
            except ClientError:
                # The consumers say that nobody is there.
                self._stop.wait(BACKOFF.wait_seconds(tries))
                continue
            except Exception as error:  # noqa: BLE001 - looked at again when the first record has to go there
                _log.warning("retry and dead letter topics could not be checked: %s", error)
                return
            for topic, reason in sorted(missing.items()):
                _log.warning(
                    "group %s: there is no topic %s for what fails, and it can't be created (%s): create it, or "
                    "the partition of a record that fails waits for it",
                    self._groups[topic], topic, reason,
                )  # fmt: skip
            return
